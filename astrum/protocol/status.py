"""The reports of workers and coordinators about themselves, written and read by one codec.

Any part of what is read may be wrong: a wrong part counts as missing, unknown parts are ignored.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

import msgpack

from astrum.errors import DecodeError
from astrum.machine.progress import Progress
from astrum.values.unpacking import unpack

MAX_STATUS_BYTES = 16 * 1024 * 1024
MAX_LED_RUNS = 1_000
"""A limit, so that a coordinator of many runs publishes some 100 KiB every few seconds."""
_Reader = Callable[[Any], Any]
"""Returns a valid part of a status, `None` for any other."""


class RunningAttempt(NamedTuple):
    """An attempt that a worker runs, for ``age_s`` so far.

    ``blocks`` is the line at which it blocks the worker's event loop, "" if it does not. ``done``,
    ``total`` and ``text`` are what its task told last, see `Progress`; without it ``done`` is
    `None`. ``said`` is the beginning of the latest line that it logged, "" if there is none.
    ``child`` is the name of the child that runs, such as "parse[3]", "" for any other task.
    """

    run_id: str
    task: int
    task_id: str
    attempt: int
    age_s: float
    blocks: str = ""
    done: float | None = None
    total: float | None = None
    text: str = ""
    said: str = ""
    child: str = ""

    @property
    def name(self) -> str:
        """The name of the task or child, as people see it."""
        return self.child or self.task_id

    @property
    def progress(self) -> Progress | None:
        """What the task told last, `None` if it told nothing."""
        return None if self.done is None else Progress(self.done, self.total, self.text)


class WaitingAttempt(NamedTuple):
    """An attempt that a worker has claimed ahead of a free slot, ``age_s`` ago.

    ``child`` is as in `RunningAttempt`.
    """

    run_id: str
    task: int
    task_id: str
    attempt: int
    age_s: float
    lane: str = ""
    child: str = ""


class LaneStatus(NamedTuple):
    """The slots of a lane: how many there are, how many are used.

    ``free`` is how many attempts the worker would claim now. That is more than the free slots
    while attempts are very short. ``read_age_s`` is how long ago its queues were last read.
    ``ended`` counts the attempts that have run in the lane since the worker started.
    """

    slots: int
    used: int
    free: int = 0
    read_age_s: float | None = None
    ended: int = 0


class LoopBlock(NamedTuple):
    """A block of a worker's event loop: for how long, at which line, and in which task ("")."""

    age_s: float
    where: str
    task_id: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerStatus:
    """The work of a worker at one moment.

    ``not_claiming`` are the reasons for which it claims nothing. ``unsettled`` ends are not
    delivered yet. ``drain_left_s`` is what is left of its grace while it drains.
    ``hung_threads`` run tasks that were given up. ``rss_bytes`` and ``cpu_s`` are those of its
    process. What is not known is `None`.
    """

    running: tuple[RunningAttempt, ...] = ()
    waiting: tuple[WaitingAttempt, ...] = ()
    lanes: Mapping[str, LaneStatus] = field(default_factory=dict)
    not_claiming: tuple[str, ...] = ()
    blocked: LoopBlock | None = None
    unsettled: int = 0
    drain_left_s: float | None = None
    hung_threads: int = 0
    rss_bytes: int | None = None
    cpu_s: float | None = None
    counters: Mapping[str, int] = field(default_factory=dict)

    @property
    def blocker(self) -> str:
        """The name of the task or child that blocks the event loop, "" if it is not known."""
        names = (row.name for row in self.running if row.blocks)
        return next(names, "" if self.blocked is None else self.blocked.task_id)


class LedRun(NamedTuple):
    """A run that a coordinator leads.

    ``ready`` is how many tasks wait for nothing but ``capacity``, by queue: they are in no stream
    yet. ``capacity`` is how many attempts may be outstanding at once. ``is_in_doubt``: the server
    holds another state than expected, and the run is read again. ``unserved`` says which tasks
    no worker serves and why, "" if all are served. At ``unserved_until`` they end the run (server
    time in seconds since the epoch; `None`: they do not). ``refused`` says why the server refuses
    what is to be dispatched, for example because its memory is full, "" if it does not.
    ``unsigned_ends`` counts the ends that are in the journal without a valid signature.
    """

    run_id: str
    ready: Mapping[str, int]
    capacity: int
    outstanding: int
    is_in_doubt: bool = False
    unserved: str = ""
    unserved_until: float | None = None
    refused: str = ""
    unsigned_ends: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CoordinatorStatus:
    """The work of a coordinator at one moment.

    ``ready`` is what it holds in all its runs, by queue, and ``paused`` how much of that pauses
    hold back. ``leaderships`` are at most `MAX_LED_RUNS` of the ``led_count`` runs that it leads.
    """

    led_count: int = 0
    ready: Mapping[str, int] = field(default_factory=dict)
    leaderships: tuple[LedRun, ...] = ()
    paused: Mapping[str, int] = field(default_factory=dict)


def encode_coordinator_status(status: CoordinatorStatus) -> bytes:
    """Return a status as the bytes that the store keeps."""
    return _encoded(status)


def decode_coordinator_status(data: bytes) -> CoordinatorStatus:
    """Return the status that a coordinator reported; what is not valid counts as missing."""
    return CoordinatorStatus(**_decoded(data, _COORDINATOR_READERS))


def encode_status(status: WorkerStatus) -> bytes:
    """Return a status as the bytes that the store keeps.

    >>> decode_status(encode_status(WorkerStatus(unsettled=2))).unsettled
    2
    """
    return _encoded(status)


def decode_status(data: bytes) -> WorkerStatus:
    """Return the status that a worker reported; without valid parts it is that of an idle one."""
    return WorkerStatus(**_decoded(data, _WORKER_READERS))


def _encoded(status: WorkerStatus | CoordinatorStatus) -> bytes:
    said = {part.name: getattr(status, part.name) for part in fields(status)}
    packed: bytes = msgpack.packb(said, unicode_errors="backslashreplace")
    return packed


def _decoded(data: bytes, readers: Mapping[str, _Reader]) -> dict[str, Any]:
    """Return the valid parts by name."""
    try:
        said = unpack(data, max_bytes=MAX_STATUS_BYTES) if data else {}
    except DecodeError:
        return {}
    if not isinstance(said, dict):
        return {}
    read = {name: reader(said[name]) for name, reader in readers.items() if name in said}
    return {name: value for name, value in read.items() if value is not None}


class ServedTask(NamedTuple):
    """A task that a worker serves: the fingerprint of its code, and the version of its namespace.

    ``offer`` and ``code`` are as in `astrum.planning.offer`, "" if the worker does not tell them.
    """

    fingerprint: str
    offer: str = ""
    code: str = ""


def encode_served(served: Mapping[tuple[str, str], ServedTask]) -> bytes:
    """Return what a worker serves, by namespace and task id, as the bytes that the store keeps."""
    packed: bytes = msgpack.packb([(*address, *task) for address, task in served.items()])
    return packed


def decode_served(data: bytes) -> dict[tuple[str, str], ServedTask]:
    """Return what a worker serves by namespace and task id; more parts of a row are ignored.

    Raises `DecodeError` for anything but rows of at least three strings.
    """
    rows = unpack(data, max_bytes=MAX_STATUS_BYTES) if data else []
    try:
        served = {(namespace, task_id): ServedTask(*told[:3]) for namespace, task_id, *told in rows}
    except (TypeError, ValueError) as error:
        raise DecodeError(f"a list of served tasks is malformed: {error}") from None
    if not all(type(text) is str for key, value in served.items() for text in (*key, *value)):
        raise DecodeError("a list of served tasks has parts that are not strings")
    return served


def _count(value: Any) -> int | None:
    return value if type(value) is int and value >= 0 else None


def _number(value: Any) -> float | None:
    is_number = type(value) in (int, float) and math.isfinite(value) and value >= 0
    return float(value) if is_number else None


def _flag(value: Any) -> bool | None:
    return value if type(value) is bool else None


def _string(value: Any) -> str | None:
    return value if type(value) is str else None


def _row(kind: Any, *readers: _Reader) -> _Reader:
    """Return a reader of named tuples; a wrong part that has a default gets it."""
    needed = set(kind._fields) - kind._field_defaults.keys()

    def read(value: Any) -> Any:
        parts = zip(kind._fields, readers, value if isinstance(value, list) else (), strict=False)
        read = {name: reader(part) for name, reader, part in parts}
        found = {name: part for name, part in read.items() if part is not None}
        return kind(**found) if needed <= found.keys() else None

    return read


def _rows(reader: _Reader) -> _Reader:
    def read(value: Any) -> tuple[Any, ...]:
        rows = map(reader, value) if isinstance(value, list) else ()
        return tuple(row for row in rows if row is not None)

    return read


def _by_name(reader: _Reader) -> _Reader:
    def read(value: Any) -> dict[str, Any]:
        pairs = value.items() if isinstance(value, dict) else ()
        found = {name: reader(part) for name, part in pairs if type(name) is str}
        return {name: part for name, part in found.items() if part is not None}

    return read


_ATTEMPT = (_string, _count, _string, _count, _number, _string)
_WORKER_READERS: dict[str, _Reader] = {
    "running": _rows(_row(RunningAttempt, *_ATTEMPT, _number, _number, _string, _string, _string)),
    "waiting": _rows(_row(WaitingAttempt, *_ATTEMPT, _string)),
    "lanes": _by_name(_row(LaneStatus, _count, _count, _count, _number, _count)),
    "not_claiming": _rows(_string),
    "blocked": _row(LoopBlock, _number, _string, _string, _string),
    "unsettled": _count,
    "drain_left_s": _number,
    "hung_threads": _count,
    "rss_bytes": _count,
    "cpu_s": _number,
    "counters": _by_name(_count),
}
_BY_QUEUE = _by_name(_count)
_LED_RUN = (_string, _BY_QUEUE, _count, _count, _flag, _string, _number, _string, _count)
_COORDINATOR_READERS: dict[str, _Reader] = {
    "led_count": _count,
    "ready": _BY_QUEUE,
    "paused": _BY_QUEUE,
    "leaderships": _rows(_row(LedRun, *_LED_RUN)),
}
