"""The progress of a run as displays show it: counts, running attempts, and what went wrong.

An observer of the run: it is called with every event on the event loop. The display reads it from
another thread.
"""

from __future__ import annotations

import time
from collections import deque
from itertools import islice
from typing import NamedTuple

from astrum.machine.events import AttemptSettled, Outcome
from astrum.machine.state import RunState
from astrum.machine.task_state import HELD as IS_HELD
from astrum.view.progress.estimate import RunEstimate, Running
from astrum.view.progress.pool_facts import PoolFacts
from astrum.view.progress.run_counters import RunCounters

NOTICES_KEPT = 2_000
RETRIED, FAILED, LOST, HELD = "retried", "failed", "lost", "held"
LOOK_EVERY_S = 1.0
LOOK_SHARE = 0.05
"""The share of the time for estimates: those of a large plan are rarer."""


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


class ShownChildren(NamedTuple):
    """A task with children, by its number: how many there are, have ended, and have failed."""

    task: int
    ended: int
    total: int
    failed: int

    def counts(self) -> dict[str, int]:
        """Return the counts by name."""
        return {"ended": self.ended, "total": self.total, "failed": self.failed}


class RunProgress(RunCounters):
    """An observer of one run. All attributes may be read from any thread, none written.

    ``age_s`` is for how long the run goes on already. ``facts`` is what its pool said at the last
    `look`, `None` for a run in process; ``estimate`` has its rate then and the time that is left.
    ``shown`` are the latest notices that were shown.
    """

    def __init__(self, age_s: float = 0.0) -> None:
        super().__init__(time.monotonic)
        self.estimate = RunEstimate()
        self.facts: PoolFacts | None = None
        self._age_s = age_s
        self._queues: list[str] = []
        self._began = time.monotonic()
        self._look_due = 0.0
        self._notices: deque[Notice] = deque()
        self._notices_left_out = 0
        self.shown: deque[Notice] = deque(maxlen=NOTICES_KEPT)

    # --- called on the event loop ---------------------------------------------------------

    def _on_trouble(self, state: RunState, event: AttemptSettled) -> None:
        super()._on_trouble(state, event)
        left = state.attempt_log.retried.get((event.task, event.attempt))
        if left is not None:
            kind = LOST if event.outcome is Outcome.LOST else RETRIED
        else:
            kind = HELD if state.states[event.task] == IS_HELD else FAILED
        reason = event.failure.summary if event.failure else event.outcome.name.lower()
        task_id = state.tasks.name(event.task)
        number = event.attempt - state.skipped(event.task)
        self._note(Notice(kind, task_id, number, reason, left or 0))

    def _note(self, notice: Notice) -> None:
        if len(self._notices) < NOTICES_KEPT:
            self._notices.append(notice)
        else:
            self._notices_left_out += 1

    # --- called from one other thread -------------------------------------------------------

    def look(self, facts: PoolFacts | None) -> None:
        """Keep the facts, and estimate again if it is time to.

        Without ``facts`` what is dispatched runs here.
        """
        self.facts = facts
        now = time.monotonic()
        if now < self._look_due:
            return
        self.estimate.look(self, now, self._running_now(facts, now))
        took_s = time.monotonic() - now
        self._look_due = now + max(LOOK_EVERY_S, took_s / LOOK_SHARE)

    def _running_now(self, facts: PoolFacts | None, now: float) -> Running:
        if facts is None:
            here = self.oldest_running(self.running_count)
            return Running(len(here), {one.task: now - one.since for one in here})
        older_s = now - facts.at
        ages = {task: found.age_s + older_s for (task, _), found in facts.running.items()}
        return Running(len(ages), ages)

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

    # --- called from any thread -------------------------------------------------------------

    @property
    def elapsed_s(self) -> float:
        """Seconds since the run began, as far as this observer knows."""
        return self._age_s + self.watched_s

    @property
    def watched_s(self) -> float:
        """Seconds since this observer was made."""
        return time.monotonic() - self._began

    def queues(self) -> list[str]:
        """Return the queues of the run's tasks, none before it has begun."""
        if self.state is not None and not self._queues:
            self._queues = sorted({spec.queue for spec in self.state.plan.tasks})
        return self._queues

    def name(self, task: int) -> str:
        """Return the name of a task or child of the run, "" before it has begun."""
        return "" if self.state is None else self.state.tasks.name(task)

    def open_children(self) -> list[ShownChildren]:
        """Return the tasks whose children are under way."""
        try:
            known = list(self.children.items())
        except RuntimeError:  # it changed during the copy; the next look is soon
            return []
        rows = [ShownChildren(task, *ends.counts) for task, ends in known]
        return [row for row in rows if row.ended < row.total]

    def dispatched(self, task: int, attempt: int) -> ShownAttempt | None:
        """Return an attempt that is dispatched and not settled, `None` for any other."""
        entry = self._running.get(task)
        is_it = entry is not None and entry[0] == attempt
        return ShownAttempt(task, *entry) if is_it and entry is not None else None

    def oldest_running(self, count: int) -> list[ShownAttempt]:
        """Return the first ``count`` running attempts in the order they were dispatched."""
        try:
            items = list(islice(self._running.items(), count))
        except RuntimeError:  # it changed during the copy; the next look is soon
            return []
        return [ShownAttempt(task, *entry) for task, entry in items]
