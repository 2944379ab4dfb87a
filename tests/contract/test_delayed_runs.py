"""Runs that wait for their time: when they begin, how long they live, who hears of it."""

from __future__ import annotations

import asyncio

import pytest

from astrum.protocol.run_header import NewRun, StoredPlan, plan_digest
from astrum.redis import RedisSettings, RunStore, WorkerStore
from astrum.values.references import Blob, digest_of
from tests.contract.steps import LEASE_S, create_run, led_run, new_run, registered
from tests.eventually import eventually
from tests.keyspace import unowned_keys
from tests.servers import RedisServer, Server

DAY_MS = 86_400_000
HOUR_MS = 3_600_000
PLAN = b"plan"
FAR_DAYS = 300


async def delay(runs: RunStore, run_id: str, delay_s: float) -> float:
    """Create a run that waits, and return its time."""
    start_at = round(await runs.server_time() + delay_s, 3)
    assert await runs.create_run(new_run(run_id)._replace(start_at=start_at), PLAN)
    return start_at


async def passed(runs: RunStore, due: float) -> None:
    """Wait until a time has passed on the server's clock."""

    async def has_passed() -> bool:
        return await runs.server_time() >= due

    await eventually(has_passed)


async def test_a_delayed_run_has_no_leader_before_its_time_and_is_found_then(
    runs: RunStore,
) -> None:
    due = await delay(runs, "late", 0.2)
    info = await runs.run_info("late")
    assert info is not None
    assert (info.state, info.lease_s, info.start_at, info.waits_until) == ("open", 0.0, due, due)
    assert await runs.lead("late", "leader", LEASE_S) is None
    orphans = await runs.orphans()
    assert orphans.run_ids == []
    assert 0 < (orphans.next_s or 0) <= 0.2
    await asyncio.sleep(orphans.next_s or 0)
    assert await runs.orphans() == (["late"], frozenset({"late"}), None)
    info = await runs.run_info("late")
    assert info is not None
    assert (info.start_at, info.waits_until, info.begun_at) == (due, None, due)
    assert await runs.lead("late", "leader", LEASE_S) is not None
    assert not await runs.client.execute("EXISTS", runs.keys.delayed)


async def test_a_run_whose_time_has_passed_begins_at_once(runs: RunStore) -> None:
    await runs.join_servers()
    await delay(runs, "past", -60.0)
    assert await runs.wait_for_wakes(block_s=5.0, count=9) == ["past"]
    info = await runs.run_info("past")
    assert info is not None
    assert (info.start_at, info.waits_until) == (None, None)
    assert await runs.lead("past", "leader", LEASE_S) is not None


async def test_a_due_run_can_be_led_without_a_look_and_begins_once(runs: RunStore) -> None:
    due = await delay(runs, "r", 0.05)
    await passed(runs, due)
    assert await runs.lead("r", "leader", LEASE_S) is not None
    assert (await runs.orphans()).run_ids == []
    assert not await runs.client.execute("EXISTS", runs.keys.delayed)


async def test_each_due_run_wakes_one_of_those_that_serve(
    runs: RunStore, any_settings: RedisSettings
) -> None:
    names = [f"r{number}" for number in range(5)]
    due = [await delay(runs, run_id, 0.1) for run_id in names][-1]
    async with RunStore.open(any_settings) as other:
        await runs.join_servers()
        await other.join_servers()
        await passed(runs, due)
        looks = await asyncio.gather(runs.orphans(), other.orphans())
        assert [look.run_ids for look in looks] == [names, names]
        told = [await store.wait_for_wakes(block_s=0.01, count=3) for store in (runs, other)]
        assert sorted(told[0] + told[1]) == names


async def test_a_request_to_cancel_lets_a_run_begin_before_its_time(runs: RunStore) -> None:
    await runs.join_servers()
    await delay(runs, "r", 3600.0)
    assert await runs.append_event("r", b"fact")
    assert (await runs.orphans()).run_ids == []
    assert await runs.append_event("r", b"cancel", begins=True)
    assert await runs.wait_for_wakes(block_s=5.0, count=9) == ["r"]
    assert (await runs.orphans()).run_ids == ["r"]
    info = await runs.run_info("r")
    assert info is not None
    assert (info.start_at, info.waits_until) == (None, None)
    epoch = await runs.lead("r", "leader", LEASE_S)
    assert epoch is not None
    assert await runs.append_event("r", b"again", begins=True)
    assert await runs.finish("r", epoch, "cancelled", result_ttl_s=60, tails=False)
    assert not await runs.client.execute("EXISTS", runs.keys.delayed, runs.keys.runs)


async def test_all_that_a_delayed_run_needs_outlives_its_start_by_the_life_of_an_open_run(
    runs: RunStore, any_server: Server
) -> None:
    big = Blob(digest_of(b"big input"), b"big input")
    start_at = await runs.server_time() + FAR_DAYS * DAY_MS / 1000
    await create_run(runs, "before", PLAN)
    await runs.create_run(new_run("far")._replace(start_at=start_at, blobs=(big,)), PLAN)
    await runs.append_event("far", b"fact")
    keys = runs.keys
    needed = [
        *(keys.run("far"), keys.attempts("far"), keys.journal("far"), keys.blobs("far")),
        *(keys.blob("far", big.digest), keys.plan(plan_digest(PLAN)), keys.delayed, keys.index),
    ]
    with any_server.client() as client:

        def lives() -> list[int]:
            return [round(client.pttl(key) / DAY_MS) for key in needed]

        assert lives() == [FAR_DAYS + 7] * len(needed)
        # Nothing that others do shortens one of them.
        await runs.create_run(new_run("soon")._replace(start_at=start_at - 1e6), PLAN)
        epoch = await led_run(runs, "other")
        await runs.renew("leader", {"other": epoch}, LEASE_S)
        await runs.prolong("other")
        await runs.finish("other", epoch, "completed", result_ttl_s=60, tails=False)
        await runs.lead("before", "leader", LEASE_S)
        await runs.orphans()
        assert lives() == [FAR_DAYS + 7] * len(needed)
        assert unowned_keys(client) == []


async def test_a_delayed_run_is_prolonged_beyond_its_start(
    runs: RunStore, any_server: Server
) -> None:
    big = Blob(digest_of(b"big input"), b"big input")
    start_at = await runs.server_time() + FAR_DAYS * DAY_MS / 1000
    await runs.create_run(new_run("far")._replace(start_at=start_at, blobs=(big,)), PLAN)
    keys = [runs.keys.run("far"), runs.keys.attempts("far"), runs.keys.blob("far", big.digest)]
    with any_server.client() as client:
        for key in keys:  # as values taken over from another run are left for the next `prolong`
            client.pexpire(key, (FAR_DAYS + 7) * DAY_MS // 3)
        await runs.prolong("far")
        assert [round(client.pttl(key) / DAY_MS) for key in keys] == [FAR_DAYS + 7] * 3


async def test_the_plan_of_a_delayed_run_outlives_its_publication(
    runs: RunStore, any_server: Server
) -> None:
    old, new = StoredPlan("old", b"old"), StoredPlan("new", b"new")
    assert await runs.publish_flow("f", b"1", old, (b"", ""))
    start_at = await runs.server_time() + FAR_DAYS * DAY_MS / 1000
    run = NewRun("far", "old", b"header", "identity", start_at=start_at, published=("f", b"1"))
    assert await runs.create_run(run)
    assert await runs.publish_flow("f", b"2", new, (b"1", "old"))
    assert await runs.unpublish_flow("f", b"2", "new")
    with any_server.client() as client:
        for digest in ("old", "new"):
            assert round(client.pttl(runs.keys.plan(digest)) / DAY_MS) == FAR_DAYS + 7


async def test_thousands_of_delayed_runs_hide_no_lease_that_ends_too_late(
    runs: RunStore, workers: WorkerStore, any_server: Server
) -> None:
    await led_run(runs)
    await registered(workers, "w")
    start_at = await runs.server_time() + 30 * DAY_MS / 1000
    many = [new_run(f"d{number}")._replace(start_at=start_at) for number in range(3_000)]
    await runs.create_runs(many, {plan_digest(PLAN): PLAN})
    now_ms = 1000 * await runs.server_time()
    with any_server.client() as client:
        client.zadd(runs.keys.runs, {"r": now_ms + HOUR_MS})
        assert await runs.heal_leases() == 1
        assert await runs.heal_leases(jumped_s=3600.0) == 0
        assert client.zcard(runs.keys.delayed) == len(many)


async def test_a_full_server_lets_due_runs_begin_and_cancels_waiting_ones(
    own_server: RedisServer,
) -> None:
    async with RunStore.open(RedisSettings(url=own_server.tcp_url)) as runs:
        await runs.join_servers()
        due = await delay(runs, "due", 0.05)
        await delay(runs, "far", 3600.0)
        with own_server.client() as client:
            client.config_set("maxmemory", 1)
        await passed(runs, due)
        assert (await runs.orphans()).run_ids == ["due"]
        assert await runs.append_event("far", b"cancel", begins=True)
        assert await runs.lead("far", "leader", LEASE_S) is not None


async def test_more_runs_than_one_look_takes_begin_by_the_next_looks(
    runs: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("astrum.redis.scripts.DUE_RUNS_PER_CALL", 2)
    due = [await delay(runs, run_id, 0.1) for run_id in "abcde"][-1]
    await passed(runs, due)
    looks = [await runs.orphans() for _ in range(3)]
    assert [(len(look.run_ids), look.next_s) for look in looks] == [(2, 0.0), (4, 0.0), (5, None)]
