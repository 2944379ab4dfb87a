"""A worker reads the streams of what it offers, of each namespace in turn."""

from __future__ import annotations

import signal

from astrum.protocol.hints import Hint, encode_hint
from astrum.protocol.keys import Keys
from astrum.protocol.status import decode_served
from astrum.protocol.streams import Stream
from astrum_worker.streams import MANY_STREAMS, offers_read, streams_of_lane
from tests.integration.worker.pool import Lead, Pool


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
    assert worker.said.count("streams in each lane") == 1


def test_each_namespace_comes_first_in_its_turn_and_the_queues_keep_their_order() -> None:
    offers = offers_read({"a": "1", "b": "2"}, {"a": "x"})
    orders = [streams_of_lane("async", ["high", "low"], offers, turn) for turn in range(2)]
    assert [[(one.queue, one.offer) for one in order] for order in orders] == [
        [(queue, offer) for queue in ("high", "low") for offer in ("1", "1.x", "2")],
        [(queue, offer) for queue in ("high", "low") for offer in ("2", "1", "1.x")],
    ]
