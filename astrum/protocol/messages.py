"""What the journal of a run holds: the ends of attempts, and events from outside.

All are msgpack arrays. Values inside are byte strings, decoded only by the process that needs
them: a coordinator copies them from a record into the next message. A reader skips rows with an
outcome or an event that it does not know.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import product
from sys import intern
from types import NoneType
from typing import Any, NamedTuple

import msgpack

from astrum.errors import DecodeError
from astrum.machine.events import (
    RELEASES,
    AttemptSettled,
    CancelRequested,
    CleanupStopped,
    Event,
    Outcome,
    Released,
    Reopened,
    RetryHurried,
    RunTimedOut,
    TaskFoundUnserved,
    TaskReused,
    WorkerReturned,
)
from astrum.machine.failure import Failure
from astrum.protocol.rows import trimmed, with_optional
from astrum.values.unpacking import unpack

_LEADER = -1
"""Replaces the task number in records of events that come from the leader or a user."""
_CANCEL, _TIMEOUT, _UNSERVED, _RETURNED = "cancel", "timeout", "unserved", "returned"
_REOPENED, _HURRIED = "reopened", "hurried"
_CLEANUP_STOPPED, _RELEASED = "cleanup_stopped", "released"
_EVENT_KINDS = (
    _CANCEL,
    _TIMEOUT,
    _UNSERVED,
    _RETURNED,
    _REOPENED,
    _HURRIED,
    _CLEANUP_STOPPED,
    _RELEASED,
)
LATEST_S = 253402300799.0
"""The last second of the year 9999; later times are invalid."""
_LONGEST_MS = 10**11
"""Three years; longer durations are invalid."""


class Record(NamedTuple):
    """One settled attempt in the journal.

    ``value`` is the encoded result of a succeeded attempt, or a reference to it.
    ``shared_loss``, ``blocked`` and ``seen`` are as in `AttemptSettled`. It was dispatched
    ``prepared_ms`` and ``queued_ms`` before ``started_at``: first it waited for a worker with a
    free slot, then its arguments were fetched and decoded. ``code`` is the code of the task's
    namespace that ran, "" if the task's code was the plan's. ``log`` is the `fingerprint_of_log` of
    what it logged and its worker was about to store, ``b""`` if there is none.
    A reused task has such a record with attempt 0, and ``reused_from`` is the run that had the
    result.
    """

    task: int
    attempt: int
    outcome: Outcome
    worker_id: str = ""
    started_at: float = 0.0
    ended_at: float = 0.0
    value: bytes | None = None
    failure: Failure | None = None
    shared_loss: int = 1
    queued_ms: int = 0
    prepared_ms: int = 0
    blocked: str = ""
    seen: tuple[int, ...] = ()
    code: str = ""
    log: bytes = b""
    reused_from: str = ""

    @property
    def gives_result(self) -> bool:
        """Whether ``value`` is the result of the task."""
        return self.outcome in (Outcome.SUCCEEDED, Outcome.REUSED)

    def to_event(self, recorded_at: float) -> AttemptSettled | TaskReused:
        """Return the event for a run's state machine."""
        if self.outcome is Outcome.REUSED:
            return TaskReused(self.task, self.reused_from, recorded_at, self.seen)
        return AttemptSettled(
            self.task,
            self.attempt,
            self.outcome,
            self.started_at,
            self.ended_at,
            recorded_at,
            self.worker_id,
            self.failure,
            self.shared_loss,
            self.blocked,
            self.queued_ms / 1000,
            self.prepared_ms / 1000,
            self.seen,
            self.code,
            self.log,
        )


def encode_record(record: Record) -> bytes:
    """Return the bytes of one record; the settle script joins them to a journal entry."""
    return _packed(trimmed(record, _RECORD_DEFAULTS))


_CANCEL_DEFAULTS = ("", "")
_TIMEOUT_DEFAULTS = ("",)
"""Those of the last fields of a cancellation and of a run's timeout."""
LeaderEvent = (
    CancelRequested
    | CleanupStopped
    | RunTimedOut
    | TaskFoundUnserved
    | WorkerReturned
    | Reopened
    | RetryHurried
    | Released
)


def encode_event(event: LeaderEvent) -> bytes:
    """Return the bytes of one event that is not the end of an attempt."""
    if isinstance(event, CancelRequested):
        row: tuple[Any, ...] = (_LEADER, _CANCEL, *trimmed(event, _CANCEL_DEFAULTS))
    elif isinstance(event, RunTimedOut):
        row = (_LEADER, _TIMEOUT, *trimmed(event, _TIMEOUT_DEFAULTS))
    elif isinstance(event, CleanupStopped):
        row = (_LEADER, _CLEANUP_STOPPED, *event)
    elif isinstance(event, Released):
        row = (_LEADER, _RELEASED, event.at, *event[:2], *event[3:])
    elif isinstance(event, WorkerReturned):
        row = (_LEADER, _RETURNED, event.at, event.worker_id)
    elif isinstance(event, (Reopened, RetryHurried)):
        kind = _REOPENED if isinstance(event, Reopened) else _HURRIED
        row = (_LEADER, kind, event.at, event.tasks, event.by)
    else:
        row = (_LEADER, _UNSERVED, event.at, event.task, event.message)
    return _packed(row)


def _packed(row: tuple[Any, ...]) -> bytes:
    """Pack a row; an end must not be lost because of a string that cannot be encoded."""
    try:
        packed: bytes = msgpack.packb(row)
    except UnicodeEncodeError:
        packed = msgpack.packb(row, unicode_errors="backslashreplace")
    return packed


def encode_entry(records: Iterable[bytes]) -> bytes:
    """Join encoded records to one journal entry, as the settle script does."""
    rows = list(records)
    return b"\xdd" + len(rows).to_bytes(4, "big") + b"".join(rows)


class _UnknownRowError(Exception):
    """A row of a later version, with an outcome or an event that this version does not know."""


def decode_entry(
    data: bytes, note_unknown: Callable[[str], object] | None = None
) -> list[Record | LeaderEvent]:
    """Read one journal entry; raises `DecodeError` for anything but an array of records.

    Rows of a later version that this one does not know are skipped: ``note_unknown`` is called
    with what each holds.
    """
    rows = unpack(data)
    if not isinstance(rows, list):
        raise DecodeError("a journal entry must be a msgpack array of records")
    items = []
    for row in rows:
        try:
            items.append(_decode_row(row))
        except _UnknownRowError as error:
            if note_unknown is not None:
                note_unknown(str(error))
    return items


def claimed_ends(data: bytes) -> list[tuple[int, int]]:
    """Return the attempts (task, attempt) that an entry says have ended; ignores all else.

    For entries without a valid signature: the leader checks these attempts itself.
    """
    try:
        rows = [unpack(row[1]) if type(row[0]) is bytes else row for row in unpack(data)]
        ends = [(row[0], row[1]) for row in rows]
    except (DecodeError, TypeError, LookupError):
        return []
    return [(t, a) for t, a in ends if type(t) is int and type(a) is int and t >= 0]


_OUTCOMES = {int(outcome): outcome for outcome in Outcome}
_RECORD_TYPES = with_optional(
    [
        (int, int, int, str, started, ended, value, failure)
        for started, ended in product((int, float), repeat=2)
        for value in (NoneType, bytes)
        for failure in (NoneType, list)
    ],
    (int, int, int, str, list, str, bytes, str),
)
"""The types of the fields of a `Record`; the first eight are always there."""
_SEEN = Record._fields.index("seen")
_RECORD_DEFAULTS = (1, 0, 0, "", (), "", b"", "")
"""Those of the fields from ``shared_loss`` on."""


def _decode_row(row: Any) -> Record | LeaderEvent:
    try:
        return _decode_event(row) if row[0] == _LEADER else _decode_record(row)
    except (TypeError, ValueError, IndexError, KeyError, OverflowError) as error:
        raise DecodeError(f"a journal record is malformed: {error}") from None


def _decode_record(row: list[Any]) -> Record:
    del row[len(Record._fields) :]
    if tuple(map(type, row)) not in _RECORD_TYPES:
        raise DecodeError("a journal record has fields of the wrong number or type")
    outcome = _OUTCOMES.get(row[2])
    if outcome is None:
        raise _UnknownRowError(f"the outcome {row[2]}")
    row[2] = outcome
    row[3] = intern(row[3])  # a few for a million records
    row[4], row[5] = _known(row[4]), _known(row[5])
    if row[7] is not None:
        row[7] = decode_failure(row[7])
    row[9:11] = [ms if 0 <= ms <= _LONGEST_MS else 0 for ms in row[9:11]]
    if len(row) > _SEEN:
        if not all(type(number) is int for number in row[_SEEN]):
            raise DecodeError("a journal record has seen something that is not a number")
        row[_SEEN] = tuple(row[_SEEN])
    return Record(*row)


def _known(time_s: float) -> float:
    """Return a time, 0 (not known) for an invalid one: the end counts in any case."""
    return time_s if 0 <= time_s <= LATEST_S else 0.0


def _decode_event(row: Sequence[Any]) -> LeaderEvent:
    kind = row[1]
    if type(kind) is not str:
        raise DecodeError("a journal event has a kind that is not a string")
    if kind not in _EVENT_KINDS:
        raise _UnknownRowError(f"the event {kind!r}")
    at = _known(float(row[2]))
    if kind == _CANCEL:
        return CancelRequested(at, *map(str, row[3:5]))
    if kind == _TIMEOUT:
        return RunTimedOut(at, float(row[3]), *map(str, row[4:5]))
    if kind == _CLEANUP_STOPPED:
        return CleanupStopped(at, *map(str, row[3:5]))
    if kind == _RELEASED:
        task, how, by, seen, value = row[3:8]
        given = tuple(map(int, seen)), bytes(value)
        return Released(int(task), _known_how(how), at, str(by), *given)
    if kind == _UNSERVED:
        return TaskFoundUnserved(int(row[3]), at, str(row[4]))
    if kind in (_REOPENED, _HURRIED):
        event = Reopened if kind == _REOPENED else RetryHurried
        return event(tuple(map(int, row[3])), at, str(row[4]))
    return WorkerReturned(str(row[3]), at)


def _known_how(how: Any) -> str:
    if how not in RELEASES:
        raise _UnknownRowError(f"a release with {how!r}")
    return str(how)


def decode_failure(row: Any) -> Failure:
    """Rebuild a `Failure` from its msgpack fields."""
    types, message, traceback, notes, *_ = row
    return Failure(tuple(map(str, types)), str(message), str(traceback), tuple(map(str, notes)))


def event_of(item: Record | LeaderEvent, recorded_at: float) -> Event:
    """Return the event for the state machine that a journal item holds."""
    return item.to_event(recorded_at) if isinstance(item, Record) else item
