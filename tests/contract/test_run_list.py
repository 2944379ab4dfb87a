"""What the list of runs needs of the store: since when a run has no leader, ids and states."""

from __future__ import annotations

import pytest

from astrum.protocol.records import RunInfo
from astrum.redis import RunStore
from tests.contract.steps import LEASE_S, create_run, led_run, new_run
from tests.eventually import eventually
from tests.servers import Server


async def info_of(runs: RunStore, run_id: str = "r") -> RunInfo:
    info = await runs.run_info(run_id)
    assert info is not None
    return info


async def test_a_run_says_since_when_it_has_no_leader(runs: RunStore, any_server: Server) -> None:
    await create_run(runs, "r")
    info = await info_of(runs)
    assert info.unled_since == info.created_at
    epoch = await runs.lead("r", "leader", LEASE_S)
    assert epoch is not None
    assert (await info_of(runs)).unled_since is None
    lease_end_ms = epoch + 5
    with any_server.client() as client:
        client.zadd(runs.keys.runs, {"r": lease_end_ms})

    async def is_unled() -> bool:
        return (await info_of(runs)).unled_since is not None

    await eventually(is_unled, "the lease to end")
    assert (await info_of(runs)).unled_since == pytest.approx(lease_end_ms / 1000, abs=1e-4)


async def test_a_run_that_is_given_back_or_reopened_has_no_leader_since_then(
    runs: RunStore,
) -> None:
    epoch = await led_run(runs)
    await runs.release("r", "leader", epoch)
    info = await info_of(runs)
    assert info.released_at is not None
    # An epoch may be a few milliseconds ahead of the clock.
    assert info.unled_since == pytest.approx(info.released_at, abs=0.01)
    epoch = await runs.lead("r", "leader", LEASE_S) or 0
    await runs.finish("r", epoch, "failed", result_ttl_s=60, tails=False)
    assert (await info_of(runs)).unled_since is None
    ended_at, asked_at = info.released_at, 0.0
    while asked_at < ended_at + 0.01:
        asked_at = await runs.server_time()
    assert await runs.reopen("r", b"\x90", "failed", [])
    unled_since = (await info_of(runs)).unled_since
    assert unled_since is not None
    assert asked_at - 0.001 <= unled_since <= await runs.server_time() + 0.001


async def test_a_run_that_waits_for_its_time_lacks_no_leader(runs: RunStore) -> None:
    at = await runs.server_time() + 3600
    await runs.create_run(new_run("r")._replace(start_at=at), b"plan")
    assert (await info_of(runs)).unled_since is None


async def test_ids_come_newest_first_and_states_only_of_runs_that_are_there(
    runs: RunStore, any_server: Server
) -> None:
    for number in range(3):
        await create_run(runs, f"r{number}")
    with any_server.client() as client:
        client.zadd(runs.keys.index, {"r0": 1, "gone": 2, "r1": 3, "no run id": 4, "r2": 5})
        client.delete(runs.keys.run("r1"))
        client.set(runs.keys.run("r1"), "of another type", ex=60)
    assert await runs.run_ids() == ["r2", "r1", "gone", "r0"]
    assert await runs.run_states(["r2", "gone", "r1"]) == {"r2": "open"}
