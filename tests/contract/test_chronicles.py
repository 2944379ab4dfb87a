"""Chronicles outlive their runs, within bounds of time and bytes."""

from __future__ import annotations

import asyncio

from astrum.redis import RunStore
from astrum.redis.chronicles import KEPT, NO_ROOM, NO_RUN
from tests.contract.steps import led_run


async def ended(runs: RunStore, *run_ids: str) -> None:
    for run_id in run_ids:
        epoch = await led_run(runs, run_id)
        assert await runs.finish(run_id, epoch, "completed", result_ttl_s=60, tails=False)


async def keep(runs: RunStore, run_id: str, data: bytes = b"1234", max_bytes: int = 10) -> int:
    return await runs.keep_chronicle(run_id, data, life_s=60.0, max_bytes=max_bytes)


async def total(runs: RunStore) -> int:
    return int(await runs.client.execute("HGET", runs.keys.chronicle_sizes, "#"))


async def test_the_chronicle_of_a_run_is_there_when_its_record_is_gone(runs: RunStore) -> None:
    await ended(runs, "a")
    assert await keep(runs, "a") == KEPT
    await runs.forget("a")
    assert await runs.chronicle("a") == b"1234"
    assert await runs.drop_chronicle("a")
    assert not await runs.drop_chronicle("a")
    assert await runs.chronicle("a") is None
    assert await total(runs) == 0


async def test_an_open_run_and_one_that_was_forgotten_get_none(runs: RunStore) -> None:
    await led_run(runs, "open")
    assert await keep(runs, "open") == NO_RUN
    assert await keep(runs, "gone") == NO_RUN
    assert await runs.chronicle("open") is None


async def test_the_oldest_make_room_for_the_newest(runs: RunStore) -> None:
    await ended(runs, "a", "b", "c", "d")
    for run_id in ("a", "b"):
        assert await keep(runs, run_id) == KEPT
        await asyncio.sleep(0.002)  # the server's clock tells which is older
    assert await keep(runs, "c", b"123") == KEPT
    assert [await runs.chronicle(run_id) for run_id in "abc"] == [None, b"1234", b"123"]
    assert await total(runs) == 7
    assert await keep(runs, "d", b"12345678901") == NO_ROOM
    assert await runs.chronicle("d") is None


async def test_a_later_chronicle_of_a_run_takes_the_place_of_the_earlier_one(
    runs: RunStore,
) -> None:
    await ended(runs, "a")
    assert await keep(runs, "a") == KEPT
    assert await keep(runs, "a", b"1234567890") == KEPT
    assert await runs.chronicle("a") == b"1234567890"
    assert await total(runs) == 10


async def test_what_has_expired_takes_no_room(runs: RunStore) -> None:
    await ended(runs, "a", "b", "c")
    assert await keep(runs, "a") == KEPT
    assert await runs.keep_chronicle("b", b"123456", life_s=0.001, max_bytes=10) == KEPT
    await asyncio.sleep(0.01)
    assert await keep(runs, "c", b"123456") == KEPT
    assert [await runs.chronicle(run_id) for run_id in "abc"] == [b"1234", None, b"123456"]
    assert await total(runs) == 10
