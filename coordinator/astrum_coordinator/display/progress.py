"""Counts the progress of a run in counters that any thread may read at any time.

It is called with every event on the event loop, so it does few operations for each and formats
nothing. The display reads it from another thread.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from itertools import islice
from typing import NamedTuple

from astrum.machine.events import (
    AttemptSettled,
    AttemptWithdrawn,
    Command,
    Dispatch,
    Event,
    Finish,
    Outcome,
)
from astrum.machine.state import RunState
from astrum.machine.task_state import TaskState

NOTICES_KEPT = 2_000
RETRIED, FAILED, LOST = "retried", "failed", "lost"
_TROUBLE = (Outcome.FAILED, Outcome.TIMED_OUT, Outcome.LOST)


class Notice(NamedTuple):
    """An attempt that did not succeed, to be shown in one line. ``kind`` says what follows."""

    kind: str
    task_id: str
    attempt: int
    reason: str
    retries_left: int


class ShownAttempt(NamedTuple):
    """An attempt that was dispatched; ``since`` is on the monotonic clock.

    ``number`` counts the attempts that began, from 1.
    """

    task: int
    attempt: int
    number: int
    since: float


class RunProgress:
    """An observer of one run. All attributes may be read from any thread, none written.

    ``children`` has [done, total] of each task whose children are known, by its number. What was
    skipped counts as done in it, and in ``stage_done``.
    ``stage_done`` and ``stage_totals`` count tasks by stage; ``state`` is `None` until the run
    has begun. ``inherited`` tasks had succeeded before that. ``final`` is how the run ended, ""
    while it is under way. ``shown`` are the latest notices that were shown.
    """

    def __init__(self) -> None:
        self.state: RunState | None = None
        self.final = ""
        self.total = 0
        self.inherited = 0
        self.succeeded = 0
        self.failed = 0
        self.retried = 0
        self.lost = 0
        self.skipped = 0
        self.children: dict[int, list[int]] = {}
        self.stage_totals: list[int] = []
        self.stage_done: list[int] = []
        self.began_at = time.time()
        self._began = time.monotonic()
        self._levels: list[int] = []
        self._known = 0
        self._running: dict[int, tuple[int, int, float]] = {}
        self._notices: deque[Notice] = deque()
        self._notices_left_out = 0
        self.shown: deque[Notice] = deque(maxlen=NOTICES_KEPT)

    # --- called on the event loop ---------------------------------------------------------

    def observe(self, state: RunState, event: Event | None, commands: Sequence[Command]) -> None:
        """Count one event and the commands that it produced."""
        if event is None:
            self._begin(state)
        elif type(event) is AttemptSettled and self.state is not None:
            self._on_settled(state, event)
        elif type(event) is AttemptWithdrawn:
            self._running.pop(event.task, None)
        if self.state is not None and len(state.tasks) != self._known:
            self._count_new_children(state)
        for command in commands:
            if type(command) is Dispatch:
                entry = (command.attempt, command.try_number, time.monotonic())
                self._running[command.task] = entry
            elif type(command) is Finish:
                self.final = command.state

    def _begin(self, state: RunState) -> None:
        """Initialise the counters from the state of a resumed run."""
        self._levels = state.plan.levels
        stages = max(self._levels, default=-1) + 1
        totals, done, skipped = [0] * stages, [0] * stages, 0
        for task, level in enumerate(self._levels):
            # A mapped task counts as one until its children are known.
            children = state.tasks.counts.get(task)
            members = [task] if children is None else state.tasks.children(task)
            ended = [state.states[member] for member in members]
            passed = ended.count(TaskState.SKIPPED)
            ready = ended.count(TaskState.SUCCEEDED) + passed
            totals[level] += len(ended)
            done[level] += ready
            skipped += passed
            if children is not None:
                self.children[task] = [ready, children]
        self._known = len(state.tasks)
        self.stage_totals, self.stage_done, self.skipped = totals, done, skipped
        self.total, self.succeeded = sum(totals), sum(done) - skipped
        self.inherited = self.succeeded
        self.failed = len(state.attempt_log.failures)
        self.retried = len(state.attempt_log.retried)
        now = time.monotonic()
        self._running = {
            task: (attempt, attempt - state.skipped(task), now)
            for task, attempt in state.outstanding()
        }
        self.state = state

    def _count_new_children(self, state: RunState) -> None:
        self._known = len(state.tasks)
        for task, count in state.tasks.counts.items():
            known = self.children.get(task)
            more = count - (known[1] if known else 1)
            self.children[task] = [known[0] if known else 0, count]
            self.stage_totals[self._levels[task]] += more
            self.total += more

    def _on_settled(self, state: RunState, event: AttemptSettled) -> None:
        task = event.task
        current = self._running.get(task)
        if current is None or current[0] != event.attempt:
            return  # a late or repeated event, which changed nothing
        del self._running[task]
        if event.outcome is Outcome.SUCCEEDED:
            self.succeeded += 1
            self._count_done(state.tasks.template(task))
        elif event.outcome is Outcome.SKIPPED:
            self.skipped += 1
            self._count_done(state.tasks.template(task))
        elif event.outcome in _TROUBLE:
            self._on_trouble(state, event)

    def _count_done(self, template: int) -> None:
        self.stage_done[self._levels[template]] += 1
        if template in self.children:
            self.children[template][0] += 1

    def _on_trouble(self, state: RunState, event: AttemptSettled) -> None:
        left = state.attempt_log.retried.get((event.task, event.attempt))
        if left is None:
            kind = FAILED
            self.failed += 1
        else:
            kind = LOST if event.outcome is Outcome.LOST else RETRIED
            self.retried += 1
        self.lost += event.outcome is Outcome.LOST
        reason = event.failure.summary if event.failure else event.outcome.name.lower()
        task_id = state.tasks.name(event.task)
        number = event.attempt - state.skipped(event.task)
        self._note(Notice(kind, task_id, number, reason, left or 0))

    def _note(self, notice: Notice) -> None:
        if len(self._notices) < NOTICES_KEPT:
            self._notices.append(notice)
        else:
            self._notices_left_out += 1

    # --- called from any thread -------------------------------------------------------------

    @property
    def elapsed_s(self) -> float:
        """Seconds since this observer was made."""
        return time.monotonic() - self._began

    @property
    def running_count(self) -> int:
        """The number of attempts that are dispatched and not settled."""
        return len(self._running)

    def open_children(self, count: int) -> list[tuple[int, int, int]]:
        """Return (task, done, total) of the first ``count`` tasks whose children are under way."""
        try:
            known = [(task, done, total) for task, (done, total) in self.children.items()]
        except RuntimeError:  # it changed during the copy; the next look is soon
            return []
        return [row for row in known if row[1] < row[2]][:count]

    def oldest_running(self, count: int) -> list[ShownAttempt]:
        """Return the first ``count`` running attempts in the order they were dispatched."""
        try:
            items = list(islice(self._running.items(), count))
        except RuntimeError:  # it changed during the copy; the next look is soon
            return []
        return [ShownAttempt(task, *entry) for task, entry in items]

    def take_notices(self, count: int) -> list[Notice]:
        """Return the oldest ``count`` notices, which are ``shown`` from now on."""
        notices = [self._notices.popleft() for _ in range(min(count, len(self._notices)))]
        self.shown.extend(notices)
        return notices

    def take_left_out(self) -> int:
        """Return and reset the number of notices that were dropped without being shown."""
        left_out, self._notices_left_out = self._notices_left_out + len(self._notices), 0
        self._notices.clear()
        return left_out
