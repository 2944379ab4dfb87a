"""The events of a run for users: what its journal says, one event at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from astrum.errors import RunError
from astrum.execution.readings import has_keys
from astrum.machine.events import (
    AttemptSettled,
    CancelRequested,
    CleanupStopped,
    Command,
    Event,
    Outcome,
    Released,
    Reopened,
    RunTimedOut,
    TaskFoundUnserved,
    TaskReused,
)
from astrum.machine.state import RunState
from astrum.machine.task_state import ENDED, FAILED
from astrum.protocol.sealing import Seal
from astrum_coordinator.asking.run_follower import RunFollower
from astrum_coordinator.leading.subscriptions import EndOfRun
from astrum_coordinator.stored_runs import StoredRun

END = "end"
"""The last part of the cursor of a run's end."""


class RunEvent(NamedTuple):
    """Something that happened in a run, at a time in seconds since the epoch.

    ``kind`` is "task_succeeded", "task_skipped", "task_failed", "task_retrying" (an attempt ended
    without success and another follows), "task_reused" (it has the result of an earlier run),
    "task_unserved", "task_released" (a person decided what becomes of a held one),
    "task_progress" (what a running task told last; only if asked for),
    "cancel_requested", "cleanup_stopped", "run_timed_out", "run_reopened", "run_completed",
    "run_failed" or "run_cancelled". ``task`` and ``attempt`` are "" and 0 for what is about the
    run, ``detail`` is one line for people. Pass ``cursor`` as ``after`` to go on behind this event.
    """

    at: float
    kind: str
    task: str = ""
    attempt: int = 0
    detail: str = ""
    cursor: str = ""


class Place(NamedTuple):
    """The place of an event: the journal entry, and the number of the event in it."""

    entry: tuple[int, int] = (0, 0)
    number: float = 0


def place_of(cursor: str) -> Place:
    """Return the place that a cursor names; raises `RunError` for a string that is not one."""
    entry, _, number = cursor.partition("/")
    try:
        ms, _, sequence = entry.partition("-")
        return Place((int(ms), int(sequence)), float("inf") if number == END else int(number))
    except ValueError:
        raise RunError(
            f"{cursor!r} is not the cursor of an event: pass `RunEvent.cursor` as it is"
        ) from None


class EventFollower(RunFollower):
    """Follows a run and collects its events in ``found``; those up to ``after`` are left out."""

    def __init__(
        self, run_id: str, stored: StoredRun, seal: Seal, end: EndOfRun, after: Place
    ) -> None:
        super().__init__(run_id, stored, seal, values=None)
        self.found: deque[RunEvent] = deque()
        self._end = end
        self.on_unread_names = end.notify
        self._after = after
        self._told_of = self.cursor
        self._number = 0

    def ended(self, at: float, state: str) -> None:
        """Keep the end of the run, as the last event so far."""
        self._collect(RunEvent(at, f"run_{state}", cursor=f"{self.cursor}/{END}"))

    def _notify(self, event: Event, commands: Sequence[Command] = ()) -> None:
        told = _told(self.state, event)
        if told is None:
            return
        self._number = self._number + 1 if self._told_of == self.cursor else 1
        self._told_of = self.cursor
        self._collect(told._replace(cursor=f"{self.cursor}/{self._number}"))

    def _collect(self, event: RunEvent) -> None:
        if place_of(event.cursor) > self._after:
            self.found.append(event)
            self._end.notify()


class TaskFollower(RunFollower):
    """Follows a run until one of its tasks, or a child, is over; it keeps the result of a task.

    A child is found by its index or key; keys in big values are known after `catch_up`.
    """

    def __init__(
        self, run_id: str, stored: StoredRun, seal: Seal, end: EndOfRun, name: str
    ) -> None:
        number = stored.plan.index.get(name)
        self.is_keyed = number is None and has_keys(stored.plan)
        super().__init__(run_id, stored, seal, values=number)
        self._end = end
        self._name = name
        self._number = number
        self._known = 0

    @property
    def number(self) -> int | None:
        """The number of the task, `None` for a child that is not there yet."""
        if self.has_unread_names:  # an index may be the key of another child
            return self._number
        if self._number is None and len(self.state.tasks) != self._known:
            self._number = self.state.tasks.find_name(self._name)
            # It is searched again when more are there, or, with keys, at the next look.
            self._known = 0 if self.is_keyed else len(self.state.tasks)
        return self._number

    @property
    def is_over(self) -> bool:
        """Whether the task has succeeded, failed, or will not run."""
        number = self.number
        return number is not None and self.state.states[number] in ENDED

    def _notify(self, event: Event, commands: Sequence[Command] = ()) -> None:
        if not self.is_keyed and self.is_over:
            self._end.notify()


def _told(state: RunState, event: Event | None) -> RunEvent | None:
    if isinstance(event, AttemptSettled):
        return _attempt(state, event)
    if isinstance(event, TaskReused):
        name = state.tasks.name(event.task)
        return RunEvent(event.at, "task_reused", name, detail=f"from run {event.run_id}")
    if isinstance(event, CancelRequested):
        return RunEvent(event.at, "cancel_requested", detail=event.text)
    if isinstance(event, CleanupStopped):
        return RunEvent(event.at, "cleanup_stopped", detail=event.reason)
    if isinstance(event, Released):
        by = f" by {event.by}" if event.by else ""
        name = state.tasks.name(event.task)
        return RunEvent(event.at, "task_released", name, detail=f"{event.how}{by}")
    if isinstance(event, RunTimedOut):
        return RunEvent(event.at, "run_timed_out", detail=event.reason)
    if isinstance(event, TaskFoundUnserved):
        task = state.tasks.name(event.task)
        return RunEvent(event.at, "task_unserved", task, detail=event.message)
    if isinstance(event, Reopened):
        by = f"by {event.by}" if event.by else ""
        return RunEvent(event.at, "run_reopened", detail=by)
    return None


def _attempt(state: RunState, event: AttemptSettled) -> RunEvent | None:
    if event.outcome is Outcome.NEVER_BEGAN:
        return None
    kind = "task_retrying"
    if event.outcome is Outcome.SUCCEEDED:
        kind = "task_succeeded"
    elif event.outcome is Outcome.SKIPPED:
        kind = "task_skipped"
    elif state.finished is not None or state.states[event.task] == FAILED:
        kind = "task_failed"
    detail = "" if event.failure is None else event.failure.message
    name = state.tasks.name(event.task)
    return RunEvent(event.ended_at, kind, name, event.attempt, detail)
