"""A run in the store: created once, led by one, journalled, finished, gone in time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from astrum.errors import (
    LeadershipLostError,
    PlanNotFoundError,
    RunConflictError,
    RunError,
    RunNotFoundError,
    StoreError,
    StoreUnavailableError,
)
from astrum.machine.run_counter import RunCounts
from astrum.protocol.records import encode_counts
from astrum.protocol.run_header import plan_digest
from astrum.protocol.status import CoordinatorStatus
from astrum.protocol.streams import Stream
from astrum.redis import Outstanding, RedisSettings, RunStore, Verdict, WorkerStore, blobs
from astrum.redis.listing import Adopted
from astrum.redis.scripts import LedCounts
from astrum.values.compression import shrink
from astrum.values.references import Blob, digest_of
from tests.contract.steps import (
    ALREADY_OVER_S,
    LEASE_S,
    STREAM,
    claimed,
    create_run,
    dispatched,
    led_run,
    new_run,
    one_held,
    registered,
    settlement,
    stored,
)
from tests.servers import Server

DAY_MS = 86_400_000
PLAN_OF_R = plan_digest(b"plan of r")


async def test_a_run_is_created_once(runs: RunStore) -> None:
    assert await create_run(runs, "r", b"plan", {"namespace": "n"})
    assert not await create_run(runs, "r", b"plan", {"namespace": "n"})
    with pytest.raises(RunConflictError, match="'r'"):
        await create_run(runs, "r", b"another plan")
    assert await runs.load_plan(plan_digest(b"plan")) == b"plan"


async def test_an_unknown_run_is_named(runs: RunStore) -> None:
    with pytest.raises(PlanNotFoundError, match="unknown"):
        await runs.load_plan("unknown")
    assert await runs.run_info("unknown") is None
    assert await runs.lead("unknown", "leader", LEASE_S) is None


async def test_a_new_run_is_an_orphan_until_a_coordinator_leads_it(runs: RunStore) -> None:
    await create_run(runs, "r")
    assert (await runs.orphans()).run_ids == ["r"]
    assert await runs.lead("r", "leader", LEASE_S) is not None
    assert (await runs.orphans()).run_ids == []


async def test_each_new_run_wakes_one_of_those_that_serve(
    runs: RunStore, any_settings: RedisSettings
) -> None:
    await create_run(runs, "before")
    assert not await runs.client.execute("EXISTS", runs.keys.wake)
    async with RunStore.open(any_settings) as other:
        await runs.join_servers()
        await other.join_servers()
        waiting = [
            asyncio.create_task(s.wait_for_wakes(block_s=20.0, count=9)) for s in (runs, other)
        ]
        run_ids = [f"r{number}" for number in range(6)]
        await asyncio.gather(*(create_run(other, run_id) for run_id in run_ids))
        assert not await create_run(other, "r0")
        await other.create_run(new_run("led here")._replace(run_id="led", wakes=False), b"plan")
        await other.create_run(new_run("late")._replace(start_at=9e9), b"plan")
        told = await asyncio.gather(*waiting)
        told.append(await runs.wait_for_wakes(block_s=0.01, count=9))
        assert sorted(run_id for part in told for run_id in part) == run_ids


async def test_ends_of_runs_are_named_in_their_order_and_a_gap_is_noticed(
    runs: RunStore,
) -> None:
    epochs = {run_id: await led_run(runs, run_id) for run_id in ("first", "a", "b", "c")}

    async def end(run_id: str) -> None:
        epoch = epochs[run_id]
        assert await runs.finish(run_id, epoch, "completed", result_ttl_s=60, tails=False)

    await end("first")
    cursor = await runs.done_cursor()
    for run_id in ("a", "b", "c"):
        await end(run_id)
    all_ends = await runs.wait_for_news({}, cursor, block_s=None, count=3)
    assert (all_ends.ended, all_ends.has_gap) == (["a", "b", "c"], False)
    await runs.client.execute("XTRIM", runs.keys.done, "MAXLEN", 2)
    later = await runs.wait_for_news({}, cursor, block_s=None, count=2)
    assert (later.ended, later.has_gap) == (["b", "c"], True)
    rest = await runs.wait_for_news({}, later.done, block_s=None, count=2)
    assert (rest.ended, rest.done, rest.has_gap) == ([], later.done, False)


async def test_runs_are_adopted_in_one_call_and_a_damaged_one_costs_no_other(
    runs: RunStore,
) -> None:
    for run_id in ("new", "old", "led", "bad"):
        await create_run(runs, run_id)
    await runs.append_event("old", b"event")
    assert await runs.lead("led", "another", LEASE_S)
    await runs.client.execute("SET", runs.keys.journal("bad"), "x", "PX", 60_000)
    new, old, led, bad, gone = await runs.adopt(["new", "old", "led", "bad", "x"], "me", LEASE_S)
    assert isinstance(new, Adopted)
    assert isinstance(old, Adopted)
    assert (new.info.run_id, new.info.owner, new.has_history) == ("new", "me", False)
    assert (old.info.run_id, old.info.owner, old.has_history) == ("old", "me", True)
    assert new.info.plan_digest == plan_digest(b"plan")
    assert (led, gone) == (None, None)
    assert isinstance(bad, StoreError)


async def test_invalid_run_ids_hide_no_orphan(runs: RunStore, any_server: Server) -> None:
    with any_server.client() as client:
        client.zadd(runs.keys.runs, {b"\xff\xfe": 0, "a:b": 0, "": 0})
    for run_id in ("r", "s", "t"):
        await create_run(runs, run_id)
    assert (await runs.orphans()).run_ids == ["r", "s", "t"]
    assert (await runs.orphans(limit=2)).run_ids == ["r", "s"]


async def test_a_live_lease_keeps_others_out(runs: RunStore) -> None:
    epoch = await led_run(runs)
    assert await runs.lead("r", "another", LEASE_S) is None
    assert await runs.renew("leader", {"r": epoch}, LEASE_S) == {"r"}
    assert not await runs.renew("another", {"r": epoch}, LEASE_S)


async def test_a_damaged_record_costs_no_other_run_its_lease(
    runs: RunStore, any_server: Server
) -> None:
    epochs = {"r": await led_run(runs)}
    for other in ("damaged", "gone"):
        epochs[other] = await led_run(runs, other)
    with any_server.client() as client:
        client.set(runs.keys.run("damaged"), "no record", ex=60)
        client.delete(runs.keys.run("gone"))
    assert await runs.renew("leader", epochs, LEASE_S) == {"r"}


async def test_an_attempt_is_not_settled_if_the_journal_refuses_its_record(
    runs: RunStore, workers: WorkerStore, any_server: Server
) -> None:
    _, entry = await one_held(runs, workers)
    with any_server.client() as client:
        client.set(runs.keys.journal("r"), "no journal", ex=60)
        with pytest.raises(StoreError):
            await workers.settle("r", STREAM, [settlement(0, entry)])
        assert list(await runs.outstanding("r")) == [0]
        client.delete(runs.keys.journal("r"))
    assert await workers.settle("r", STREAM, [settlement(0, entry)]) == [Verdict.SETTLED]


async def test_a_lapsed_lease_can_be_taken_and_fences_the_old_leader(runs: RunStore) -> None:
    await create_run(runs, "r")
    old = await runs.lead("r", "old", ALREADY_OVER_S)
    assert old is not None
    async with asyncio.timeout(5):
        while (new := await runs.lead("r", "new", LEASE_S)) is None:
            pass
    assert new > old
    assert not await runs.renew("old", {"r": old}, LEASE_S)
    with pytest.raises(LeadershipLostError):
        await dispatched(runs, old, 0)
    with pytest.raises(LeadershipLostError):
        await runs.revoke("r", old, Stream("default", "async"), [settlement(0, "1-0")])
    with pytest.raises(LeadershipLostError):
        await runs.finish("r", old, "completed", result_ttl_s=60, tails=False)
    with pytest.raises(LeadershipLostError):
        await runs.append_event("r", b"\x90", epoch=old)


async def test_a_released_run_is_free_at_once_and_its_old_epoch_is_invalid(
    runs: RunStore,
) -> None:
    epoch = await led_run(runs)
    await runs.release("r", "leader", epoch)
    assert (await runs.orphans()).run_ids == ["r"]
    with pytest.raises(LeadershipLostError):
        await dispatched(runs, epoch, 0)
    newer = await runs.lead("r", "another", LEASE_S)
    assert newer is not None
    assert newer > epoch


async def test_an_epoch_is_never_handed_out_twice_even_if_the_server_forgets(
    runs: RunStore, any_server: Server
) -> None:
    await create_run(runs, "r")
    with any_server.client() as client:
        before = client.dump(runs.keys.run("r"))
        first = await runs.lead("r", "leader", LEASE_S)
        client.restore(runs.keys.run("r"), 7 * DAY_MS, before, replace=True)
        client.zadd(runs.keys.runs, {"r": 0})
    assert first is not None
    async with asyncio.timeout(5):
        while await runs.server_time() * 1000 < first + 1:
            pass
    second = await runs.lead("r", "another", LEASE_S)
    assert second is not None
    assert second > first


async def test_a_repeated_dispatch_adds_nothing_and_returns_the_true_states(
    runs: RunStore, workers: WorkerStore
) -> None:
    epoch = await led_run(runs)
    ids = await dispatched(runs, epoch, 0, 1)
    assert await dispatched(runs, epoch, 0, 1) == ids
    found = {n: Outstanding(1, ids[n], Stream("default", "async")) for n in (0, 1)}
    assert await runs.outstanding("r") == found
    await registered(workers, "w")
    assert [claim.entry_id for claim in await claimed(workers, "w")] == ids
    await workers.settle("r", STREAM, [settlement(0, ids[0])])
    await workers.settle("r", STREAM, [settlement(1, ids[1], final=False)])
    assert await dispatched(runs, epoch, 0, 1) == ["1!w", "1=w"]
    items = [(0, 2, b""), (1, 2, b"")]
    second = (await runs.dispatch("r", epoch, Stream("default", "async"), items)).states
    assert second[0] == "1!w"
    fence = f"2:{second[1]}/default:a:"
    for stream, attempt in ((Stream("default", "async"), 3), (Stream("other", "async"), 2)):
        sent = await runs.dispatch("r", epoch, stream, [(1, attempt, b"")])
        assert sent.states == [fence]


async def test_more_attempts_than_one_script_takes_are_dispatched_and_revoked(
    runs: RunStore,
) -> None:
    epoch = await led_run(runs)
    ids = await dispatched(runs, epoch, *range(1201))
    assert len(set(ids)) == 1201
    ends = [settlement(task, entry_id) for task, entry_id in enumerate(ids)]
    verdicts = await runs.revoke("r", epoch, Stream("default", "async"), ends)
    assert verdicts == [Verdict.SETTLED] * 1201
    info = await runs.run_info("r")
    assert info is not None
    assert info.outstanding == 0


async def test_a_signature_travels_with_its_message(runs: RunStore, workers: WorkerStore) -> None:
    epoch = await led_run(runs)
    await runs.dispatch(
        "r", epoch, Stream("default", "async"), [(0, 1, b"data", b"sig"), (1, 1, b"bare")]
    )
    await registered(workers, "w")
    claims = await claimed(workers, "w")
    assert [(claim.data, claim.signature) for claim in claims] == [
        (b"data", b"sig"),
        (b"bare", b""),
    ]


async def test_the_journal_of_each_run_is_read_from_its_own_position(
    runs: RunStore, workers: WorkerStore
) -> None:
    for run_id in ("r", "s"):
        epoch = await led_run(runs, run_id)
        [entry] = await dispatched(runs, epoch, 0, run_id=run_id)
        await registered(workers, "w")
        await workers.settle(run_id, STREAM, [settlement(0, entry)])
    entries = await runs.read_journal({"r": "0-0", "s": "0-0"}, block_s=None, count=10)
    assert [entry.run_id for entry in entries] == ["r", "s"]
    assert entries[0].data == b"\xdd\x00\x00\x00\x01\x01"
    assert abs(entries[0].recorded_at - await runs.server_time()) < 60
    rest = {"r": entries[0].entry_id, "s": "0-0"}
    assert await runs.read_journal(rest, block_s=1.0, count=10) == [entries[1]]


async def test_a_wait_for_the_journal_can_be_ended(runs: RunStore) -> None:
    await led_run(runs)
    reading = asyncio.create_task(runs.read_journal({"r": "0-0"}, block_s=20.0, count=1))
    await runs.unblock()
    assert await asyncio.wait_for(reading, 5) == []


async def test_ending_a_wait_does_not_block_on_a_reader_that_waits_again_at_once(
    runs: RunStore,
) -> None:
    await led_run(runs)

    async def read_on() -> None:
        while True:
            await runs.read_journal({"r": "0-0"}, block_s=20.0, count=1)

    reading = asyncio.create_task(read_on())
    await runs.server_time()  # by now the first read is under way
    async with asyncio.timeout(5):
        await runs.unblock()
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)


async def test_an_event_is_journalled_while_the_run_is_open(runs: RunStore) -> None:
    epoch = await led_run(runs)
    assert await runs.append_event("r", b"fact")
    assert await runs.append_event("r", b"of the leader", epoch=epoch)
    await runs.finish("r", epoch, "completed", result_ttl_s=60, tails=False)
    assert not await runs.append_event("r", b"too late")
    assert not await runs.append_event("unknown", b"fact")
    entries = await runs.read_journal({"r": "0-0"}, block_s=None, count=10)
    assert [entry.data for entry in entries] == [b"fact", b"of the leader"]


async def test_a_run_does_not_end_while_an_attempt_is_outstanding(runs: RunStore) -> None:
    epoch = await led_run(runs)
    [entry] = await dispatched(runs, epoch, 0)
    assert not await runs.finish("r", epoch, "failed", result_ttl_s=60, tails=False)
    await runs.revoke("r", epoch, Stream("default", "async"), [settlement(0, entry)])
    assert await runs.finish("r", epoch, "failed", result_ttl_s=60, tails=False)
    assert await runs.finish("r", epoch, "failed", result_ttl_s=60, tails=False)
    info = await runs.run_info("r")
    assert info is not None
    assert (info.state, info.is_open, info.lease_s) == ("failed", False, 0)
    assert info.ended_at is not None
    assert info.ended_at >= info.created_at


async def test_tails_may_settle_after_the_end_without_creating_keys_again(
    runs: RunStore, workers: WorkerStore, any_server: Server
) -> None:
    epoch = await led_run(runs)
    ids = await dispatched(runs, epoch, 0, 1)
    await registered(workers, "w")
    await claimed(workers, "w")
    assert await runs.finish("r", epoch, "completed", result_ttl_s=60, tails=True)
    assert await workers.settle("r", STREAM, [settlement(0, ids[0])]) == [Verdict.SETTLED]
    with any_server.client() as client:
        assert 0 < client.pttl(runs.keys.journal("r")) <= 60_000
        for key in client.keys("*:run:*"):
            client.delete(key)
        assert await workers.settle("r", STREAM, [settlement(1, ids[1])]) == [Verdict.FENCED]
        assert client.keys("*:run:*") == []
    assert await workers.own_claims([STREAM]) == []


async def test_no_run_is_ended_by_a_belief_from_before_a_loss(runs: RunStore) -> None:
    epoch = await led_run(runs)
    runs.loss.suspect()
    with pytest.raises(StoreUnavailableError, match="read again"):
        await runs.finish("r", epoch, "completed", result_ttl_s=60, tails=False)
    info = await runs.run_info("r")
    assert info is not None
    assert info.is_open
    assert runs.loss.acknowledge()
    assert await runs.finish("r", epoch, "completed", result_ttl_s=60, tails=False)


async def test_all_keys_of_an_ended_run_expire_with_its_result(
    runs: RunStore, any_server: Server
) -> None:
    epoch = await led_run(runs)
    await runs.append_event("r", b"fact")
    await stored(runs, "r", b"big")
    with any_server.client() as client:
        mine = client.keys("*r*:r*")
        assert len(mine) >= 6
        for key in mine:
            assert 6 * DAY_MS < client.pttl(key) <= 7 * DAY_MS or client.type(key) == b"zset"
        await runs.finish("r", epoch, "completed", result_ttl_s=60, tails=False)
        for key in mine:
            assert client.pttl(key) <= 60_000
        assert not client.exists(runs.keys.runs)


async def test_an_open_run_and_its_values_live_on(runs: RunStore, any_server: Server) -> None:
    await led_run(runs)
    digest = await stored(runs, "r", b"big")
    with any_server.client() as client:
        for key in (runs.keys.run("r"), runs.keys.plan(PLAN_OF_R), runs.keys.blob("r", digest)):
            client.pexpire(key, DAY_MS)
        await runs.prolong("r")
        for key in (runs.keys.run("r"), runs.keys.plan(PLAN_OF_R), runs.keys.blob("r", digest)):
            assert client.pttl(key) > 6 * DAY_MS


async def test_a_value_is_stored_once_and_named_by_its_content(
    runs: RunStore, any_server: Server
) -> None:
    await led_run(runs)
    data = bytes(range(256)) * 400
    digest = await stored(runs, "r", data)
    assert await stored(runs, "r", data) == digest
    assert await runs.get_blob("r", digest) == data
    with any_server.client() as client:
        assert client.smembers(runs.keys.blobs("r")) == {digest.encode()}
    with pytest.raises(RunNotFoundError):
        await runs.get_blob("r", "0" * 32)
    with pytest.raises(RunNotFoundError):
        await stored(runs, "unknown", data)


async def test_a_value_that_was_changed_in_the_store_is_not_returned(
    runs: RunStore, any_server: Server
) -> None:
    await led_run(runs)
    digest = await stored(runs, "r", b"what a task returned")
    with any_server.client() as client:
        client.setrange(runs.keys.blob("r", digest), 0, b"W")
    with pytest.raises(StoreError, match="was changed in the store"):
        await runs.get_blob("r", digest)


async def test_a_compressed_value_is_checked_by_what_it_inflates_to(
    runs: RunStore, any_server: Server
) -> None:
    await led_run(runs)
    raw = b"what a task returned" * 10_000
    digest = digest_of(raw)
    await runs.put_blob("r", Blob(digest, shrink(raw)))
    # A host with another compressor stores the same value under the same name.
    await runs.put_blob("r", Blob(digest, raw))
    assert await runs.get_blob("r", digest) == raw
    with any_server.client() as client:
        key = runs.keys.blob("r", digest)
        assert client.strlen(key) < len(raw)
        client.set(key, shrink(raw[::-1]), keepttl=True)
        with pytest.raises(StoreError, match="was changed in the store"):
            await runs.get_blob("r", digest)
        client.set(key, shrink(raw)[:-1], keepttl=True)
        with pytest.raises(StoreError, match=f"value {digest} of run 'r' cannot be read"):
            await runs.get_blob("r", digest)


async def test_runs_are_listed_newest_first_with_their_details(
    runs: RunStore, any_server: Server
) -> None:
    for run_id in ("first", "second", "third"):
        epoch = await led_run(runs, run_id)
        started = await runs.server_time()
        async with asyncio.timeout(5):
            while await runs.server_time() - started < 0.002:
                pass
    extra = {"succeeded": "3"}
    await runs.finish("third", epoch, "completed", result_ttl_s=60, tails=False, details=extra)
    listed = await runs.list_runs(limit=10)
    assert [run.run_id for run in listed] == ["third", "second", "first"]
    assert listed[0].details == {"namespace": "n", "succeeded": "3"}
    assert 0 < listed[1].lease_s <= LEASE_S
    assert [run.run_id for run in await runs.list_runs(limit=2)] == ["third", "second"]
    with any_server.client() as client:
        client.delete(runs.keys.run("third"))
    assert [run.run_id for run in await runs.list_runs(limit=2)] == ["second", "first"]
    await runs.finish(
        "second",
        (await runs.lead("second", "leader", LEASE_S)) or 0,
        "failed",
        result_ttl_s=60,
        tails=False,
    )
    with any_server.client() as client:
        assert client.zrange(runs.keys.history, 0, -1) == [b"second"]
        assert client.zrange(runs.keys.index, 0, -1) == [b"first", b"second"]
        client.delete(runs.keys.run("first"))
    await create_run(runs, "fourth")
    with any_server.client() as client:
        assert client.zrange(runs.keys.index, 0, -1) == [b"second", b"fourth"]


async def test_as_many_runs_are_listed_as_asked_for_whatever_else_the_index_names(
    runs: RunStore, any_server: Server
) -> None:
    for number in range(45):
        await create_run(runs, f"r{number:02}")
    with any_server.client() as client:
        client.zadd(runs.keys.index, {f"r{number:02}": number for number in range(45)})
        client.zadd(runs.keys.index, {b"\xff": 44, "no run id": 44})
        for number in range(5, 42):
            client.delete(runs.keys.run(f"r{number:02}"))
    listed = [run.run_id for run in await runs.list_runs(limit=5)]
    assert listed == ["r44", "r43", "r42", "r04", "r03"]


async def test_a_leader_tells_the_counts_of_its_run_and_no_other_can(runs: RunStore) -> None:
    epoch = await led_run(runs)

    async def told(owner: str, epoch: int, succeeded: int) -> RunCounts | None:
        led = [LedCounts("r", epoch, encode_counts(RunCounts(succeeded, 1, 2, 3, 4)))]
        await runs.announce(owner, {}, CoordinatorStatus(), led, 60.0)
        info = await runs.run_info("r")
        assert info is not None
        return info.counts

    assert await told("another", epoch, 1) is None
    assert await told("leader", epoch, 2) == RunCounts(2, 1, 2, 3, 4)
    assert await told("leader", epoch - 1, 3) == RunCounts(2, 1, 2, 3, 4)
    await runs.finish(
        "r", epoch, "failed", result_ttl_s=60, tails=False, counts=RunCounts(9, 1, 2, 3, 0)
    )
    assert await told("leader", epoch, 4) == RunCounts(9, 1, 2, 3, 0)


async def test_a_coordinator_is_seen_until_it_says_nothing_more(
    runs: RunStore, any_server: Server
) -> None:
    status = CoordinatorStatus(led_count=2, ready={"default": 7})
    await runs.announce("host:7:x", {"host": "host"}, status, [], 60.0)
    await runs.announce("gone:8:y", {}, CoordinatorStatus(), [], 0.001)
    async with asyncio.timeout(5):
        while len(await runs.coordinators()) > 1:
            pass
    [seen] = await runs.coordinators()
    assert (seen.owner, seen.details, seen.status) == ("host:7:x", {"host": "host"}, status)
    assert 0 <= seen.age_s < 60
    with any_server.client() as client:
        assert 0 < client.pttl(runs.keys.coordinator("host:7:x")) <= 60_000
        client.hset(runs.keys.coordinator("host:7:x"), "at", "9" * 5000)
    assert [seen.owner for seen in await runs.coordinators()] == ["host:7:x"]
    await runs.withdraw("host:7:x")
    assert await runs.coordinators() == []


async def test_a_run_that_was_given_back_says_by_whom_and_when(runs: RunStore) -> None:
    epoch = await led_run(runs)
    before = await runs.server_time()
    await runs.release("r", "leader", epoch)
    info = await runs.run_info("r")
    assert info is not None
    assert info.released_by == "leader"
    assert info.released_at is not None
    assert before - 0.01 <= info.released_at <= await runs.server_time()


async def test_an_expired_run_leaves_the_index_when_a_coordinator_tries_to_lead_it(
    runs: RunStore, any_server: Server
) -> None:
    await create_run(runs, "r")
    with any_server.client() as client:
        client.delete(runs.keys.run("r"))
        assert (await runs.orphans()).run_ids == ["r"]
        assert await runs.lead("r", "leader", LEASE_S) is None
        assert (await runs.orphans()).run_ids == []


async def test_a_hint_reaches_its_listeners(runs: RunStore, workers: WorkerStore) -> None:
    hints = workers.hints()
    first = asyncio.ensure_future(anext(hints))
    async with asyncio.timeout(5):
        while not first.done():
            await runs.publish(b"hint")
            await asyncio.wait([first], timeout=0.01)
    assert first.result() == b"hint"
    assert isinstance(hints, AsyncGenerator)
    await hints.aclose()


async def test_a_damaged_record_hides_no_other_run(runs: RunStore, any_server: Server) -> None:
    await led_run(runs, "whole")
    await led_run(runs, "damaged")
    with any_server.client() as client:
        client.hdel(runs.keys.run("damaged"), "ep")
        client.hset(runs.keys.run("whole"), "f:namespace", b"\xff")
    [whole] = await runs.list_runs()
    assert (whole.run_id, whole.details["namespace"]) == ("whole", "\ufffd")
    with pytest.raises(StoreError, match="record of run 'damaged' is damaged"):
        await runs.run_info("damaged")


async def test_a_value_beyond_the_limit_is_refused(
    runs: RunStore, any_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    await led_run(runs)
    digest = await stored(runs, "r", b"12345678")
    monkeypatch.setattr(blobs, "MAX_BLOB_BYTES", 7)
    with pytest.raises(StoreError, match="more than 7 bytes"):
        await runs.get_blob("r", digest)
    with pytest.raises(StoreError, match="more than 7 bytes"):
        await runs.load_plan(PLAN_OF_R)


async def test_an_id_whose_keys_belong_to_another_run_is_refused(runs: RunStore) -> None:
    for run_id in ("r:d", "r:j", "", "a b", "x" * 201, "é"):
        with pytest.raises(RunError, match="is not a run id"):
            await create_run(runs, run_id)
