"""Dead workers: found, their attempts settled as lost, and only then forgotten."""

from __future__ import annotations

import asyncio
from contextlib import closing
from unittest.mock import ANY

from astrum.protocol.process_end import ProcessEnd
from astrum.protocol.records import LastWord
from astrum.protocol.status import WorkerStatus, encode_status
from astrum.protocol.streams import Stream
from astrum.redis import DeadClaim, LeaseClient, RedisSettings, RunStore, Verdict, WorkerStore
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
from tests.servers import Server

KILLED = ProcessEnd(-9, out_of_memory=True)


async def lease_over(runs: RunStore, worker_id: str) -> None:
    async with asyncio.timeout(5):
        while worker_id in {worker.worker_id for worker in await runs.workers()}:
            pass


async def test_a_dead_worker_is_reaped_in_three_steps(runs: RunStore, workers: WorkerStore) -> None:
    _, entry = await one_held(runs, workers)
    await registered(workers, "w", ALREADY_OVER_S)
    await lease_over(runs, "w")
    [claim] = await runs.dead_claims()
    assert claim == DeadClaim(STREAM, "w", entry, b"message 0", b"", claim.claimed_at)
    assert 0 <= await runs.server_time() - claim.claimed_at < 10
    assert await runs.dead_workers() == []
    assert not await runs.drop_worker("w")
    verdicts = await runs.settle_lost("r", STREAM, "w", [settlement(0, entry, final=False)])
    assert verdicts == [Verdict.SETTLED]
    assert await runs.dead_workers() == ["w"]
    assert await runs.drop_worker("w")
    assert await runs.dead_workers() == []


async def test_the_last_heartbeat_of_a_dead_worker_is_known_as_long_as_its_record_is(
    runs: RunStore, workers: WorkerStore, any_server: Server
) -> None:
    await registered(workers, "w", ALREADY_OVER_S)
    await as_worker(workers, "w").set_status(encode_status(WorkerStatus(rss_bytes=2**20)))
    await lease_over(runs, "w")
    word = (await runs.last_words(["w"]))["w"]
    assert word.rss_bytes == 2**20
    assert word.age_s is not None
    assert ALREADY_OVER_S <= word.age_s < 10
    await runs.end_lease("w", ProcessEnd(1))
    ended = (await runs.last_words(["w"]))["w"]
    assert ended.age_s is not None
    assert ended.age_s >= word.age_s
    with any_server.client() as client:
        client.set(runs.keys.worker("strange"), "x", px=10_000)
        client.zadd(runs.keys.leases, {"endless": 1})
        client.hset(runs.keys.worker("endless"), mapping={"lz": "9" * 400, "ended": b"\xff9"})
        client.pexpire(runs.keys.worker("endless"), 10_000)
    assert await runs.last_words(["w", "endless", "strange", "gone"]) == {
        "w": LastWord(ANY, 2**20, ended=ProcessEnd(1)),
        "endless": LastWord(),
        "strange": LastWord(),
        "gone": LastWord(),
    }


async def test_a_worker_whose_process_is_reported_dead_is_dead_at_once_and_says_how_it_ended(
    runs: RunStore, workers: WorkerStore, any_settings: RedisSettings
) -> None:
    _, entry = await one_held(runs, workers)
    await registered(workers, "other")
    with closing(LeaseClient(any_settings)) as supervisor:
        for _ in range(2):  # as after a lost reply
            assert supervisor.end_lease("w", KILLED)
            word = (await runs.last_words(["w"]))["w"]
            assert word.ended == KILLED
            assert word.age_s is not None
            assert 0 <= word.age_s < 10
        assert [claim.entry_id for claim in await runs.dead_claims()] == [entry]
        assert (await runs.lease_ends())["w"] == 0
        assert [worker.worker_id for worker in await runs.workers()] == ["other"]
        await runs.heal_leases(1000.0)
        assert (await runs.lease_ends())["w"] == 0
        await workers.leave()
        assert not supervisor.end_lease("w", KILLED)
        assert not supervisor.end_lease("never was", KILLED)
    assert set(await runs.lease_ends()) == {"other"}


async def test_a_late_heartbeat_gives_no_lease_to_a_worker_that_was_reported_dead(
    runs: RunStore, workers: WorkerStore, any_settings: RedisSettings
) -> None:
    _, entry = await one_held(runs, workers)
    with closing(LeaseClient(any_settings)) as client:
        client.end_lease("w", KILLED)
        assert not client.beat("w", LEASE_S, b"busy")
        assert (await runs.lease_ends())["w"] == 0
        assert [claim.entry_id for claim in await runs.dead_claims()] == [entry]
        # It lives after all: the report was about another process.
        await registered(workers, "w")
        assert client.beat("w", LEASE_S)
    assert (await runs.last_words(["w"]))["w"].ended is None
    assert await runs.dead_claims() == []


async def test_a_live_worker_is_never_reaped(runs: RunStore, workers: WorkerStore) -> None:
    _, entry = await one_held(runs, workers)
    assert await runs.dead_claims() == []
    verdicts = await runs.settle_lost("r", STREAM, "w", [settlement(0, entry, final=False)])
    assert verdicts == [Verdict.FENCED]
    assert not await runs.drop_worker("w")
    assert await workers.settle("r", STREAM, [settlement(0, entry)]) == [Verdict.SETTLED]


async def test_a_worker_that_just_registered_is_live_before_its_first_heartbeat(
    runs: RunStore, workers: WorkerStore
) -> None:
    await registered(workers, "w")
    await claimed(workers, "w")
    assert await runs.dead_workers() == []


async def test_a_consumer_that_was_never_leased_is_dead_too(
    runs: RunStore, workers: WorkerStore, any_server: Server
) -> None:
    _, entry = await one_held(runs, workers)
    with any_server.client() as client:
        client.zrem(runs.keys.leases, "w")
    assert [claim.entry_id for claim in await runs.dead_claims()] == [entry]


async def test_a_worker_that_leaves_releases_its_claims_at_once(
    runs: RunStore, workers: WorkerStore
) -> None:
    _, entry = await one_held(runs, workers)
    await workers.leave()
    [claim] = await runs.dead_claims()
    assert claim.entry_id == entry
    await runs.set_aside(claim, "unreadable")
    assert await runs.dead_claims() == []
    assert await runs.client.execute("XLEN", runs.keys.dead_letters) == 1
    assert await runs.dead_workers() == ["w"]


async def test_the_holder_of_an_attempt_and_the_time_of_its_claim_are_known(
    runs: RunStore, workers: WorkerStore
) -> None:
    epoch = await led_run(runs)
    taken, waiting = await dispatched(runs, epoch, 0, 1)
    await registered(workers, "w")
    await workers.claim("async", [Stream("default", "async")], 1, block_s=None)
    found = await runs.holders(Stream("default", "async"), [taken, waiting])
    assert list(found) == [taken]
    assert found[taken].worker_id == "w"
    assert 0 <= await runs.server_time() - found[taken].claimed_at < 10


async def test_an_outstanding_attempt_whose_message_is_gone_is_found(
    runs: RunStore, workers: WorkerStore, any_server: Server
) -> None:
    epoch = await led_run(runs)
    ids = await dispatched(runs, epoch, 0, 1, 2)
    await registered(workers, "w")
    await claimed(workers, "w")
    await workers.settle("r", STREAM, [settlement(0, ids[0])])
    with any_server.client() as client:
        client.xdel(STREAM, ids[1])
    attempts = [(task, 1, entry_id) for task, entry_id in enumerate(ids)]
    assert await runs.vanished("r", Stream("default", "async"), attempts) == [1]
    assert await runs.vanished("r", Stream("default", "thread"), attempts) == []


async def test_an_entry_without_data_of_a_dead_worker_is_acknowledged(
    runs: RunStore, workers: WorkerStore, any_server: Server
) -> None:
    epoch = await led_run(runs)
    ids = await dispatched(runs, epoch, 0, 1)
    await registered(workers, "w")
    await claimed(workers, "w")
    await workers.leave()
    with any_server.client() as client:
        client.xdel(STREAM, ids[0])
        assert [claim.entry_id for claim in await runs.dead_claims()] == [ids[1]]
        assert client.xpending(STREAM, "w")["pending"] == 1


async def test_foreign_names_and_keys_hide_no_worker_and_no_queue(
    runs: RunStore, workers: WorkerStore, any_server: Server
) -> None:
    _, entry = await one_held(runs, workers)
    await registered(workers, "alive")
    keys, stream = runs.keys, runs.keys.queue(Stream("foreign", "async"))
    with any_server.client() as client:
        client.zadd(keys.leases, {b"\xff\xfe": 9e15, b"\xfe": 1, "x": 9e15, "endless": "inf"})
        client.set(keys.worker("x"), "no worker", px=60_000)
        client.sadd(keys.queues, b"\xff\xfe", "{other}:q", stream)
        client.set(stream, "no queue", px=60_000)
        client.xreadgroup("w", b"\xff", {STREAM: ">"})
        assert [worker.worker_id for worker in await runs.workers()] == ["alive", "w"]
        assert set(await runs.backlog()) == {STREAM, stream}
        client.zadd(keys.leases, {"w": 1})
        assert [claim.entry_id for claim in await runs.dead_claims()] == [entry]
        await runs.settle_lost("r", STREAM, "w", [settlement(0, entry, final=False)])
        assert await runs.dead_workers() == ["w"]
        assert await runs.drop_worker("w")
        client.srem(keys.queues, b"\xff\xfe", "{other}:q")


async def test_a_queue_that_vanished_hides_no_other(
    runs: RunStore, workers: WorkerStore, any_server: Server
) -> None:
    epoch = await led_run(runs)
    await runs.dispatch("r", epoch, Stream("other", "async"), [(5, 1, b"")])
    [entry] = await dispatched(runs, epoch, 0)
    await registered(workers, "w")
    await claimed(workers, "w")
    await workers.leave()
    with any_server.client() as client:
        client.delete(runs.keys.queue(Stream("other", "async")))
    assert [claim.entry_id for claim in await runs.dead_claims()] == [entry]
