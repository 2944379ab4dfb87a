"""A worker in the store: registered, leased, claiming, settling, leaving."""

from __future__ import annotations

import asyncio

import pytest

from astrum.protocol.status import WorkerStatus, encode_status
from astrum.protocol.streams import Stream
from astrum.redis import (
    Claim,
    LeaseClient,
    RedisSettings,
    RunStore,
    Verdict,
    WorkerStore,
    worker_scripts,
)
from tests.contract.steps import (
    ALREADY_OVER_S,
    LEASE_S,
    STREAM,
    as_worker,
    claimed,
    dispatched,
    led_run,
    one_held,
    registered,
    settlement,
)
from tests.eventually import eventually
from tests.servers import Server


async def test_a_registered_worker_is_listed_with_its_tasks(
    runs: RunStore, workers: WorkerStore
) -> None:
    await registered(workers, "w")
    busy = WorkerStatus(unsettled=3)
    assert await workers.set_status(encode_status(busy))
    [seen] = await runs.workers()
    assert (seen.worker_id, seen.details, seen.status) == ("w", {"host": "h"}, busy)
    assert 0 < seen.lease_s <= LEASE_S
    assert await runs.served("w") == b"served"
    assert await runs.served("unknown") == b""
    await workers.leave()
    assert await runs.workers() == []
    assert not await workers.set_status(b"gone")


async def test_a_heartbeat_renews_the_lease_and_reports_that_it_had_expired(
    runs: RunStore, workers: WorkerStore, any_settings: RedisSettings, any_server: Server
) -> None:
    lease = LeaseClient(any_settings)
    await registered(workers, "w")
    assert lease.beat("w", ALREADY_OVER_S, b"busy")
    with any_server.client() as client:
        assert client.hget(runs.keys.worker("w"), "status") == b"busy"
    async with asyncio.timeout(5):
        while await runs.workers():
            pass
    assert not lease.beat("w", LEASE_S)
    assert lease.beat("w", LEASE_S)
    with any_server.client() as client:
        client.delete(runs.keys.worker("w"))
    assert not lease.beat("w", LEASE_S, b"busy")
    with any_server.client() as client:
        assert not client.exists(runs.keys.worker("w")), "an expired registration came back"
    await registered(workers, "w")
    assert lease.beat("w", LEASE_S)
    lease.close()


async def test_a_first_claim_needs_no_stream(workers: WorkerStore) -> None:
    await registered(workers, "w")
    assert await claimed(workers, "w") == []
    assert not workers.loss.suspected


async def test_a_lost_group_is_created_again_and_misses_no_entry(
    runs: RunStore, workers: WorkerStore, any_server: Server
) -> None:
    epoch = await led_run(runs)
    await registered(workers, "w")
    await claimed(workers, "w")
    with any_server.client() as client:
        client.delete(STREAM)
        client.xadd(STREAM, {"d": b"before the group"})
    assert [claim.data for claim in await claimed(workers, "w")] == [b"before the group"]
    assert workers.loss.acknowledge()
    assert not workers.loss.acknowledge()
    [entry] = await dispatched(runs, epoch, 0)
    assert [claim.entry_id for claim in await claimed(workers, "w")] == [entry]


async def test_a_blocked_claim_receives_a_dispatched_attempt(
    runs: RunStore, workers: WorkerStore
) -> None:
    epoch = await led_run(runs)
    await registered(workers, "w")
    waiting = asyncio.create_task(
        workers.claim(
            "async", [Stream("default", "async"), Stream("other", "async")], 5, block_s=20.0
        )
    )
    [entry] = await dispatched(runs, epoch, 0)
    claims = await asyncio.wait_for(waiting, 5)
    assert claims == [Claim(STREAM, entry, b"message 0")]


async def test_a_claim_respects_its_limit_and_prefers_earlier_queues(
    runs: RunStore, workers: WorkerStore
) -> None:
    epoch = await led_run(runs)
    for number, queue in enumerate(("low", "high")):
        items = [(10 * number + task, 1, queue.encode()) for task in range(3)]
        await runs.dispatch("r", epoch, Stream(queue, "thread"), items)
    await registered(workers, "w")
    claims = await workers.claim(
        "thread", [Stream("high", "thread"), Stream("low", "thread")], 4, block_s=5.0
    )
    assert [claim.data for claim in claims] == [b"high"] * 3 + [b"low"]
    assert (
        await workers.claim(
            "thread", [Stream("high", "thread"), Stream("low", "thread")], 0, block_s=5.0
        )
        == []
    )
    assert (await runs.backlog())[runs.keys.queue(Stream("low", "thread"))] == (2, 1)


async def test_unblock_ends_claims_under_way_and_those_about_to_wait(
    workers: WorkerStore,
) -> None:
    await registered(workers, "w")
    for turns in range(12):
        claim = asyncio.create_task(
            workers.claim("async", [Stream("default", "async")], 1, block_s=20.0)
        )
        for _ in range(turns):
            await asyncio.sleep(0)
        await workers.unblock()
        assert await asyncio.wait_for(claim, 5) == []


async def test_a_claim_after_an_ended_wait_waits_again(
    runs: RunStore, workers: WorkerStore
) -> None:
    epoch = await led_run(runs)
    await registered(workers, "w")
    await workers.unblock()
    assert await workers.claim("async", [Stream("default", "async")], 1, block_s=20.0) == []
    waiting = asyncio.create_task(
        workers.claim("async", [Stream("default", "async")], 1, block_s=20.0)
    )
    await dispatched(runs, epoch, 0)
    assert len(await asyncio.wait_for(waiting, 5)) == 1


async def test_a_claim_whose_reply_was_lost_is_found_again(
    runs: RunStore, workers: WorkerStore, any_server: Server
) -> None:
    epoch = await led_run(runs)
    ids = await dispatched(runs, epoch, *range(3))
    await registered(workers, "w")
    await claimed(workers, "w")
    with any_server.client() as client:
        client.xdel(STREAM, ids[1])
    mine = await workers.own_claims([STREAM, "{astrum}:q:none:a"])
    assert [claim.entry_id for claim in mine] == [ids[0], ids[2]]
    with any_server.client() as client:
        assert client.xpending(STREAM, "w")["pending"] == 2


async def test_one_settle_wins_and_all_others_are_fenced(
    runs: RunStore, workers: WorkerStore
) -> None:
    epoch = await led_run(runs)
    [entry] = await dispatched(runs, epoch, 0)
    await registered(workers, "w")
    await claimed(workers, "w")
    end = settlement(0, entry)
    assert await workers.settle("r", STREAM, [end, end]) == [
        Verdict.SETTLED,
        Verdict.REPEATED,
    ]
    assert await workers.settle("r", STREAM, [end]) == [Verdict.REPEATED]
    assert await as_worker(workers, "v").settle("r", STREAM, [end]) == [Verdict.FENCED]
    assert await runs.revoke("r", epoch, Stream("default", "async"), [end]) == [Verdict.FENCED]
    assert len(await runs.read_journal({"r": "0-0"}, block_s=None, count=10)) == 1


async def test_a_malformed_entry_id_spoils_no_other_settlement(
    runs: RunStore, workers: WorkerStore
) -> None:
    epoch = await led_run(runs)
    [entry] = await dispatched(runs, epoch, 0)
    await registered(workers, "w")
    await claimed(workers, "w")
    ends = [settlement(1, "nonsense"), settlement(0, entry), settlement(2, "")]
    verdicts = await workers.settle("r", STREAM, ends)
    assert verdicts == [Verdict.FENCED, Verdict.SETTLED, Verdict.FENCED]


async def test_an_attempt_dispatched_again_fences_the_one_before(
    runs: RunStore, workers: WorkerStore
) -> None:
    epoch = await led_run(runs)
    [first] = await dispatched(runs, epoch, 0)
    await registered(workers, "w")
    await claimed(workers, "w")
    assert await workers.are_still_held("r", [(0, 1, (STREAM, first))]) == [True]
    await runs.revoke("r", epoch, Stream("default", "async"), [settlement(0, first, final=False)])
    await runs.dispatch("r", epoch, Stream("default", "async"), [(0, 2, b"again")])
    asked = [(0, 1, (STREAM, first)), (7, 1, (STREAM, "1-1"))]
    assert await workers.are_still_held("r", asked) == [False, False]
    assert await workers.settle("r", STREAM, [settlement(0, first)]) == [Verdict.FENCED]
    info = await runs.run_info("r")
    assert info is not None
    assert (info.outstanding, info.late_ends) == (1, 1)
    assert list(await runs.outstanding("r")) == [0]


async def test_an_end_in_another_stream_than_the_attempt_s_is_fenced(
    runs: RunStore, workers: WorkerStore
) -> None:
    """An entry id is unique in its stream only: in another one it may be another run's."""
    epoch, entry = await one_held(runs, workers)
    other = runs.keys.queue(Stream("other", "async"))
    end = settlement(0, entry)
    assert await workers.settle("r", other, [end]) == [Verdict.FENCED]
    assert await runs.revoke("r", epoch, Stream("other", "async"), [end]) == [Verdict.FENCED]
    assert await workers.are_still_held("r", [(0, 1, (other, entry))]) == [False]
    assert await workers.settle("r", STREAM, [end]) == [Verdict.SETTLED]


async def test_an_attempt_dispatched_again_after_a_loss_fences_its_lost_message(
    runs: RunStore, workers: WorkerStore, any_server: Server
) -> None:
    """The attempt's number is the same; what ran it may have consumed a value that was lost."""
    epoch, lost = await one_held(runs, workers)
    with any_server.client() as client:  # what a server without its last writes has forgotten
        client.hdel(runs.keys.attempts("r"), "0")
        client.hincrby(runs.keys.attempts("r"), "#", -1)
        client.xdel(STREAM, lost)
    [again] = await dispatched(runs, epoch, 0)
    assert again != lost
    asked = [(0, 1, (STREAM, lost)), (0, 1, (STREAM, again))]
    assert await workers.are_still_held("r", asked) == [False, True]
    end = settlement(0, lost)
    assert await workers.settle("r", STREAM, [end]) == [Verdict.FENCED]
    assert await runs.revoke("r", epoch, Stream("default", "async"), [end]) == [Verdict.FENCED]
    assert await runs.settle_lost("r", STREAM, "dead", [end]) == [Verdict.FENCED]
    assert await runs.read_journal({"r": "0-0"}, block_s=None, count=10) == []
    assert await as_worker(workers, "v").settle("r", STREAM, [settlement(0, again)]) == [
        Verdict.SETTLED
    ]


async def test_an_unreadable_entry_is_set_aside_once(
    runs: RunStore, workers: WorkerStore, any_server: Server
) -> None:
    epoch = await led_run(runs)
    await dispatched(runs, epoch, 0)
    await registered(workers, "w")
    [claim] = await claimed(workers, "w")
    await workers.set_aside(claim, "garbage")
    await workers.set_aside(claim, "garbage")
    assert await workers.own_claims([STREAM]) == []
    with any_server.client() as client:
        [(_, fields)] = client.xrange(runs.keys.dead_letters)
    assert (fields[b"d"], fields[b"reason"]) == (claim.data, b"garbage")


async def test_the_dead_letters_are_bounded(
    runs: RunStore,
    workers: WorkerStore,
    any_server: Server,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(worker_scripts, "DEAD_LETTERS_KEPT", 10)
    epoch = await led_run(runs)
    count = 300  # the server drops whole nodes, which have a hundred entries
    await dispatched(runs, epoch, *range(count))
    await registered(workers, "w")
    for claim in await claimed(workers, "w", count):
        await workers.set_aside(claim, "garbage")
    with any_server.client() as client:
        assert 10 <= client.xlen(runs.keys.dead_letters) < count
        assert client.xlen(STREAM) == 0


async def test_a_settled_attempt_is_in_no_stream(
    runs: RunStore, workers: WorkerStore, any_server: Server
) -> None:
    epoch = await led_run(runs)
    ids = await dispatched(runs, epoch, 0, 1, 2)
    await registered(workers, "w")
    await claimed(workers, "w", 2)
    with any_server.client() as client:
        assert client.xlen(STREAM) == 3
        await workers.settle("r", STREAM, [settlement(0, ids[0])])
        assert client.xlen(STREAM) == 2
        await runs.revoke("r", epoch, Stream("default", "async"), [settlement(1, ids[1])])
        await runs.revoke("r", epoch, Stream("default", "async"), [settlement(2, ids[2])])
        assert client.xlen(STREAM) == 0


async def test_two_prefixes_on_one_server_are_separate(
    runs: RunStore, any_settings: RedisSettings
) -> None:
    await led_run(runs)
    other = RedisSettings(url=any_settings.url, prefix="other")
    async with RunStore.open(other) as elsewhere:
        assert await elsewhere.run_info("r") is None
        assert await elsewhere.list_runs() == []


async def test_an_unused_queue_is_not_taken_for_a_loss(
    runs: RunStore, workers: WorkerStore
) -> None:
    epoch = await led_run(runs)
    await dispatched(runs, epoch, 0)
    for _ in range(2):
        await workers.claim(
            "async", [Stream("default", "async"), Stream("unused", "async")], 1, block_s=None
        )
    assert not workers.loss.suspected


async def test_at_most_a_quarter_of_the_pool_runs_exclusive_attempts_at_a_time(
    workers: WorkerStore, any_server: Server
) -> None:
    await registered(workers, "w0")
    assert await as_worker(workers, "w0").acquire_exclusive(60)
    assert await as_worker(workers, "w0").acquire_exclusive(60)
    assert not await as_worker(workers, "w1").acquire_exclusive(60)
    for number in range(1, 8):
        await registered(workers, f"w{number}")
    assert await as_worker(workers, "w1").acquire_exclusive(0.01)
    with any_server.client() as client:
        await eventually(lambda: client.zcount(workers.keys.exclusive, "-inf", "+inf") == 2)
    await eventually(
        lambda: as_worker(workers, "w2").acquire_exclusive(60)
    )  # once w1 has let it lapse
    assert not await as_worker(workers, "w3").acquire_exclusive(60)
    await as_worker(workers, "w0").release_exclusive()
    assert await as_worker(workers, "w3").acquire_exclusive(60)
