"""The reopening of an ended run: which tasks run again, and how their states begin again."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from astrum.machine.attempt_log import AttemptLog
from astrum.machine.dispatching import Dispatching
from astrum.machine.events import Reopened
from astrum.machine.task_state import CANCELLED, OUTSTANDING, SUCCEEDED, WAITING
from astrum.planning.plan import Plan


def tasks_to_run(plan: Plan, states: Sequence[int], named: Collection[int] = ()) -> list[int]:
    """Return the tasks that run when a run in these states is reopened, upstream first.

    Without ``named`` that is all that did not succeed. Else it is the named ones, what they need
    that did not succeed, and of what needs them all whose other needs have succeeded or run too.
    A task that needs a named one that had succeeded runs again as well, with its new result. An
    attempt that is still outstanding, of a tail task, goes on.
    """
    chosen = _with_upstream(plan, states, named) if named else None
    again: set[int] = set()
    for task, spec in enumerate(plan.tasks):
        if states[task] == OUTSTANDING:
            continue
        needs = [plan.index[need] for need in spec.needs]
        if chosen is None:
            is_chosen = states[task] != SUCCEEDED
        else:
            is_chosen = task in chosen or any(need in again for need in needs)
        if is_chosen and all(need in again or states[need] == SUCCEEDED for need in needs):
            again.add(task)
    return sorted(again)


def _with_upstream(plan: Plan, states: Sequence[int], named: Collection[int]) -> set[int]:
    """Return the named tasks with all that they need and that has not succeeded."""
    found, left = set(named), list(named)
    while left:
        for need in plan.tasks[left.pop()].needs:
            number = plan.index[need]
            if number not in found and states[number] != SUCCEEDED:
                found.add(number)
                left.append(number)
    return found


class Reopening(Dispatching):
    """The part of a run's state that begins again when the run is reopened."""

    def __init__(self, plan: Plan, capacity: int | None) -> None:
        super().__init__(plan, capacity)
        self.plan = plan
        self.attempt_log = AttemptLog()
        self._needs_left: list[int] = []
        self._awaited_left = 0
        self._stopping: str | None = None
        self._ends_as = "completed"

    def _reopen(self, event: Reopened) -> None:
        """Begin again after an end, in history; what is left out counts as cancelled or failed."""
        again = tasks_to_run(self.plan, self.states, event.tasks)
        is_again = bytearray(len(self.states))
        for task in again:
            is_again[task] = True
            self.states[task] = WAITING
        is_whole = True
        for task, state in enumerate(self.states):
            if state not in (SUCCEEDED, OUTSTANDING) and not is_again[task]:
                is_whole &= not self.tasks.spec(task).awaited
                if task not in self.attempt_log.failures:
                    self.states[task] = CANCELLED
        for task in again:
            self._begin_again(task)
        self._awaited_left = sum(self.tasks.spec(task).awaited for task in again)
        self._ends_as = "completed" if is_whole else "failed"
        self._stopping = None
        self.attempt_log.stop_reason = ""
        self.attempt_log.reopened.append(event)

    def _begin_again(self, task: int) -> None:
        index = self.plan.index
        needs = [index[need] for need in self.tasks.spec(task).needs]
        self._needs_left[task] = sum(self.states[need] != SUCCEEDED for need in needs)
        self._budgets.renew(task)
        self.attempt_log.failures.pop(task, None)
        self.attempt_log.reused.pop(task, None)
        if not self._needs_left[task]:
            self._make_ready(task)
