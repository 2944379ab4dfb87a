"""Plain records of what is stored about runs, their attempts and the workers."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from astrum.errors import StoreError
from astrum.machine.report_builder import RunTimes
from astrum.machine.run_counter import RunCounts
from astrum.protocol.drains import DrainRequest
from astrum.protocol.process_end import ProcessEnd
from astrum.protocol.status import CoordinatorStatus, WorkerStatus
from astrum.protocol.streams import Stream

_PID = re.compile("[1-9][0-9]{0,9}")


def damaged(run_id: str, why: object) -> StoreError:
    """Return the error of a run's record that Astrum cannot have written."""
    return StoreError(f"the record of run {run_id!r} is damaged: {why}")


def pid_of(worker_id: str) -> int | None:
    """Return which process a worker is, on its host; `None` for an id that no worker gave itself.

    >>> pid_of("host.example.4711.0f6b3775"), pid_of("host")
    (4711, None)
    """
    parts = worker_id.split(".")
    is_one = len(parts) > 2 and _PID.fullmatch(parts[-2]) is not None
    return int(parts[-2]) if is_one else None


class Holder(NamedTuple):
    """The worker that holds a dispatched attempt, and since when.

    ``claimed_at`` is in seconds since the epoch on the server's clock.
    """

    worker_id: str
    claimed_at: float


class StreamSize(NamedTuple):
    """Counts of a stream: attempts that wait, attempts with workers, and the oldest wait."""

    waiting: int
    held: int
    oldest_s: float | None


class LastWord(NamedTuple):
    """A worker's last heartbeat: how long ago it was, and its process's memory then.

    What is not known is `None`. ``said`` has the latest line that was logged by each attempt which
    it ran (run id, task, attempt). ``ended`` says how its process ended, if that was reported.
    """

    age_s: float | None = None
    rss_bytes: int | None = None
    said: Mapping[tuple[str, int, int], str] = MappingProxyType({})
    ended: ProcessEnd | None = None


class DeadLetter(NamedTuple):
    """An entry that could not be read and was set aside; ``stream`` is a key."""

    letter_id: str
    stream: str
    entry_id: str
    reason: str
    data: bytes
    signature: bytes = b""


class Outstanding(NamedTuple):
    """A dispatched, unsettled attempt of a task and the stream entry that carries it."""

    attempt: int
    entry_id: str
    stream: Stream


RESULT_TTL = "result_ttl_s"
"""The detail that says how long an ended run is kept; `finish.lua` reads it."""
LABEL = "label:"
"""The beginning of a detail that is a label."""
TRACEPARENT = "traceparent"
"""The detail that is the W3C ``traceparent`` of a run, and the variable that sets it."""
VERSIONS, OFFER, CODE = "versions", "offer", "code"
"""The details that say which code may run a run, and which one its plan was made from."""
UNSERVED_LIMIT, NO_LIMIT = "unserved_limit_s", "none"
"""The detail that says how long a run waits for a worker that serves its tasks."""
PLANNING = "planning_s"
"""The detail that says how long the planning of a run took, before it was submitted."""
NO_HISTORY = "no_history"
"""The detail with the epoch of a leader that is set to keep no chronicle of the run's end."""
PRIORITY = "priority"
"""The detail that shows the priority of a run; leaders go by its header, which is sealed."""
_TRACEPARENT = re.compile("(?!ff)[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_PRIORITY = re.compile("-?[1-9]")
NO_COUNTS = RunCounts()
_LEAST_COUNTS = 5
"""Older versions write the first counts alone."""
_COUNTS = re.compile(rb"[0-9]{1,18}(?: [0-9]{1,18})*")


def is_traceparent(text: str) -> bool:
    """Return whether a string is a ``traceparent`` of the W3C's Trace Context.

    >>> is_traceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    True
    """
    return _TRACEPARENT.fullmatch(text) is not None


def encode_counts(counts: RunCounts) -> bytes:
    """Return counts as the bytes that the record of a run keeps.

    >>> encode_counts(RunCounts(5, 1))
    b'5 1 0 0 0 0 0 0 0'
    """
    return " ".join(map(str, counts)).encode()


def decode_counts(data: bytes) -> RunCounts | None:
    """Return the counts of a run, `None` for anything else; more numbers are ignored.

    >>> decode_counts(b"5 1 0 0 2")[:5], decode_counts(b"5 1 0 0 2 0 0 9 0 7").total
    ((5, 1, 0, 0, 2), 9)
    """
    numbers = [int(part) for part in data.split()] if _COUNTS.fullmatch(data) else []
    size = len(RunCounts._fields)
    return RunCounts(*numbers[:size]) if len(numbers) >= _LEAST_COUNTS else None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunInfo:
    """The record of a run.

    ``state`` is "open" until `RunStore.finish` sets it. ``lease_s`` is the rest of the leader's
    lease (0: the run has no leader). Times are seconds since the epoch on the server's clock.
    ``late_ends`` counts the ends of attempts that workers reported after another end had been
    recorded, and that were dropped.
    ``released_at`` and ``released_by`` say when a leader last gave the run back, and which.
    ``counts`` are a few seconds old while the run is open, `None` before its leader has told any.
    ``start_at`` is the time that a delayed run was given, `None` for one that begins before it.
    ``waits_until`` is that time while the run waits for it, and has no leader. ``unled_since`` says
    since when an open run whose time has come has no leader, `None` if it has one.
    ``plan_digest`` names its plan, and ``header`` is the sealed `RunHeader`.
    ``details`` are the strings given at creation and at the finish.
    """

    run_id: str
    state: str
    epoch: int
    owner: str
    lease_s: float
    created_at: float
    ended_at: float | None
    outstanding: int
    late_ends: int
    details: Mapping[str, str]
    counts: RunCounts | None = None
    released_at: float | None = None
    released_by: str = ""
    start_at: float | None = None
    waits_until: float | None = None
    unled_since: float | None = None
    plan_digest: str = ""
    header: bytes = b""

    @property
    def is_open(self) -> bool:
        """True until the run has ended."""
        return self.state == "open"

    @property
    def begun_at(self) -> float:
        """The time from which its duration counts: its creation, or that of a delayed start."""
        return self.created_at if self.start_at is None else self.start_at

    def times(self, now: float) -> RunTimes:
        """Return when the run was asked for, when it began, and when it ended (or ``now``).

        Its duration, the same wherever it is shown, is from the first of these to the last.
        """
        ended_at = now if self.ended_at is None else self.ended_at
        begun_at = min(self.begun_at, ended_at)  # a run that waits has not begun
        try:
            planned_s = self.duration(PLANNING) if self.start_at is None else None
        except StoreError:  # for display only
            planned_s = None
        return RunTimes(begun_at - (planned_s or 0.0), begun_at, ended_at)

    def took_s(self, now: float) -> float:
        """Return for how long the run went on until its end, or until ``now``."""
        return self.times(now).total_s

    @property
    def labels(self) -> dict[str, str]:
        """The labels that the run was submitted with."""
        names = [name for name in self.details if name.startswith(LABEL)]
        return {name.removeprefix(LABEL): self.details[name] for name in names}

    @property
    def traceparent(self) -> str:
        """The W3C ``traceparent`` that the run belongs to, "" without a valid one."""
        text = self.details.get(TRACEPARENT, "")
        return text if is_traceparent(text) else ""

    @property
    def priority(self) -> int:
        """The priority that the run was submitted with, as far as its record shows it."""
        text = self.details.get(PRIORITY, "")
        return int(text) if _PRIORITY.fullmatch(text) else 0

    @property
    def versions(self) -> str:
        """Which code may run the run's tasks, "" if its first leader is to decide."""
        return self.details.get(VERSIONS, "")

    @property
    def needs(self) -> dict[str, str]:
        """What an open run needs of workers: the offer, the code of its plan, and the policy.

        Empty if the run is over, or if it is not known.
        """
        if not self.is_open or not self.details.get(CODE):
            return {}
        return {name: self.details.get(name, "") for name in (OFFER, CODE, VERSIONS)}

    def unserved_limit_s(self, leaders: float | None) -> float | None:
        """Return how long the run waits for a worker that serves its tasks; `None`: always.

        A run that says nothing, or nothing valid, has the limit of its leader.
        """
        if self.details.get(UNSERVED_LIMIT) == NO_LIMIT:
            return None
        try:
            limit_s = self.duration(UNSERVED_LIMIT) or leaders
        except StoreError:  # its leader looks at all its runs in one pass
            limit_s = leaders
        return None if limit_s == math.inf else limit_s

    def duration(self, name: str) -> float | None:
        """Return a detail as seconds, ``None`` if it is missing.

        Raises `StoreError` if it is not a number of seconds.
        """
        text = self.details.get(name)
        if not text:
            return None
        try:
            seconds = float(text)
        except ValueError:
            seconds = math.nan
        if not 0 <= seconds < math.inf:
            raise damaged(self.run_id, f"{name} is {text!r}")
        return seconds


WORKER_DETAILS = (
    "host",
    "pid",
    "version",
    "python",
    "platform",
    "env",
    "lease_s",
    "queues",
    "serves",
    "slots",
    "lacks",
)
"""The details of its registration that a worker can have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerInfo:
    """A live worker: its registration, the rest of its lease, its last reported status.

    ``drain`` is the request to drain, `None` if there is none.
    """

    worker_id: str
    lease_s: float
    details: Mapping[str, str]
    status: WorkerStatus
    drain: DrainRequest | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CoordinatorInfo:
    """A coordinator that was heard of within the last seconds, and what it said then.

    ``age_s`` is how long ago that was. ``details`` name its host, process and version.
    """

    owner: str
    age_s: float
    details: Mapping[str, str]
    status: CoordinatorStatus
