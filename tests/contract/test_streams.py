"""Streams of several offers: how full they are, who wants more, and what is taken back."""

from __future__ import annotations

import asyncio

from astrum.protocol.streams import Stream, weight_of
from astrum.redis import RedisSettings, RunStore, Verdict, WorkerStore, scripts
from tests.contract.steps import as_worker, led_run, registered, settlement
from tests.keyspace import unowned_keys
from tests.servers import RedisServer, Server

WEIGHT = weight_of(0)
HOME, OTHER = Stream("default", "async", "0ff3r"), Stream("default", "async", "0ther")
URGENT = HOME._replace(urgent=True)
ALONE = Stream("default", "exclusive", "0ff3r")


async def test_a_dispatch_tells_how_many_attempts_of_all_runs_are_in_its_stream(
    runs: RunStore, workers: WorkerStore
) -> None:
    epoch, another = await led_run(runs), await led_run(runs, "s")
    await runs.dispatch("s", another, HOME, [(0, 1, b"m")])
    await workers.claim("async", [HOME], 1, block_s=None)
    assert (await runs.dispatch("r", epoch, HOME, [(0, 1, b"m"), (1, 1, b"m")])).length == 3
    assert (await runs.dispatch("r", epoch, OTHER, [(2, 1, b"m")])).length == 1
    assert await runs.dispatch("r", epoch, HOME, []) == ([], 3, 0), "it only looks"


async def test_runs_with_more_for_a_stream_are_counted_until_they_have_no_more(
    runs: RunStore, any_server: Server
) -> None:
    epoch, another = await led_run(runs), await led_run(runs, "s")
    sent = await runs.dispatch("r", epoch, HOME, [(0, 1, b"m")], has_more=True)
    assert sent.weight == WEIGHT
    assert (await runs.dispatch("s", another, HOME, [], has_more=True)).weight == 2 * WEIGHT
    assert (await runs.dispatch("s", another, OTHER, [])).weight == 0
    assert (await runs.dispatch("r", epoch, HOME, [])).weight == WEIGHT
    assert (await runs.dispatch("s", another, HOME, [])).weight == 0
    with any_server.client() as client:
        assert not client.exists(runs.keys.want(runs.keys.queue(HOME)))


async def test_each_run_that_wants_more_counts_with_the_weight_of_its_rank(
    runs: RunStore, any_server: Server
) -> None:
    ranks = {"q": 9, "r": 0, "s": 3, "t": 3}
    epochs = {run_id: await led_run(runs, run_id) for run_id in ranks}
    told = [
        (await runs.dispatch(run_id, epochs[run_id], HOME, [], has_more=True, rank=rank)).weight
        for run_id, rank in ranks.items()
    ]
    assert told == [1, 513, 577, 641]
    looked = await runs.look(HOME, [("r", 1), ("s", 9)])
    assert looked.weight == 256 + 1 + 64 + 1, "the latest rank of a run counts"
    with any_server.client() as client:
        want = runs.keys.want(runs.keys.queue(HOME))
        client.zincrby(want, -3600_000, "t")
        client.zadd(want, {"of another program": float("inf")})
    assert (await runs.dispatch("q", epochs["q"], HOME, [])).weight == 256 + 1
    assert (await runs.dispatch("q", epochs["q"], URGENT, [])).weight == 0


async def test_urgent_attempts_are_claimed_first_also_by_a_read_that_may_wait(
    runs: RunStore, workers: WorkerStore
) -> None:
    epoch = await led_run(runs)
    for number, stream in enumerate((HOME, URGENT)):
        items = [(10 * number + task, 1, b"m") for task in range(3)]
        await runs.dispatch("r", epoch, stream, items)
    claims = await workers.claim("async", [URGENT, HOME], 4, block_s=20.0)
    assert [runs.keys.stream_of(claim.stream).urgent for claim in claims] == [*[True] * 3, False]


async def test_a_run_that_is_not_heard_of_any_more_does_not_count(
    runs: RunStore, any_server: Server
) -> None:
    epoch = await led_run(runs)
    want = runs.keys.want(runs.keys.queue(HOME))
    with any_server.client() as client:
        client.zadd(want, {"silent": 1.0, "before the clock was set back": 9e15})
        sent = await runs.dispatch("r", epoch, HOME, [], has_more=True)
        assert sent.weight == WEIGHT
        assert client.zscore(want, "silent") is None
        assert 0 < int(client.pttl(want)) <= scripts.WANT_S * 1000


async def test_more_attempts_than_one_call_takes_count_as_more(runs: RunStore) -> None:
    epoch = await led_run(runs)
    items = [(task, 1, b"m") for task in range(scripts.MAX_ITEMS + 1)]
    sent = await runs.dispatch("r", epoch, HOME, items)
    assert (len(sent.states), sent.length, sent.weight) == (len(items), len(items), 0)


async def test_a_look_is_answered_while_memory_is_full(own_server: RedisServer) -> None:
    async with RunStore.open(RedisSettings(url=own_server.tcp_url)) as runs:
        epoch = await led_run(runs)
        await runs.dispatch("r", epoch, HOME, [(0, 1, b"m")], has_more=True)
        with own_server.client() as client:
            client.config_set("maxmemory", 1)
        assert (await runs.dispatch("r", epoch, HOME, [], has_more=True)).length == 1
        assert await runs.dispatch("r", epoch, HOME, []) == ([], 1, 0)


async def test_what_no_worker_has_is_taken_back_and_can_be_sent_to_another_stream(
    runs: RunStore, workers: WorkerStore
) -> None:
    epoch = await led_run(runs)
    taken, waiting = (await runs.dispatch("r", epoch, HOME, [(0, 1, b"m"), (1, 1, b"m")])).states
    await registered(workers, "w")
    [claim] = await as_worker(workers, "w").claim("async", [HOME], 1, block_s=None)
    assert claim.entry_id == taken
    ends = [settlement(0, taken, final=False), settlement(1, waiting, final=False)]
    verdicts = [Verdict.FENCED, Verdict.SETTLED]
    assert await runs.take_back("r", epoch, OTHER, ends) == [Verdict.FENCED] * 2, "not there"
    assert await runs.take_back("r", epoch, HOME, ends) == verdicts
    verdicts[1] = Verdict.REPEATED
    assert await runs.take_back("r", epoch, HOME, ends) == verdicts
    [moved] = (await runs.dispatch("r", epoch, OTHER, [(1, 2, b"m")])).states
    assert {task: found[1:] for task, found in (await runs.outstanding("r")).items()} == {
        0: (taken, HOME),
        1: (moved, OTHER),
    }
    assert await workers.are_still_held("r", [(0, 1, claim.key)]) == [True]
    assert await workers.settle("r", claim.stream, [settlement(0, taken)]) == [Verdict.SETTLED]


async def test_what_vanished_with_its_stream_can_be_taken_back(
    runs: RunStore, any_server: Server
) -> None:
    epoch = await led_run(runs)
    [entry] = (await runs.dispatch("r", epoch, HOME, [(0, 1, b"m")])).states
    with any_server.client() as client:
        client.delete(runs.keys.queue(HOME))
    assert await runs.take_back("r", epoch, HOME, [settlement(0, entry)]) == [Verdict.SETTLED]


async def test_a_claim_over_many_streams_takes_no_more_than_it_may(
    runs: RunStore, workers: WorkerStore
) -> None:
    epoch = await led_run(runs)
    many = [Stream("default", "async", f"0ff3r{number}") for number in range(60)]
    waiting = asyncio.create_task(workers.claim("async", many, 1, block_s=20.0))
    for task, stream in enumerate(many):
        await runs.dispatch("r", epoch, stream, [(task, 1, b"m"), (100 + task, 1, b"m")])
    first = len(await waiting)
    assert 1 <= first <= len(many), "at most one of each, of what came just before it waited"
    assert len(await workers.claim("async", many, 7, block_s=20.0)) == 7
    assert len(await workers.claim("async", many, 30, block_s=None)) == 30
    sizes = await runs.queue_sizes()
    assert sum(size.held for size in sizes.values()) == first + 37


async def test_a_claim_of_one_queue_takes_a_part_of_each_stream(
    runs: RunStore, workers: WorkerStore
) -> None:
    epoch = await led_run(runs)
    for number, stream in enumerate((HOME, OTHER)):
        items = [(10 * number + task, 1, b"m") for task in range(5)]
        await runs.dispatch("r", epoch, stream, items)
    claims = await workers.claim("async", [HOME, OTHER], 4, block_s=20.0)
    assert sorted(claim.stream for claim in claims) == [
        runs.keys.queue(stream) for stream in (HOME, HOME, OTHER, OTHER)
    ]


async def test_a_worker_learns_which_streams_were_dispatched_to(
    runs: RunStore, workers: WorkerStore
) -> None:
    epoch = await led_run(runs)
    assert not await workers.used_among([HOME, OTHER])
    assert not await workers.used_among([])
    await runs.dispatch("r", epoch, OTHER, [(0, 1, b"m")])
    assert await workers.used_among([HOME, OTHER]) == [OTHER]
    assert not await workers.used_among([HOME])


async def test_exclusive_attempts_that_wait_are_seen_in_any_of_many_streams(
    runs: RunStore, workers: WorkerStore, any_server: Server
) -> None:
    epoch = await led_run(runs)
    many = [Stream("default", "exclusive", f"0ff3r{number}") for number in range(9)]
    assert await workers.waiting_alone([*many, ALONE]) == 0
    ids = (await runs.dispatch("r", epoch, ALONE, [(0, 1, b"m"), (1, 1, b"m")])).states
    assert await workers.waiting_alone([*many, ALONE]) == 2
    assert await workers.waiting_alone(many) == 0
    await workers.claim("exclusive", [ALONE], 1, block_s=None)
    assert await workers.waiting_alone([ALONE]) == 1
    with any_server.client() as client:
        key = runs.keys.queue(ALONE)
        assert unowned_keys(client) == []
        await workers.settle("r", key, [settlement(0, ids[0])])
        assert client.sismember(runs.keys.alone, key)
        await runs.take_back("r", epoch, ALONE, [settlement(1, ids[1])])
        assert not client.exists(runs.keys.alone)
