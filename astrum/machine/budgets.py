"""The budgets of a run's tasks: for errors, lost workers and attempts that were handed back.

Most tasks never need one, so budgets are kept apart from the tasks' states.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple
from zlib import crc32

from astrum.machine.attempt_log import UNCHARGED
from astrum.machine.events import AttemptSettled, Outcome
from astrum.machine.failure import (
    HANDED_BACK_TOO_OFTEN,
    LOST,
    QUARANTINED,
    RESOURCE_FAILED,
    UNSERVED,
    VANISHED,
    Failure,
)
from astrum.planning.retry_policy import RetryPolicy

LOSS_BUDGET = 3
"""A task is quarantined after so many lost workers, if it was alone on all but one of them."""
FEW_SUSPECTS = 8
"""If at most this many attempts are lost with a worker, each of them runs alone next, since one
of them may have killed the worker. If more are lost, the host is the more likely cause."""
LOSS_DELAY_S = 1.0
MAX_HAND_BACK_DELAY_S = 5.0
HAND_BACK_BUDGET = 100
"""Attempts of one task that workers may claim and hand back, for about eight minutes. Each
deploy that interrupts a task costs one of them, so that a long task survives many."""
_MOST_DOUBLINGS = 16
_NOT_TAKEN_UP = (RESOURCE_FAILED, UNSERVED, VANISHED)


@dataclass(slots=True)
class TaskBudget:
    """The budget of one task."""

    raised: int = 0
    losses: int = 0
    sole_losses: int = 0
    handed_back: int = 0
    given_back: int = 0
    never_began: int = 0
    due_at: float = 0.0
    delay_s: float = 0.0

    @property
    def is_quarantined(self) -> bool:
        """True if the task must not run any more."""
        return self.losses >= LOSS_BUDGET and self.sole_losses >= LOSS_BUDGET - 1

    def loss_delay_s(self) -> float:
        """The seconds to wait after a loss."""
        return LOSS_DELAY_S * float(2 ** min(max(self.losses - 1, 0), LOSS_BUDGET))

    @property
    def is_exhausted(self) -> bool:
        """True if workers have claimed the task and handed it back too often."""
        return self.given_back > HAND_BACK_BUDGET

    def hand_back(self, event: AttemptSettled) -> float:
        """Count an attempt that was handed back; return how long to wait, at first not at all.

        Another rule is for attempts that no worker serves, whose message was lost, or that never
        got a resource.
        """
        self.handed_back += 1
        first_type = event.failure.types[:1] if event.failure else ()
        self.given_back += not first_type or first_type[0] not in _NOT_TAKEN_UP
        exponent = min(self.handed_back - 1, _MOST_DOUBLINGS)
        return min(0.1 * 2**exponent, MAX_HAND_BACK_DELAY_S) if exponent else 0.0


_NONE = TaskBudget()


class NextAttempt(NamedTuple):
    """A task may run again after a delay; ``retries_left`` is `UNCHARGED` if that costs none."""

    delay_s: float
    retries_left: int


class TaskBudgets:
    """The budgets of a run's tasks, by task number.

    ``exclusive`` holds the tasks whose attempts must be the only ones on their worker. ``by_task``
    is empty as long as every attempt has succeeded.
    """

    def __init__(self) -> None:
        self.exclusive: set[int] = set()
        self.by_task: dict[int, TaskBudget] = {}
        self._lost_to: dict[str, list[tuple[int, bool]]] = {}

    def peek(self, task: int) -> TaskBudget:
        """Return a task's budget, to read it."""
        return self.by_task.get(task, _NONE)

    def entry(self, task: int) -> TaskBudget:
        """Return a task's budget, to change it."""
        return self.by_task.setdefault(task, TaskBudget())

    @property
    def lost_workers(self) -> Collection[str]:
        """The workers that were declared dead while they ran attempts, and have not returned."""
        return self._lost_to.keys()

    def charge(
        self, event: AttemptSettled, policy: RetryPolicy, run_key: str
    ) -> NextAttempt | Failure:
        """Count an attempt that did not succeed; return when its task runs again, or why not.

        ``run_key`` seeds the jitter of a delay.
        """
        match event.outcome:
            case Outcome.FAILED | Outcome.TIMED_OUT:
                verdict = self._charge_error(event, policy, run_key)
            case Outcome.LOST:
                verdict = self._charge_loss(event)
            case _:  # handed back, or revoked by a leader that died before it recorded the reason
                verdict = self._charge_hand_back(event)
        if isinstance(verdict, NextAttempt) and verdict.delay_s > 0:
            budget = self.entry(event.task)
            budget.due_at, budget.delay_s = event.recorded_at + verdict.delay_s, verdict.delay_s
        return verdict

    def _charge_error(
        self, event: AttemptSettled, policy: RetryPolicy, run_key: str
    ) -> NextAttempt | Failure:
        budget = self.entry(event.task)
        failure = event.failure or Failure(("builtins.Exception",), "no reason was given")
        budget.raised += 1
        if not policy.allows(budget.raised, failure.types):
            return failure
        fraction = crc32(f"{run_key}/{event.task}/{event.attempt}".encode()) / 2**32
        delay_s = policy.delay_s(budget.raised, fraction)
        return NextAttempt(delay_s, policy.max_retries - budget.raised)

    def _charge_loss(self, event: AttemptSettled) -> NextAttempt | Failure:
        budget = self._lose(event)
        if budget.is_quarantined:
            return _quarantine(event, budget)
        return NextAttempt(budget.loss_delay_s(), UNCHARGED)

    def _charge_hand_back(self, event: AttemptSettled) -> NextAttempt | Failure:
        budget = self.entry(event.task)
        delay_s = budget.hand_back(event)
        if budget.is_exhausted:
            return _handed_back_too_often(event, budget)
        return NextAttempt(delay_s, UNCHARGED)

    def _lose(self, event: AttemptSettled) -> TaskBudget:
        """Count an attempt that was lost with its worker."""
        budget, was_sole = self.entry(event.task), event.shared_loss <= 1
        budget.losses += 1
        budget.sole_losses += was_sole
        # A task that kills its worker takes other attempts with it, and it is not known yet which
        # task did it: each of them runs alone until it has succeeded.
        if event.shared_loss <= FEW_SUSPECTS or budget.losses > 1:
            self.exclusive.add(event.task)
        else:
            self.exclusive.discard(event.task)
        self._lost_to.setdefault(event.worker_id, []).append((event.task, was_sole))
        return budget

    def count_never_began(self, task: int) -> None:
        """Count an attempt that a worker had no free slot for."""
        self.entry(task).never_began += 1

    def renew(self, task: int) -> None:
        """Give a task new budgets; how many of its attempts never began stays known."""
        old = self.by_task.pop(task, None)
        if old is None:
            return
        if old.never_began:
            self.entry(task).never_began = old.never_began
        self.exclusive.discard(task)
        for losses in self._lost_to.values():
            losses[:] = [loss for loss in losses if loss[0] != task]

    def forgive(self, worker_id: str) -> None:
        """Remove the losses that were counted for a worker that is alive after all."""
        for task, was_sole in self._lost_to.pop(worker_id, ()):
            self.by_task[task].losses -= 1
            self.by_task[task].sole_losses -= was_sole


def _quarantine(event: AttemptSettled, budget: TaskBudget) -> Failure:
    """Return why a task is not tried again."""
    last = event.failure.message if event.failure else f"worker {event.worker_id} was lost"
    return Failure(
        (QUARANTINED, LOST),
        f"quarantined after its worker died {budget.losses} times while running it; "
        f"the last time: {last}",
    )


def _handed_back_too_often(event: AttemptSettled, budget: TaskBudget) -> Failure:
    """Return why a task is not given to workers any more."""
    last = event.failure.message if event.failure else "no reason was given"
    return Failure(
        (HANDED_BACK_TOO_OFTEN,),
        f"workers took it up and handed it back {budget.given_back} times without an end; "
        f"the last time: {last}",
    )
