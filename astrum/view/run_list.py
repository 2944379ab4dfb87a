"""Runs as a list shows them: whether each goes on, and which of them are asked for; pure.

All of it follows from the records of the runs, and from what workers and coordinators say: no
journal is read. All times are seconds since the epoch on the server's clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from astrum.protocol.records import RunInfo
from astrum.protocol.status import LedRun
from astrum.runtime.durations import age_text

UNLED_S = 10.0
"""How long a run is without a leader in the normal course: as long as the lease of one lasts."""
IDLE_S = 300.0
"""After so long without an end, a run of which no worker runs anything is stalled."""


class RunStatus(StrEnum):
    """What a run does: one of the first six. An open one may be `RETRYING` or `STALLED` as well.

    A later version may have other ends.
    """

    PENDING = "pending"
    """It waits for a leader."""
    RUNNING = "running"
    """It has a leader."""
    DELAYED = "delayed"
    """It waits for its time."""
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    RETRYING = "retrying"
    """Of some of its tasks an attempt failed or was lost, and they have not ended."""
    STALLED = "stalled"
    """It does not go on by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolMoment:
    """What is known of the pool at one moment.

    ``led`` are the led runs as their leaders see them, by owner and run id. ``claimed`` counts by
    run id the attempts that live workers hold.
    """

    now: float
    led: Mapping[tuple[str, str], LedRun] = field(default_factory=dict)
    claimed: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedRun:
    """A run, and whether it goes on.

    ``status`` is one of the first six of `RunStatus`, or another end. ``is_retrying``: it would
    also be found as "retrying". ``stalled`` says why it does not go on by itself, "" if it does.
    """

    info: RunInfo
    status: str
    is_retrying: bool = False
    stalled: str = ""

    @property
    def shown_status(self) -> str:
        """The status that matters most to a person."""
        if self.stalled:
            return RunStatus.STALLED
        return RunStatus.RETRYING if self.is_retrying else self.status

    def has(self, status: str) -> bool:
        """Return whether this is a status of the run."""
        if status == RunStatus.STALLED:
            return bool(self.stalled)
        return self.is_retrying if status == RunStatus.RETRYING else status == self.status


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFilter:
    """Which runs are asked for: those that fit all of it.

    A run has one of ``states`` (`RunStatus`; without any, all fit), was created within the last
    ``since_s`` and longer than ``older_s`` ago, is of the flow ``namespace`` ("": of any), and has
    all ``labels``.
    """

    states: tuple[str, ...] = ()
    since_s: float | None = None
    older_s: float | None = None
    namespace: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """True if it fits all runs."""
        return self == ALL_RUNS

    def is_before(self, info: RunInfo, now: float) -> bool:
        """Return whether a run was created too early, and with it all that were before it."""
        return self.since_s is not None and info.created_at < now - self.since_s

    def fits(self, run: ListedRun, now: float) -> bool:
        """Return whether the run is asked for."""
        info = run.info
        if self.is_before(info, now):
            return False
        if self.older_s is not None and info.created_at > now - self.older_s:
            return False
        if self.namespace and info.details.get("namespace", "") != self.namespace:
            return False
        if not self.labels.items() <= info.labels.items():
            return False
        return not self.states or any(run.has(state) for state in self.states)


ALL_RUNS = RunFilter()


def listed_run(info: RunInfo, pool: PoolMoment) -> ListedRun:
    """Return a run with what it does at a moment."""
    status = status_of(info)
    if status not in (RunStatus.RUNNING, RunStatus.PENDING):
        return ListedRun(info=info, status=status)
    is_retrying = info.counts is not None and info.counts.retrying > 0
    stalled = _why_stalled(info, pool)
    return ListedRun(info=info, status=status, is_retrying=is_retrying, stalled=stalled)


def status_of(info: RunInfo) -> str:
    """Return what a run does as far as its record alone tells."""
    if not info.is_open:
        return info.state
    if info.waits_until is not None:
        return RunStatus.DELAYED
    return RunStatus.RUNNING if info.lease_s > 0 else RunStatus.PENDING


def _why_stalled(info: RunInfo, pool: PoolMoment) -> str:
    if info.unled_since is not None:
        age_s = pool.now - info.unled_since
        led = "`serve` or `resume` would"
        return f"no coordinator leads it for {age_text(age_s)}: {led}" if age_s > UNLED_S else ""
    led_run = pool.led.get((info.owner, info.run_id))
    if led_run is not None and (led_run.unserved or led_run.refused):
        return led_run.unserved or led_run.refused
    idle_s = pool.now - _last_change(info)
    if not info.outstanding or pool.claimed.get(info.run_id) or idle_s <= IDLE_S:
        return ""
    many = "1 attempt waits" if info.outstanding == 1 else f"{info.outstanding:,} attempts wait"
    return f"nothing has ended for {age_text(idle_s)}: {many} for a worker, and none runs"


def _last_change(info: RunInfo) -> float:
    """Return when something last happened to a led run; an epoch is the time at which it began."""
    last_end_at = info.counts.last_end_at if info.counts is not None else 0
    return max(info.begun_at, float(last_end_at), info.epoch / 1000)
