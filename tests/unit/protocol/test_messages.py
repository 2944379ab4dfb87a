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
    RunTimedOut,
    TaskFoundUnserved,
    WorkerReturned,
)
from astrum.machine.failure import Failure
from astrum.protocol.messages import (
    PROTOCOL_VERSION,
    LeaderEvent,
    Record,
    TaskMessage,
    decode_entry,
    decode_message,
    encode_entry,
    encode_event,
    encode_message,
    encode_record,
    event_of,
)
from astrum.values import unpacking

texts = st.text(max_size=10)
numbers = st.integers(0, 2**40)
seconds = st.floats(0, 1e10)
task_messages = st.builds(
    TaskMessage,
    run_id=st.text("abcXYZ019_.@+-", min_size=1, max_size=20),
    task=numbers,
    attempt=numbers,
    number=numbers,
    namespace=texts,
    task_id=texts,
    fingerprint=texts,
    max_retries=numbers,
    timeout_s=st.none() | st.floats(0, 1e10, exclude_min=True),
    check_types=st.booleans(),
    exclusive=st.booleans(),
    arguments=st.binary(max_size=20),
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
    blocked=texts,
)
events = st.one_of(
    st.builds(CancelRequested, seconds, texts),
    st.builds(RunTimedOut, seconds, seconds, texts),
    st.builds(TaskFoundUnserved, numbers, seconds, texts),
    st.builds(WorkerReturned, texts, seconds),
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
def test_a_task_message_comes_back_as_it_was(message: TaskMessage) -> None:
    again = decode_message(encode_message(message))
    assert again == message
    assert [type(field) for field in again] == [type(field) for field in message]


@given(st.lists(records | events, max_size=5))
def test_a_journal_entry_comes_back_as_it_was(items: list[Record | LeaderEvent]) -> None:
    entry = encode_entry(
        encode_record(item) if isinstance(item, Record) else encode_event(item) for item in items
    )
    again = decode_entry(entry)
    assert again == items
    assert [type(item) for item in again] == [type(item) for item in items]


def test_a_record_becomes_the_fact_that_the_state_machine_knows() -> None:
    failure = Failure(("builtins.ValueError",), "no")
    record = Record(3, 2, Outcome.FAILED, "w", 1.0, 2.0, None, failure, 4, "blocked")
    event = AttemptSettled(3, 2, Outcome.FAILED, 1.0, 2.0, 9.0, "w", failure, 4, "blocked")
    assert event_of(record, recorded_at=9.0) == event
    assert event_of(CancelRequested(1.0), recorded_at=9.0) == CancelRequested(1.0)


def test_a_run_s_timeout_from_before_it_had_a_reason_is_understood() -> None:
    row = msgpack.unpackb(encode_event(RunTimedOut(1.0, 2.0, "no one serves it")))
    assert decode_entry(msgpack.packb([row[:4]])) == [RunTimedOut(1.0, 2.0)]


@pytest.mark.parametrize("limit", [math.nan, math.inf, -5.0, 0.0, 0, -1])
def test_a_time_limit_that_a_timer_cannot_have_is_refused(limit: float) -> None:
    fields = ("r", 0, 1, 1, "n", "a", "", 0, 1.0, False, False, b"")
    message = TaskMessage._make(fields)
    assert decode_message(encode_message(message)) == message
    with pytest.raises(DecodeError, match="has the time limit"):
        decode_message(encode_message(message._replace(timeout_s=limit)))


@pytest.mark.parametrize("time", [math.nan, math.inf, -math.inf, -1.0, 1e300, 2**63])
def test_a_time_that_no_clock_shows_is_not_known_and_the_end_counts(time: float) -> None:
    record = Record(3, 2, Outcome.SUCCEEDED, "w", time, time, b"\xc0")
    [again] = decode_entry(encode_entry([encode_record(record)]))
    assert again == record._replace(started_at=0.0, ended_at=0.0)
    [event] = decode_entry(encode_entry([encode_event(CancelRequested(time, "why"))]))
    assert event == CancelRequested(0.0, "why")


def test_a_record_of_an_attempt_that_blocked_nothing_is_as_it_was_before_any_could_say_so() -> None:
    assert msgpack.unpackb(encode_record(Record(3, 2, Outcome.LOST))) == [
        *(3, 2, Outcome.LOST, "", 0.0, 0.0),
        *(None, None, 1),
    ]


def test_a_message_of_another_protocol_version_says_so() -> None:
    with pytest.raises(DecodeError, match="protocol version 99, this process speaks 1"):
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
    st.lists(junk, max_size=10) | st.lists(st.just(-1) | junk, min_size=3, max_size=6), st.data()
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
        assert isinstance(item.failure, (Failure, type(None)))


@settings(max_examples=300)
@given(records, st.integers(0, 9), junk)
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


@given(task_messages, st.integers(0, 12), junk)
def test_a_message_with_one_wrong_field_is_a_decode_error_or_well_typed(
    message: TaskMessage, index: int, value: Any
) -> None:
    row: list[Any] = [PROTOCOL_VERSION, *message]
    row[index] = value
    try:
        again = decode_message(msgpack.packb(row))
    except DecodeError:
        return
    assert isinstance(again.task, int)
    assert isinstance(again.run_id, str)
    assert isinstance(again.arguments, bytes)


@given(task_messages, st.integers(0, 100))
def test_a_message_cut_short_is_a_decode_error(message: TaskMessage, keep: int) -> None:
    data = encode_message(message)
    with pytest.raises(DecodeError):
        decode_message(data[: min(keep, len(data) - 1)])
