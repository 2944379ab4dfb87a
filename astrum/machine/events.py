"""Events that go into a run, and commands that come out of it.

Events are named in the past tense, commands in the imperative; both are plain tuples. Tasks are
named by their number in the plan, attempts by their number from 1. All times are seconds since the
epoch.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from astrum.machine.failure import Failure
from astrum.machine.routes import FIRST_STREAM, Routes


class Outcome(IntEnum):
    """The way an attempt ended. The numbers are the wire format.

    An attempt is handed back by a worker that cannot run it, or no longer. It never began if its
    worker had no free place: then it does not count as an attempt, and no report shows it. A task
    is reused without any attempt: an earlier run has its result. It is skipped if it said that
    there is nothing to do.
    """

    SUCCEEDED = 0
    FAILED = 1
    LOST = 2
    TIMED_OUT = 3
    CANCELLED = 4
    HANDED_BACK = 5
    NEVER_BEGAN = 6
    REUSED = 7
    SKIPPED = 8


SUCCESS, NEVER_BEGAN = Outcome.SUCCEEDED, Outcome.NEVER_BEGAN
"""Plain names, for code that runs for each attempt: to look up a member of an enum takes as long as
the comparison with it."""
WITHOUT_FAILURE = (Outcome.SUCCEEDED, Outcome.SKIPPED)
"""The ends of attempts that did what they had to do, or had nothing to do."""

# --- events ----------------------------------------------------------------------------------


class AttemptSettled(NamedTuple):
    """The one end of an attempt.

    ``worker_id`` says where it ran ("" in process). ``recorded_at`` is on the clock of the process
    that recorded it (the store's when distributed), ``started_at`` and ``ended_at`` are on the
    worker's. ``shared_loss`` counts the attempts lost together with this one, itself included.
    ``blocked`` says for how long it blocked the event loop and where, "" if it did not.
    ``queued_s`` is how long it waited from its dispatch on until a worker with a free slot took it,
    ``prepared_s`` how long its arguments were fetched and decoded from then until ``started_at``; 0
    in process. ``seen`` has what was to be observed of its result, ``code`` names the code that ran
    (`astrum.planning.offer`), "" if it was the plan's. ``log`` stands for the log that its worker
    stored with the run, ``b""`` without one.
    """

    task: int
    attempt: int
    outcome: Outcome
    started_at: float
    ended_at: float
    recorded_at: float
    worker_id: str = ""
    failure: Failure | None = None
    shared_loss: int = 1
    blocked: str = ""
    queued_s: float = 0.0
    prepared_s: float = 0.0
    seen: tuple[int, ...] = ()
    code: str = ""
    log: bytes = b""


class TaskReused(NamedTuple):
    """A task has succeeded without an attempt: it has the result that it had in ``run_id``.

    It counts only in history, before any attempt of the task: it is a seed of the run. ``seen`` is
    as in `AttemptSettled`; if it does not fit the plan, the task runs.
    """

    task: int
    run_id: str
    at: float = 0.0
    seen: tuple[int, ...] = ()


class AttemptWithdrawn(NamedTuple):
    """A dispatch that was revoked before it was carried out: it never happened."""

    task: int
    attempt: int


class AttemptFoundOutstanding(NamedTuple):
    """On resume: an attempt that an earlier leader dispatched and that is not settled yet.

    ``stream`` is where it stands.
    """

    task: int
    attempt: int
    stream: int = FIRST_STREAM


class RetryFellDue(NamedTuple):
    """The delay before the next attempt is over; ``attempt`` is the one that ended."""

    task: int
    attempt: int


class CancelRequested(NamedTuple):
    """Someone asked for the run to stop; ``by`` is the user, host and process, "" if not known."""

    at: float
    reason: str = ""
    by: str = ""

    @property
    def text(self) -> str:
        """One line for reports: ``the run was cancelled by ann@host:7: not needed``."""
        by = f" by {self.by}" if self.by else ""
        return f"the run was cancelled{by}{self.reason and ': '}{self.reason}"


class RunTimedOut(NamedTuple):
    """The run as a whole took longer than allowed.

    ``unserved`` says which task no live worker served at that moment and why, "" if all were.
    """

    at: float
    limit_s: float
    unserved: str = ""

    @property
    def reason(self) -> str:
        """The reason for the end of the run, for people."""
        text = f"the run took longer than its limit of {self.limit_s:g} s"
        return f"{text}: {self.unserved}" if self.unserved else text


class TaskFoundUnserved(NamedTuple):
    """No live worker served this ready or outstanding task for too long."""

    task: int
    at: float
    message: str


class WorkerReturned(NamedTuple):
    """A worker that was declared dead is alive: the attempts lost with it did not kill it."""

    worker_id: str
    at: float


class Reopened(NamedTuple):
    """An ended run is open again: these tasks run again, by default all that did not succeed.

    `astrum.machine.reopening.tasks_to_run` says what else runs with them. Attempts go on counting,
    and all budgets are new.
    """

    tasks: tuple[int, ...]
    at: float
    by: str = ""


class RetryHurried(NamedTuple):
    """The next attempt of these tasks is not to wait for its delay."""

    tasks: tuple[int, ...]
    at: float
    by: str = ""


class CleanupStopped(NamedTuple):
    """The tasks that clean up after the end of a run were to end at once, or took too long."""

    at: float
    reason: str = ""
    by: str = ""

    @classmethod
    def too_late(cls, at: float, limit_s: float) -> CleanupStopped:
        """Return the event that they took longer than their limit."""
        return cls(
            at,
            f"the tasks that clean up (always=True) took longer than {limit_s:g} s and were ended; "
            "cleanup_s= allows more",
        )


RELEASES = ("retry", "fail", "succeed")
"""What may become of a task that is held."""


class Released(NamedTuple):
    """A person decided what becomes of a task that was held after the loss of its worker.

    ``how`` is "retry", "fail" or "succeed". For "succeed" ``value`` is the encoded result that the
    person gave, which hosts keep for its readers, and ``seen`` has what was to be observed of it.
    """

    task: int
    how: str
    at: float
    by: str = ""
    seen: tuple[int, ...] = ()
    value: bytes = b""


class CapacityChanged(NamedTuple):
    """A new limit: so many attempts may be outstanding in a stream from now on.

    Tell it before the first routes that lead to the stream.
    """

    stream: int
    capacity: int


class RoutesChanged(NamedTuple):
    """New routes for what is dispatched from now on; what is outstanding stays where it is."""

    routes: Routes


Event = (
    AttemptSettled
    | TaskReused
    | AttemptWithdrawn
    | AttemptFoundOutstanding
    | RetryFellDue
    | CancelRequested
    | RunTimedOut
    | TaskFoundUnserved
    | WorkerReturned
    | Reopened
    | RetryHurried
    | CleanupStopped
    | Released
    | CapacityChanged
    | RoutesChanged
)

# --- commands --------------------------------------------------------------------------------


class Dispatch(NamedTuple):
    """Start this attempt. ``exclusive``: as the only one on its worker, which it may kill.

    ``never_began`` counts the attempts before it that did not begin. ``stream`` is where it goes.
    """

    task: int
    attempt: int
    exclusive: bool = False
    never_began: int = 0
    stream: int = FIRST_STREAM

    @property
    def try_number(self) -> int:
        """The number of this attempt, from 1, if only those that began are counted."""
        return self.attempt - self.never_began


class ScheduleRetry(NamedTuple):
    """Report `RetryFellDue` after ``delay_s``, by a monotonic clock.

    ``due_at`` is that time on the clock that stamps the events: a process that reads of the delay
    later, in history, may subtract the time that has passed. That clock may have been set
    meanwhile, so the wait is never longer than ``delay_s``.
    """

    task: int
    attempt: int
    due_at: float
    delay_s: float

    def left_s(self, now: float) -> float:
        """Return the rest of the delay at ``now``, by the clock that stamps the events.

        >>> ScheduleRetry(0, 1, due_at=105.0, delay_s=5.0).left_s(101.0)
        4.0
        >>> ScheduleRetry(0, 1, due_at=3705.0, delay_s=5.0).left_s(101.0)
        5.0
        """
        return min(max(self.due_at - now, 0.0), self.delay_s)


class Revoke(NamedTuple):
    """Stop this outstanding attempt; it must still be settled, as cancelled."""

    task: int
    attempt: int


class Finish(NamedTuple):
    """The run is over; ``state`` is "completed", "failed" or "cancelled"."""

    state: str


Command = Dispatch | ScheduleRetry | Revoke | Finish
