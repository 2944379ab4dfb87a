"""Looking at runs and queues: the truth, without bytes that were not asked for."""

from __future__ import annotations

import msgpack
import pytest

from astrum.machine.events import CancelRequested, Outcome
from astrum.machine.failure import Failure
from astrum.protocol.messages import Record, decode_entry, encode_entry, encode_event, encode_record
from astrum.protocol.streams import Stream
from astrum.redis import JournalEntry, RunStore, WorkerStore
from astrum.redis.scripts import OUTLINE_ROWS
from tests.contract.steps import STREAM, claimed, dispatched, led_run, registered, settlement

FAILURE = Failure(("builtins.ValueError",), "no " * 30, "traceback\n" * 40, ("a note", ""))
RECORDS = [
    Record(0, 1, Outcome.SUCCEEDED, "w" * 40, 1.5, 2.0, b"x" * 70_000),
    Record(1, 1, Outcome.FAILED, "w", 1.0, 2.25, None, FAILURE),
    Record(300, 70_000, Outcome.SUCCEEDED, "w", 1.5, 2.5, b"y" * 300, blocked="for 2 s"),
    Record(2, 2, Outcome.SUCCEEDED, "w", 1.5, 2.5, b"z"),
    Record(3, 2, Outcome.SUCCEEDED, "w", 1.5, 2.5),
]
FACT = CancelRequested(12.5, "why")


async def outline(runs: RunStore, *tasks: int) -> list[JournalEntry]:
    found: list[JournalEntry] = []
    cursor = "0-0"
    while part := (await runs.read_outline("r", cursor, tasks=tasks)).entries:
        found += part
        cursor = part[-1].entry_id
    return found


async def test_an_outline_has_all_of_the_journal_except_the_values(runs: RunStore) -> None:
    epoch = await led_run(runs)
    for record in RECORDS:
        await runs.append_event("r", encode_entry([encode_record(record)]), epoch=epoch)
    together = encode_entry([*map(encode_record, RECORDS), encode_event(FACT)])
    await runs.append_event("r", together, epoch=epoch)
    found = await outline(runs)
    short = [record._replace(value=None) for record in RECORDS]
    assert [decode_entry(entry.data) for entry in found] == [
        *([record] for record in short),
        [*short, FACT],
    ]
    whole = await runs.read_journal({"r": "0-0"}, block_s=None, count=100)
    assert [entry.entry_id for entry in found] == [entry.entry_id for entry in whole]
    assert sum(len(entry.data) for entry in found) < 5_000


@pytest.mark.parametrize("kept", [RECORDS[:1], RECORDS[2:3], [RECORDS[0], RECORDS[2]]])
async def test_an_outline_keeps_the_values_of_the_tasks_that_are_asked_for(
    runs: RunStore, kept: list[Record]
) -> None:
    epoch = await led_run(runs)
    await runs.append_event("r", encode_entry(map(encode_record, RECORDS)), epoch=epoch)
    [entry] = await outline(runs, *(record.task for record in kept))
    found = [one for one in decode_entry(entry.data) if isinstance(one, Record) and one.value]
    assert found == kept


async def test_an_outline_does_not_change_rows_that_it_does_not_understand(runs: RunStore) -> None:
    epoch = await led_run(runs)
    later = [9, 1, 0, "w", 1.0, 2.0, b"v" * 500, None, 1, "", {"new": [b"\xff" * 300, -7, 2**40]}]
    longer = [*later, *range(9)]
    decision = [-1, "new kind", 1.0, 2, 3, 4, b"n" * 500]
    strange = [
        b"",
        b"\xdd\x00\x00\x00\x09short",
        b"\xc4\x03abc",
        b"\xdd\xff\xff\xff\xff",
        msgpack.packb("text"),
        encode_entry([msgpack.packb((b"s" * 32, encode_record(RECORDS[0])))]),
    ]
    for data in strange:
        await runs.append_event("r", data, epoch=epoch)
    rows = [later, longer, decision]
    await runs.append_event("r", encode_entry(map(msgpack.packb, rows)), epoch=epoch)
    *same, last = await outline(runs)
    assert [entry.data for entry in same] == strange
    later[6] = longer[6] = None
    assert msgpack.unpackb(last.data, strict_map_key=False) == rows


async def test_reading_an_outline_never_blocks_the_server_for_long(runs: RunStore) -> None:
    epoch = await led_run(runs)
    row = encode_record(Record(7, 1, Outcome.SUCCEEDED, "w" * 40, 1.5, 2.0, b"x" * 50))
    for _ in range(20):
        await runs.append_event("r", encode_entry([row] * 500), epoch=epoch)
    cursor, seen = "0-0", 0
    while part := (await runs.read_outline("r", cursor)).entries:
        seen, cursor = seen + len(part), part[-1].entry_id
        assert len(part) <= OUTLINE_ROWS // 500
    assert seen == 20


async def test_the_backlog_counts_waiting_and_claimed_attempts_by_stream_with_their_ages(
    runs: RunStore, workers: WorkerStore
) -> None:
    assert await runs.queue_sizes() == {}
    epoch = await led_run(runs)
    await dispatched(runs, epoch, 0, 1, 2)
    size = (await runs.queue_sizes())[STREAM]
    assert (size.waiting, size.held) == (3, 0)
    assert size.oldest_s is not None
    assert 0 <= size.oldest_s < 60
    await registered(workers, "w")
    [first] = await workers.claim("async", [Stream("default", "async")], 1, block_s=None)
    size = (await runs.queue_sizes())[STREAM]
    assert (size.waiting, size.held) == (2, 1)
    assert size.oldest_s is not None
    rest = await claimed(workers, "w")
    assert (await runs.queue_sizes())[STREAM] == (0, 3, None)
    for task, claim in enumerate([first, *rest]):
        await workers.settle("r", STREAM, [settlement(task, claim.entry_id)])
    assert (await runs.queue_sizes())[STREAM] == (0, 0, None)


async def test_a_key_that_is_not_a_stream_has_no_backlog(runs: RunStore) -> None:
    await runs.client.execute("SET", STREAM, "not a stream")
    await runs.client.execute("SADD", runs.keys.queues, STREAM)
    assert await runs.queue_sizes() == {STREAM: (0, 0, None)}
    await runs.client.execute("DEL", STREAM, runs.keys.queues)
