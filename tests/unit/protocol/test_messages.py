"""Messages, records and events: round trips, and hostile bytes that end in a DecodeError."""

from __future__ import annotations

import math
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from astrum.errors import DecodeError
from astrum.machine.events import (
    AttemptSettled,
    CancelRequested,
    Outcome,
    Reopened,
    RetryHurried,
    RunTimedOut,
    TaskFoundUnserved,
    TaskReused,
    WorkerReturned,
)
from astrum.machine.failure import Failure
from astrum.planning.axes import Watch
from astrum.protocol.hints import Hint, decode_hint, encode_hint
from astrum.protocol.messages import (
    LeaderEvent,
    Record,
    decode_entry,
    encode_entry,
    encode_event,
    encode_record,
    event_of,
)
from astrum.protocol.rows import PROTOCOL_VERSION
from astrum.protocol.sealing import Seal
from astrum.protocol.task_message import TaskMessage, decode_message, encode_message
from astrum.values import unpacking

INDEX = TaskMessage._fields.index("child_index")
texts = st.text(max_size=10)
numbers = st.integers(0, 2**40)
seconds = st.floats(0, 1e10)
paths = st.lists(texts | numbers, max_size=3).map(tuple)
watches = st.builds(
    Watch,
    kind=st.sampled_from(["length", "truth", "choice"]),
    path=paths,
    choices=st.lists(st.none() | st.booleans() | texts | numbers, max_size=3).map(tuple),
    key=st.none() | paths,
)
task_messages = st.builds(
    TaskMessage,
    run_id=st.text("abcXYZ019_.@+-", min_size=1, max_size=20),
    task=numbers,
    attempt=numbers,
    try_number=numbers,
    namespace=texts,
    task_id=texts,
    fingerprint=texts,
    max_retries=numbers,
    timeout_s=st.none() | st.floats(0, 1e10, exclude_min=True),
    check_types=st.booleans(),
    exclusive=st.booleans(),
    arguments=st.binary(max_size=20),
    child_index=st.lists(numbers, max_size=3).map(tuple),
    child_key=texts,
    watches=st.lists(watches, max_size=3).map(tuple),
    limits=st.lists(texts, max_size=3).map(tuple),
    priority=st.integers(-9, 9),
    versions=texts,
    trace=texts,
)
failures = st.builds(
    Failure, st.lists(texts, max_size=3).map(tuple), texts, texts, st.lists(texts).map(tuple)
)
records = st.builds(
    Record,
    task=numbers,
    attempt=numbers,
    outcome=st.sampled_from(Outcome),
    worker_id=texts,
    started_at=seconds,
    ended_at=seconds,
    value=st.none() | st.binary(max_size=20),
    failure=st.none() | failures,
    shared_loss=st.integers(1, 100),
    queued_ms=st.integers(0, 10**11),
    prepared_ms=st.integers(0, 10**11),
    blocked=texts,
    seen=st.lists(st.integers(-9, 2**40), max_size=3).map(tuple),
    code=texts,
    log=st.binary(max_size=20),
    reused_from=texts,
)
events = st.one_of(
    st.builds(CancelRequested, seconds, texts),
    st.builds(RunTimedOut, seconds, seconds, texts),
    st.builds(TaskFoundUnserved, numbers, seconds, texts),
    st.builds(WorkerReturned, texts, seconds),
    st.builds(Reopened, st.lists(numbers, max_size=3).map(tuple), seconds, texts),
    st.builds(RetryHurried, st.lists(numbers, max_size=3).map(tuple), seconds, texts),
)
junk = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | texts
    | st.binary(),
    lambda parts: st.lists(parts, max_size=9) | st.dictionaries(texts, parts, max_size=3),
    max_leaves=20,
)


@given(task_messages)
def test_a_task_message_is_decoded_unchanged(message: TaskMessage) -> None:
    again = decode_message(encode_message(message))
    assert again == message
    assert [type(field) for field in again] == [type(field) for field in message]


@given(st.lists(records | events, max_size=5))
def test_a_journal_entry_is_decoded_unchanged(items: list[Record | LeaderEvent]) -> None:
    entry = encode_entry(
        encode_record(item) if isinstance(item, Record) else encode_event(item) for item in items
    )
    again = decode_entry(entry)
    assert again == items
    assert [type(item) for item in again] == [type(item) for item in items]


def test_a_record_becomes_the_event_of_the_state_machine() -> None:
    failure = Failure(("builtins.ValueError",), "no")
    record = Record(
        *(3, 2, Outcome.FAILED, "w", 1.0, 2.0, None, failure, 4),
        *(1500, 250, "blocked", (7,), "code", b"log"),
    )
    event = AttemptSettled(
        *(3, 2, Outcome.FAILED, 1.0, 2.0, 9.0, "w", failure, 4, "blocked"),
        *(1.5, 0.25, (7,), "code", b"log"),
    )
    assert event_of(record, recorded_at=9.0) == event
    assert event_of(CancelRequested(1.0), recorded_at=9.0) == CancelRequested(1.0)
    seed = Record(3, 0, Outcome.REUSED, value=b"\x01", reused_from="july")
    assert event_of(seed, recorded_at=9.0) == TaskReused(3, "july", 9.0)
    assert decode_entry(encode_entry([encode_record(seed)])) == [seed]


@given(task_messages, st.lists(junk, max_size=3))
def test_fields_that_a_later_version_adds_to_a_message_are_ignored(
    message: TaskMessage, more: list[Any]
) -> None:
    version, *row = msgpack.unpackb(encode_message(message))
    row += msgpack.unpackb(msgpack.packb([*message]))[len(row) :]
    row[INDEX] = -1 if version == PROTOCOL_VERSION else row[INDEX]
    assert decode_message(msgpack.packb([version, *row, *more])) == message


@given(st.lists(records | events, max_size=5), st.lists(junk, max_size=3))
def test_fields_that_a_later_version_adds_to_a_journal_row_are_ignored(
    items: list[Record | LeaderEvent], more: list[Any]
) -> None:
    rows = [whole_row(item) + more for item in items]
    assert decode_entry(msgpack.packb(rows)) == items


later_rows = st.one_of(
    records.flatmap(
        lambda record: (st.integers(-9, -1) | st.integers(len(Outcome), 2**40)).map(
            lambda outcome: [*record[:2], outcome, *whole_row(record)[3:]]
        )
    ),
    st.tuples(st.text("xyz", min_size=1, max_size=5), st.lists(junk, max_size=4)).map(
        lambda event: [-1, event[0], *event[1]]
    ),
)


@given(
    st.lists(records.map(lambda record: (record, True)) | later_rows.map(lambda row: (row, False)))
)
def test_rows_that_a_later_version_adds_are_skipped_and_all_others_are_read(
    drawn: list[tuple[Any, bool]],
) -> None:
    rows = [encode_record(row) if is_known else msgpack.packb(row) for row, is_known in drawn]
    known = [row for row, is_known in drawn if is_known]
    skipped: list[str] = []
    assert decode_entry(encode_entry(rows), skipped.append) == known
    assert len(skipped) == len(rows) - len(known)
    assert decode_entry(encode_entry(rows)) == known
    seal = Seal([b"k" * 16])
    skipped.clear()
    assert seal.open_entry("r", seal.seal_entry("r", *rows), skipped.append) == known
    assert len(skipped) == len(rows) - len(known)


def test_what_was_skipped_is_named() -> None:
    rows = [[-1, "retried", 1.0], [0, 1, 99, "w", 1.0, 2.0, None, None]]
    skipped: list[str] = []
    assert decode_entry(msgpack.packb(rows), skipped.append) == []
    assert skipped == ["the event 'retried'", "the outcome 99"]


def test_an_event_whose_kind_is_not_a_string_is_a_decode_error() -> None:
    with pytest.raises(DecodeError, match="not a string"):
        decode_entry(msgpack.packb([[-1, 7, 1.0]]))


def whole_row(item: Record | LeaderEvent) -> list[Any]:
    """Return the row of an item with all its defaults, and with a failure of a later version."""
    if isinstance(item, Record):
        failure = None if item.failure is None else [*item.failure, "more"]
        return list(item._replace(failure=failure))  # type: ignore[arg-type]
    row: list[Any] = msgpack.unpackb(encode_event(item))
    return row + [""] * (2 + len(item) - len(row))


def test_a_hint_names_streams_of_exact_runs_and_an_earlier_one_does_not() -> None:
    hint = Hint("r", streams=("default:a:0.1",))
    assert decode_hint(encode_hint(hint)) == Hint("r", [], ("default:a:0.1",))
    earlier = msgpack.unpackb(encode_hint(hint))[:3]
    assert decode_hint(msgpack.packb(earlier)) == Hint("r", [])


@pytest.mark.parametrize("streams", [7, [7], [b"x"]])
def test_a_hint_with_streams_that_are_not_names_is_refused(streams: object) -> None:
    row = [*msgpack.unpackb(encode_hint(Hint("r")))[:3], streams]
    with pytest.raises(DecodeError):
        decode_hint(msgpack.packb(row))


def test_fields_that_a_later_version_adds_to_a_hint_are_ignored() -> None:
    hint = Hint("r", [(1, 2)])
    later = [*msgpack.unpackb(encode_hint(hint))[:2], [[1, 2, "more"]], [], "more"]
    assert decode_hint(msgpack.packb(later)) == hint


def test_last_fields_that_have_their_default_are_left_out() -> None:
    fields = ("r", 0, 1, 1, "n", "a", "", 0, None, False, False, b"")
    message = TaskMessage(*fields)
    assert msgpack.unpackb(encode_message(message)) == [PROTOCOL_VERSION, *fields]
    told = msgpack.unpackb(encode_message(message._replace(priority=3)))
    assert told == [PROTOCOL_VERSION, *fields, -1, "", [], [], 3]
    assert msgpack.unpackb(encode_event(CancelRequested(1.0))) == [-1, "cancel", 1.0]
    told = CancelRequested(1.0, "", "ann@host:7")
    assert decode_entry(encode_entry([encode_event(told)])) == [told]
    assert msgpack.unpackb(encode_event(RunTimedOut(1.0, 2.0))) == [-1, "timeout", 1.0, 2.0]
    lost = Record(3, 2, Outcome.LOST, "w", 1.0)
    row = [3, 2, Outcome.LOST, "w", 1.0, 0.0, None, None]
    assert msgpack.unpackb(encode_record(lost)) == row
    assert msgpack.unpackb(encode_record(lost._replace(prepared_ms=9))) == [*row, 1, 0, 9]


@pytest.mark.parametrize("limit", [math.nan, math.inf, -5.0, 0.0, 0, -1])
def test_a_time_limit_that_a_timer_cannot_have_is_refused(limit: float) -> None:
    fields = ("r", 0, 1, 1, "n", "a", "", 0, 1.0, False, False, b"")
    message = TaskMessage(*fields)
    assert decode_message(encode_message(message)) == message
    with pytest.raises(DecodeError, match="has the time limit"):
        decode_message(encode_message(message._replace(timeout_s=limit)))


@pytest.mark.parametrize("time", [math.nan, math.inf, -math.inf, -1.0, 1e300, 2**63])
def test_an_impossible_time_is_ignored_and_the_end_counts(time: float) -> None:
    record = Record(3, 2, Outcome.SUCCEEDED, "w", time, time, b"\xc0")
    [again] = decode_entry(encode_entry([encode_record(record)]))
    assert again == record._replace(started_at=0.0, ended_at=0.0)
    [event] = decode_entry(encode_entry([encode_event(CancelRequested(time, "why"))]))
    assert event == CancelRequested(0.0, "why")


@pytest.mark.parametrize("duration_ms", [-1, 2**63])
def test_an_impossible_duration_is_ignored_and_the_end_counts(duration_ms: int) -> None:
    record = Record(3, 2, Outcome.SUCCEEDED, queued_ms=duration_ms, prepared_ms=duration_ms)
    [again] = decode_entry(encode_entry([encode_record(record)]))
    assert again == record._replace(queued_ms=0, prepared_ms=0)


def test_a_message_of_another_protocol_version_says_so() -> None:
    with pytest.raises(DecodeError, match="protocol version 99, this process speaks 2"):
        decode_message(msgpack.packb([99]))


def test_bytes_beyond_the_limit_are_refused_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "MAX_MESSAGE_BYTES", 10)
    for decode in (decode_message, decode_entry):
        with pytest.raises(DecodeError, match="limit of 10"):
            decode(b"\x90" * 11)


@settings(max_examples=200)
@given(junk)
def test_other_msgpack_is_a_decode_error(value: Any) -> None:
    with pytest.raises(DecodeError):
        decode_message(msgpack.packb(value))


@settings(max_examples=300)
@given(
    st.lists(junk, max_size=16) | st.lists(st.just(-1) | junk, min_size=3, max_size=6), st.data()
)
def test_other_rows_in_an_entry_are_a_decode_error_or_well_typed(
    row: list[Any], data: st.DataObject
) -> None:
    if row and row[0] == -1:
        row[1:2] = [data.draw(st.sampled_from(["cancel", "timeout", "unserved", "other"]))]
    try:
        items = decode_entry(msgpack.packb([row]))
    except DecodeError:
        return
    for item in items:
        check_types(item)


def check_types(item: Record | LeaderEvent) -> None:
    if isinstance(item, Record):
        assert isinstance(item.task, int)
        assert isinstance(item.worker_id, str)
        assert isinstance(item.started_at, (int, float))
        assert isinstance(item.ended_at, (int, float))
        assert isinstance(item.shared_loss, int)
        assert isinstance(item.blocked, str)
        assert all(isinstance(number, int) for number in (item.queued_ms, *item.seen))
        assert isinstance(item.log, bytes)
        assert isinstance(item.failure, (Failure, type(None)))


@settings(max_examples=300)
@given(records, st.integers(0, 14), junk)
def test_a_record_with_one_wrong_field_is_a_decode_error_or_well_typed(
    record: Record, index: int, value: Any
) -> None:
    row = list(record)
    row[index] = value
    try:
        items = decode_entry(msgpack.packb([row]))
    except DecodeError:
        return
    for item in items:
        check_types(item)


@given(task_messages, st.integers(0, 19), junk)
def test_a_message_with_one_wrong_field_is_a_decode_error_or_well_typed(
    message: TaskMessage, index: int, value: Any
) -> None:
    row: list[Any] = [3 if message.child_index else PROTOCOL_VERSION, *message]
    row[index] = value
    try:
        again = decode_message(msgpack.packb(row))
    except DecodeError:
        return
    assert isinstance(again.task, int)
    assert isinstance(again.run_id, str)
    assert isinstance(again.arguments, bytes)
    assert all(isinstance(name, str) for name in again.limits)
    assert all(type(number) is int for number in again.child_index)
    for watch in again.watches:
        assert isinstance(watch, Watch)
        assert isinstance(watch.kind, str)
        assert all(isinstance(step, (str, int)) for step in (*watch.path, *(watch.key or ())))
        assert all(type(choice) in (str, int, bool, type(None)) for choice in watch.choices)


@given(task_messages)
def test_only_what_no_reader_may_ignore_has_a_version_of_its_own(message: TaskMessage) -> None:
    version = msgpack.unpackb(encode_message(message))[0]
    assert version == (3 if message.child_index or message.watches else PROTOCOL_VERSION)


def test_what_an_earlier_version_wrote_is_read() -> None:
    fields = ("r", 0, 1, 1, "n", "a", "", 0, None, False, False, b"")
    row: list[Any] = [PROTOCOL_VERSION, *fields, -1, "", [], [], 0, "exact", "trace"]
    message = TaskMessage(*fields, versions="exact", trace="trace")
    assert decode_message(msgpack.packb(row)) == message
    assert msgpack.unpackb(encode_message(message)) == row


@pytest.mark.parametrize(
    "changes",
    [
        {12: [-1]},
        {12: ["1"]},
        {12: 7},
        {14: [7]},
        {14: [["length", [], []]]},
        {14: [[7, [], [], None]]},
        {14: [["length", [None], [], None]]},
        {14: [["length", "path", [], None]]},
        {14: [["choice", [], [1.5], None]]},
        {14: [["length", [], [], [b"x"]]]},
        {15: [7]},
    ],
)
def test_children_and_watches_that_cannot_be_are_refused(changes: dict[int, Any]) -> None:
    fields = ("r", 0, 1, 1, "n", "a", "", 0, None, False, False, b"")
    row: list[Any] = [*fields, [1], "k", [["length", [], [], None]], []]
    assert decode_message(msgpack.packb([3, *row])).watches == (Watch("length"),)
    for place, value in changes.items():
        row[place] = value
    with pytest.raises(DecodeError):
        decode_message(msgpack.packb([3, *row]))


@given(task_messages, st.integers(0, 100))
def test_a_message_cut_short_is_a_decode_error(message: TaskMessage, keep: int) -> None:
    data = encode_message(message)
    with pytest.raises(DecodeError):
        decode_message(data[: min(keep, len(data) - 1)])
