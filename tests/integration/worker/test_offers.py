"""A worker reads the streams of what it offers, of each namespace in turn."""

from __future__ import annotations

import signal
import time
from contextlib import aclosing
from typing import cast

from astrum.protocol.hints import Hint, encode_hint
from astrum.protocol.keys import Keys
from astrum.protocol.status import decode_served
from astrum.protocol.streams import Stream
from astrum.redis import RedisSettings, RunStore, WorkerStore
from astrum_worker.claiming.claim_order import ORDINARY_FIRST_EVERY, ClaimOrder
from astrum_worker.config import WorkerConfig
from astrum_worker.context import WorkerContext
from astrum_worker.streams import MANY_STREAMS, offers_read, streams_of_lane
from tests.eventually import eventually
from tests.integration.worker.pool import Lead, Pool
from tests.servers import Server


async def test_a_worker_takes_attempts_for_its_offer_and_for_its_code(
    pool: Pool, lead: Lead
) -> None:
    worker = await pool.start().serving()
    row = decode_served(await lead.store.served(worker.worker_id))["pool", "who"]
    for task, offer in enumerate((row.offer, f"{row.offer}.{row.code}")):
        item = (task, 1, lead.message(task, "who", {}))
        stream = Stream("default", "async", offer)
        await lead.store.dispatch(lead.run_id, lead.epoch, stream, [item])
        await lead.store.publish(encode_hint(Hint(lead.run_id, streams=[name_of(stream)])))
        assert await lead.value(task) == worker.worker_id


def name_of(stream: Stream) -> str:
    return Keys().stream_name(Keys().queue(stream))


async def test_a_worker_that_starts_later_finds_the_streams_of_exact_runs(
    pool: Pool, lead: Lead
) -> None:
    worker = await pool.start().serving()
    row = decode_served(await lead.store.served(worker.worker_id))["pool", "who"]
    worker.signal(signal.SIGTERM)
    await worker.ended()
    stream = Stream("default", "async", f"{row.offer}.{row.code}")
    item = (0, 1, lead.message(0, "who", {}))
    await lead.store.dispatch(lead.run_id, lead.epoch, stream, [item])
    later = await pool.start().serving()
    assert await lead.value(0) == later.worker_id


async def test_a_worker_with_many_streams_says_once_what_they_cost(pool: Pool) -> None:
    queues = [part for number in range(MANY_STREAMS) for part in ("--queue", f"q{number}")]
    worker = await pool.start(*queues).serving()
    await eventually(lambda: "streams in each lane" in worker.said)
    assert worker.said.count("streams in each lane") == 1


async def test_a_blocked_worker_notices_a_new_urgent_stream_at_once(pool: Pool, lead: Lead) -> None:
    worker = await pool.start().serving()
    row = decode_served(await lead.store.served(worker.worker_id))["pool", "who"]
    stream = Stream("default", "async", row.offer, urgent=True)
    await lead.store.dispatch(lead.run_id, lead.epoch, stream, [(0, 1, lead.message(0, "who", {}))])
    sent_at = time.monotonic()
    await lead.store.publish(encode_hint(Hint(lead.run_id, streams=[name_of(stream)])))
    assert await lead.value(0) == worker.worker_id
    assert time.monotonic() - sent_at < 1.5, "neither the end of its read nor a look found it"


async def test_a_worker_looks_for_rare_streams_once_it_would_hear_of_new_ones(
    redis_server: Server, settings: RedisSettings
) -> None:
    async with RunStore.open(settings) as runs, WorkerStore(settings, "w") as store:
        seen: list[int] = []

        async def look() -> None:
            with redis_server.client() as client:
                [(_, subscribers)] = client.pubsub_numsub(store.keys.control)
            seen.append(subscribers)
            await runs.publish(b"meanwhile")

        async with aclosing(store.hints(look)) as hints:  # type: ignore[type-var]
            assert await anext(hints) == b"meanwhile"
        assert seen == [1]


def order_of(context: WorkerContext, count: int) -> list[list[str]]:
    order = ClaimOrder(context, "async")
    return [[Keys().stream_name(Keys().queue(one)) for one in order.next()] for _ in range(count)]


def test_urgent_streams_come_first_but_for_every_16th_claim() -> None:
    config = WorkerConfig(modules=("m",), redis=RedisSettings(), queues=("q", "z"))
    offers = offers_read({"a": "1", "b": "2"}, {"a": "x"})
    context = WorkerContext(cast("WorkerStore", None), config, offers=offers)
    assert order_of(context, 1) == [["q:a:1", "q:a:2", "z:a:1", "z:a:2"]]
    context.rare_streams.add([Stream("z", "async", "2", urgent=True), Stream("q", "async", "1.x")])
    orders = order_of(context, 32)
    assert orders[0] == ["z:a:2:u", "q:a:1", "q:a:1.x", "q:a:2", "z:a:1", "z:a:2"]
    last = [number for number, order in enumerate(orders) if order[-1] == "z:a:2:u"]
    assert last == [ORDINARY_FIRST_EVERY - 1, 2 * ORDINARY_FIRST_EVERY - 1]
    firsts = {order[0] for number, order in enumerate(orders) if number in last}
    assert firsts == {"q:a:1", "q:a:2"}, "each namespace comes first among them"


def test_no_claim_reads_a_rare_stream_that_is_not_in_use() -> None:
    config = WorkerConfig(modules=("m",), redis=RedisSettings())
    context = WorkerContext(cast("WorkerStore", None), config, offers=[("1", "1.x")])
    assert [one.offer for one in context.streams("async")] == ["1"]
    unknown = context.unknown_streams()
    assert all(stream.is_rare for stream in unknown)
    assert not any(stream.urgent for stream in unknown if stream.lane == "exclusive")
    assert len(unknown) == 3 + 3 + 1
    assert context.rare_streams.add(unknown)
    assert not context.rare_streams.add(unknown[:2])
    assert context.unknown_streams() == []


def test_each_namespace_comes_first_in_its_turn_and_the_queues_keep_their_order() -> None:
    offers = offers_read({"a": "1", "b": "2"}, {"a": "x"})
    orders = [streams_of_lane("async", ["high", "low"], offers, turn) for turn in range(2)]
    assert [[(one.queue, one.offer) for one in order] for order in orders] == [
        [(queue, offer) for queue in ("high", "low") for offer in ("1", "1.x", "2")],
        [(queue, offer) for queue in ("high", "low") for offer in ("2", "1", "1.x")],
    ]
