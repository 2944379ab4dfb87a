"""Damaged records of runs, and foreign values in their place."""

from __future__ import annotations

import pytest

from astrum.errors import StoreError
from astrum.redis import RunStore
from tests.contract.steps import led_run
from tests.servers import Server

DAY_MS = 86_400_000


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("at", "nan"),
        ("at", "1e308"),
        ("at", "-1"),
        ("end", "inf"),
        ("ep", "1e400"),
        ("st", b"\xff"),
    ],
)
async def test_a_foreign_field_is_reported_and_hides_no_other_run(
    runs: RunStore, any_server: Server, field: str, value: str | bytes
) -> None:
    for run_id in ("whole", "damaged"):
        await led_run(runs, run_id)
    with any_server.client() as client:
        client.hset(runs.keys.run("damaged"), field, value)
    assert [run.run_id for run in await runs.list_runs()] == ["whole"]
    with pytest.raises(StoreError, match="record of run 'damaged' is damaged"):
        await runs.run_info("damaged")


async def test_foreign_keys_hide_no_other_run(runs: RunStore, any_server: Server) -> None:
    for run_id in ("whole", "count", "fence", "record"):
        await led_run(runs, run_id)
    with any_server.client() as client:
        client.hset(runs.keys.attempts("count"), "#", "abc")
        client.set(runs.keys.attempts("fence"), "x", px=DAY_MS)
        client.set(runs.keys.run("record"), "x", px=DAY_MS)
        client.zadd(runs.keys.history, {b"\xff\xfe": 1, "a:b": 2})
        client.pexpire(runs.keys.history, DAY_MS)
    assert [run.run_id for run in await runs.list_runs()] == ["whole"]
    for run_id in ("count", "fence", "record"):
        with pytest.raises(StoreError, match=f"record of run '{run_id}' is damaged"):
            await runs.run_info(run_id)


@pytest.mark.parametrize(
    ("task", "mark"),
    [
        ("abc", "1:1-1"),
        ("0", "x:1-1"),
        ("0", b"\xff:\xff"),
        ("0", "1:nonsense"),
        ("0", "1:1-1"),
        ("0", "1:1-1/default"),
        ("0", b"1:1-1/\xff:a"),
        ("0", "9" * 30 + ":1-1/default:a:"),
    ],
)
async def test_a_foreign_fence_is_reported(
    runs: RunStore, any_server: Server, task: str, mark: str | bytes
) -> None:
    await led_run(runs)
    with any_server.client() as client:
        client.hset(runs.keys.attempts("r"), "7", "1!of:a:worker")
        assert await runs.outstanding("r") == {}
        client.hset(runs.keys.attempts("r"), task, mark)
    with pytest.raises(StoreError, match="record of run 'r' is damaged"):
        await runs.outstanding("r")
