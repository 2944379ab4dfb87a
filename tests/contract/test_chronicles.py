"""Chronicles outlive their runs, within bounds of time and bytes."""

from __future__ import annotations

import asyncio

from astrum.redis import RunStore
from astrum.redis.chronicles import KEPT, NO_ROOM, NO_RUN
from tests.contract.steps import led_run


async def ended(runs: RunStore, *run_ids: str, **details: str) -> None:
    for run_id in run_ids:
        await end(runs, run_id, await led_run(runs, run_id), **details)


async def end(runs: RunStore, run_id: str, epoch: int, **details: str) -> None:
    assert await runs.finish(run_id, epoch, "failed", result_ttl_s=60, tails=False, details=details)


async def epoch_of(runs: RunStore, run_id: str) -> int:
    info = await runs.run_info(run_id)
    return 1 if info is None else info.epoch


async def keep(runs: RunStore, run_id: str, data: bytes = b"1234", max_bytes: int = 10) -> int:
    epoch = await epoch_of(runs, run_id)
    return await runs.keep_chronicle(run_id, epoch, data, life_s=60.0, max_bytes=max_bytes)


async def unkept(runs: RunStore, limit: int = 10) -> list[str]:
    now = await runs.server_time()
    return [one.run_id for one in await runs.without_chronicle(now - 60, now, limit)]


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
    assert (
        await runs.keep_chronicle(
            "b", await epoch_of(runs, "b"), b"123456", life_s=0.001, max_bytes=10
        )
        == KEPT
    )
    await asyncio.sleep(0.01)
    assert await keep(runs, "c", b"123456") == KEPT
    assert [await runs.chronicle(run_id) for run_id in "abc"] == [b"1234", None, b"123456"]
    assert await total(runs) == 10


async def test_ended_runs_without_a_chronicle_are_found_the_newest_first(runs: RunStore) -> None:
    await led_run(runs, "open")
    for run_id in ("a", "b", "c"):
        await ended(runs, run_id)
        await asyncio.sleep(0.002)
    assert await unkept(runs) == ["c", "b", "a"]
    assert await unkept(runs, limit=2) == ["c", "b"]
    now = await runs.server_time()
    assert [one.owner for one in await runs.without_chronicle(now - 60, now, 1)] == ["leader"]
    assert await runs.without_chronicle(now - 120, now - 60, 10) == []
    assert await keep(runs, "b") == KEPT
    assert await unkept(runs) == ["c", "a"]


async def test_one_that_had_no_room_is_not_tried_again(runs: RunStore) -> None:
    await ended(runs, "a")
    assert await keep(runs, "a", b"12345678901") == NO_ROOM
    assert await unkept(runs) == []


async def test_a_leader_that_keeps_none_leaves_none_to_others(runs: RunStore) -> None:
    epoch = await led_run(runs, "a")
    await end(runs, "a", epoch, no_history=str(epoch))
    assert await unkept(runs) == []


async def test_of_a_run_that_ended_again_only_the_later_end_is_kept(runs: RunStore) -> None:
    first = await led_run(runs, "a")
    await end(runs, "a", first)
    assert await keep(runs, "a") == KEPT
    assert await runs.reopen("a", b"entry", "failed", [])
    assert await runs.keep_chronicle("a", first, b"1", life_s=60.0, max_bytes=10) == NO_RUN
    second = await runs.lead("a", "leader", 30.0)
    assert second is not None
    await end(runs, "a", second)
    assert await unkept(runs) == ["a"]
    assert await runs.keep_chronicle("a", first, b"1", life_s=60.0, max_bytes=10) == NO_RUN
    assert await runs.chronicle("a") == b"1234"
    assert await keep(runs, "a", b"56") == KEPT
    assert await runs.chronicle("a") == b"56"
    assert await unkept(runs) == []
