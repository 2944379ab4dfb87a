"""Lifetimes in the store: values, queues, leases; and that nothing stops the server."""

from __future__ import annotations

from typing import Any

import pytest
import redis

from astrum.errors import StoreUnavailableError
from astrum.protocol.streams import Stream
from astrum.redis import RunStore, WorkerStore, journals, run_store
from astrum.redis.script_library import ScriptCall
from astrum.redis.scripts import chunks
from tests.contract.steps import (
    LEASE_S,
    STREAM,
    claimed,
    create_run,
    dispatched,
    led_run,
    registered,
    settlement,
    stored,
)
from tests.eventually import eventually
from tests.keyspace import unowned_keys
from tests.servers import Server

DAY_MS = 86_400_000
HOUR_MS = 3_600_000
MANY = 100_000
LONGEST_STOP_MS = 50


def digest_of(number: int) -> str:
    return f"{number:032x}"


def store_blobs(client: redis.Redis, runs: RunStore, run_id: str, count: int) -> None:
    """Store small blobs as `put_blob` leaves them, faster."""
    key = runs.keys.blobs(run_id)
    for part in chunks(range(count), 5_000):
        with client.pipeline(transaction=False) as pipe:
            pipe.sadd(key, *(digest_of(i) for i in part))
            for i in part:
                pipe.set(runs.keys.blob(run_id, digest_of(i)), b"x", px=7 * DAY_MS)
            pipe.execute()
    client.pexpire(key, 7 * DAY_MS)


def blob_lives(client: redis.Redis, runs: RunStore, run_id: str, count: int) -> list[int]:
    with client.pipeline(transaction=False) as pipe:
        for i in range(count):
            pipe.pttl(runs.keys.blob(run_id, digest_of(i)))
        lives: list[int] = pipe.execute()
    return lives


class DyingAfter:
    """Calls of scripts that fail after some, as where a coordinator is killed in between."""

    def __init__(self, store: RunStore, calls: int) -> None:
        self._call, self._left = store.client.call, calls

    async def __call__(self, call: ScriptCall) -> Any:
        if not self._left:
            raise StoreUnavailableError("killed")
        self._left -= 1
        return await self._call(call)


class Timed:
    """Calls of scripts, with how long each kept the server's main thread busy."""

    def __init__(self, store: RunStore, client: redis.Redis) -> None:
        self._call, self._client = store.client.call, client
        self.longest_ms = 0.0

    async def __call__(self, call: ScriptCall) -> Any:
        before = self._busy_ms()
        reply = await self._call(call)
        self.longest_ms = max(self.longest_ms, self._busy_ms() - before)
        return reply

    def _busy_ms(self) -> float:
        """Return the thread's processor time: other processes of the machine do not count."""
        info: Any = self._client.info("cpu")
        return 1000 * float(info["used_cpu_user_main_thread"] + info["used_cpu_sys_main_thread"])


@pytest.mark.thorough  # the check of all keys behind it takes longer than the test
@pytest.mark.timeout(120)
async def test_no_step_of_a_run_with_a_hundred_thousand_values_stops_the_server_for_long(
    runs: RunStore, any_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    epoch = await led_run(runs)
    with any_server.client() as client:
        timed = Timed(runs, client)
        monkeypatch.setattr(runs.client, "call", timed)
        store_blobs(client, runs, "r", MANY)
        client.pexpire(runs.keys.run("r"), DAY_MS)
        await runs.prolong("r")
        assert client.pttl(runs.keys.run("r")) > 6 * DAY_MS
        assert await runs.finish("r", epoch, "completed", result_ttl_s=60, tails=False)
        assert max(blob_lives(client, runs, "r", MANY)) <= 60_000
    assert timed.longest_ms < LONGEST_STOP_MS


async def test_the_index_lives_as_long_as_each_run_that_it_names(
    runs: RunStore, any_server: Server
) -> None:
    epoch = await led_run(runs)
    await runs.finish("r", epoch, "completed", result_ttl_s=30 * DAY_MS / 1000, tails=False)
    await create_run(runs, "open")
    with any_server.client() as client:
        assert client.pttl(runs.keys.index) > 29 * DAY_MS
        for key in (runs.keys.index, runs.keys.run("open")):
            client.pexpire(key, DAY_MS)
        await runs.prolong("open")
        assert client.pttl(runs.keys.index) > 6 * DAY_MS


async def test_another_coordinator_finishes_the_tidying_of_a_dead_one(
    runs: RunStore, any_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    epoch = await led_run(runs)
    with any_server.client() as client:
        store_blobs(client, runs, "r", 5_000)
        with monkeypatch.context() as patch:
            patch.setattr(runs.client, "call", DyingAfter(runs, calls=3))
            with pytest.raises(StoreUnavailableError, match="killed"):
                await runs.finish("r", epoch, "completed", result_ttl_s=60, tails=False)
        lives = blob_lives(client, runs, "r", 5_000)
        assert min(lives) <= 60_000 < max(lives), "the end came between two parts"
        assert unowned_keys(client) == [], "all of it expires even if no coordinator continues"
        info = await runs.run_info("r")
        assert info is not None
        assert not info.is_open
        assert await runs.untidied() == ["r"]
        await runs.tidy("r")
        assert max(blob_lives(client, runs, "r", 5_000)) <= 60_000
        assert client.pttl(runs.keys.blobs("r")) <= 60_000
        assert await runs.untidied() == []


async def test_expired_values_are_removed_when_a_tidying_is_continued(
    runs: RunStore, any_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    epoch = await led_run(runs)
    with any_server.client() as client:
        store_blobs(client, runs, "r", 100)
        client.persist(
            runs.keys.blobs("r")
        )  # even if others stored them: all of it goes with the run
        with monkeypatch.context() as patch:
            patch.setattr(runs.client, "call", DyingAfter(runs, calls=1))
            with pytest.raises(StoreUnavailableError, match="killed"):
                await runs.finish("r", epoch, "completed", result_ttl_s=0.001, tails=False)
        await eventually(lambda: not client.exists(runs.keys.run("r")), "the end of the record")
        await runs.tidy("r")
        assert set(blob_lives(client, runs, "r", 100)) == {-2}
        assert not client.exists(runs.keys.blobs("r"))


async def test_an_unfinished_prolongation_starts_again(
    runs: RunStore, any_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    await led_run(runs)
    with any_server.client() as client:
        store_blobs(client, runs, "r", 5_000)
        with client.pipeline(transaction=False) as pipe:
            for key in client.scan_iter(match="*:b:r:*", count=1000):
                pipe.pexpire(key, DAY_MS)
            pipe.pexpire(runs.keys.run("r"), DAY_MS)
            pipe.execute()
        with monkeypatch.context() as patch:
            patch.setattr(runs.client, "call", DyingAfter(runs, calls=2))
            with pytest.raises(StoreUnavailableError, match="killed"):
                await runs.prolong("r")
        assert min(blob_lives(client, runs, "r", 5_000)) <= DAY_MS
        digest = await stored(runs, "r", b"stored in between")
        await runs.prolong("r")
        assert min(blob_lives(client, runs, "r", 5_000)) > 6 * DAY_MS
        assert client.pttl(runs.keys.blob("r", digest)) > 6 * DAY_MS


async def test_a_new_run_under_the_id_of_an_untidied_one_keeps_its_values(
    runs: RunStore, any_server: Server
) -> None:
    await led_run(runs)
    digest = await stored(runs, "r", b"big")
    with any_server.client() as client:
        client.zadd(runs.keys.untidied, {"r": 1.0})
        client.pexpire(runs.keys.untidied, DAY_MS)
        await runs.tidy("r")
        assert client.pttl(runs.keys.blob("r", digest)) > 6 * DAY_MS
        assert await runs.untidied() == []


# --- queues -------------------------------------------------------------------------------


async def test_an_idle_queue_is_dropped_with_its_name_after_a_day(
    runs: RunStore, workers: WorkerStore, any_server: Server
) -> None:
    epoch = await led_run(runs)
    [entry] = await dispatched(runs, epoch, 0)
    await registered(workers, "w")
    await claimed(workers, "w")
    with any_server.client() as client:

        async def life() -> int:
            await runs.keep_queues()
            left: Any = client.pttl(STREAM)
            return int(left)

        client.pexpire(STREAM, HOUR_MS)
        assert await life() > 6 * DAY_MS, "it holds an entry"
        await workers.settle("r", STREAM, [settlement(0, entry)])
        client.pexpire(STREAM, HOUR_MS)
        assert await life() > 6 * DAY_MS, "a worker reads it"
        await workers.leave()
        assert DAY_MS < await life() <= DAY_MS + HOUR_MS
        client.pexpire(STREAM, HOUR_MS)
        assert await life() == -2
        assert not client.exists(runs.keys.queues), "its name goes with it"
        client.xgroup_create(STREAM, "w", mkstream=True)
        client.sadd(runs.keys.queues, STREAM)
        client.pexpire(STREAM, 1)
        await eventually(lambda: not client.exists(STREAM), "the queue's end")
        assert await life() == -2
        assert not client.exists(runs.keys.queues), "where no coordinator was there in time"


async def test_an_attempt_dispatched_to_an_expiring_queue_is_kept(
    runs: RunStore, workers: WorkerStore, any_server: Server
) -> None:
    epoch = await led_run(runs)
    await workers.claim("async", [Stream("default", "async")], 1, block_s=None)
    await workers.leave()
    await runs.keep_queues()
    with any_server.client() as client:
        assert client.pttl(STREAM) <= DAY_MS + HOUR_MS
        await dispatched(runs, epoch, 0)
        assert client.pttl(STREAM) > 6 * DAY_MS
        assert client.pttl(runs.keys.queues) >= client.pttl(STREAM)


async def test_a_queue_that_was_dropped_does_not_look_lost_to_its_reader(
    runs: RunStore, workers: WorkerStore, any_server: Server
) -> None:
    await claimed(workers, "w")
    await workers.leave()
    with any_server.client() as client:
        client.pexpire(STREAM, HOUR_MS)
        await runs.keep_queues()
        assert not client.exists(STREAM)
        assert await claimed(workers, "w") == []
        assert not workers.loss.suspected
        client.delete(STREAM)
        assert await claimed(workers, "w") == []
        assert workers.loss.suspected, "it is named, so it was not dropped"


async def test_upkeep_corrects_which_exclusive_streams_hold_something(
    runs: RunStore, workers: WorkerStore, any_server: Server
) -> None:
    epoch = await led_run(runs)
    full, empty = (Stream("default", "exclusive", offer) for offer in ("full", "empty"))
    for task, stream in enumerate((full, empty)):
        await runs.dispatch("r", epoch, stream, [(task, 1, b"m")])
    keys = runs.keys
    with any_server.client() as client:
        client.xtrim(keys.queue(empty), 0)
        client.srem(keys.alone, keys.queue(full))
        await runs.keep_queues()
        assert client.smembers(keys.alone) == {keys.queue(full).encode()}
        assert unowned_keys(client) == []


async def test_a_dispatch_or_a_claim_creates_an_expired_queue_again(
    runs: RunStore, workers: WorkerStore, any_server: Server
) -> None:
    epoch = await led_run(runs)
    await registered(workers, "w")
    with any_server.client() as client:
        client.delete(STREAM, runs.keys.queues)
        await dispatched(runs, epoch, 0)
        assert len(await claimed(workers, "w")) == 1
        assert unowned_keys(client) == []


async def test_a_worker_keeps_its_queues_alive_without_a_coordinator(
    workers: WorkerStore, any_server: Server
) -> None:
    await claimed(workers, "w")
    with any_server.client() as client:
        client.pexpire(STREAM, HOUR_MS)
        await workers.keep_queues([STREAM, "{astrum}:q:not-there:a"])
        assert client.pttl(STREAM) > 6 * DAY_MS


async def test_open_runs_and_leases_expire_if_all_processes_were_killed(
    runs: RunStore, workers: WorkerStore, any_server: Server
) -> None:
    await led_run(runs)
    await registered(workers, "w")
    with any_server.client() as client:
        for key in (runs.keys.runs, runs.keys.leases):
            assert 6 * DAY_MS < client.pttl(key) <= 7 * DAY_MS


# --- the server's clock -------------------------------------------------------------------


async def test_leases_from_before_a_clock_went_back_end_in_time(
    runs: RunStore, workers: WorkerStore, any_server: Server
) -> None:
    epoch = await led_run(runs)
    for worker_id in ("ahead", "right"):
        await registered(workers, worker_id)
    now_ms = 1000 * await runs.server_time()
    with any_server.client() as client:
        right = client.zscore(runs.keys.leases, "right")
        client.zadd(runs.keys.leases, {"ahead": now_ms + HOUR_MS})
        client.zadd(runs.keys.runs, {"r": now_ms + HOUR_MS})
        assert await runs.heal_leases() == 2
        for key, name in ((runs.keys.leases, "ahead"), (runs.keys.runs, "r")):
            left_ms = client.zscore(key, name) - now_ms
            assert 0 < left_ms <= 1.5 * 1000 * LEASE_S, "a live holder has time to renew it"
        assert client.zscore(runs.keys.leases, "right") == right
    assert await runs.heal_leases() == 0
    assert await runs.renew("leader", {"r": epoch}, LEASE_S) == {"r"}


async def test_an_exclusive_worker_from_before_a_clock_went_back_blocks_no_other(
    runs: RunStore, workers: WorkerStore, any_server: Server
) -> None:
    await registered(workers, "w")
    with any_server.client() as client:
        now_ms = 1000 * await runs.server_time()
        client.zadd(runs.keys.exclusive, {"gone": now_ms + HOUR_MS})
        assert await workers.acquire_exclusive(5.0)


# --- journals -----------------------------------------------------------------------------


async def test_a_journal_is_read_in_replies_of_bounded_size_and_whole(
    runs: RunStore, any_server: Server
) -> None:
    await led_run(runs)
    sizes = [10] * 300 + [200_000] * 30 + [10] * 300
    with any_server.client() as client:
        for size in sizes:
            client.xadd(runs.keys.journal("r"), {"d": b"x" * size})
        client.expire(runs.keys.journal("r"), 60)
    cursor, found, replies = journals.BEGINNING, [], []
    while entries := await runs.read_journal({"r": cursor}, block_s=None, count=1_000):
        replies.append(sum(len(entry.data) for entry in entries))
        found += [len(entry.data) for entry in entries]
        cursor = entries[-1].entry_id
    assert found == sizes
    assert max(replies) <= journals.JOURNAL_BYTES + 8 * 200_000


async def test_the_fence_of_a_big_run_is_read_in_parts_and_whole(
    runs: RunStore, any_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    await led_run(runs)
    count = 5 * run_store.FENCE_PART
    marks = {str(task): f"1:{task}-0/default:a:" if task % 2 else "1!w" for task in range(count)}
    with any_server.client() as client:
        client.hset(runs.keys.attempts("r"), mapping=marks)
    commands: list[Any] = []
    execute = runs.client.execute

    async def noted(*command: Any, **options: Any) -> Any:
        commands.append(command)
        return await execute(*command, **options)

    monkeypatch.setattr(runs.client, "execute", noted)
    found = await runs.outstanding("r")
    assert sorted(found) == list(range(1, count, 2))
    assert len(commands) >= 3
