"""What of a run's journal counts after all reopenings in it."""

from __future__ import annotations

from collections import Counter
from typing import Any

from astrum.machine.budgets import LOSS_BUDGET
from astrum.machine.events import Outcome, Reopened
from astrum.planning.plan import Plan
from astrum.protocol.messages import Record
from astrum.values.codec import Codec
from tests.simulation.world import Violation

FAILING = (Outcome.FAILED, Outcome.TIMED_OUT)


class Standing:
    """The values, errors and orders that count; raises `Violation` for what must not follow."""

    def __init__(self, run_id: str, plan: Plan) -> None:
        self._run_id = run_id
        self._plan = plan
        self._codec = Codec()
        self._raised: Counter[int] = Counter()
        self._lost: Counter[int] = Counter()
        self.values: dict[str, Any] = {}
        self.orders: list[Any] = []

    @property
    def has_spent_a_budget(self) -> bool:
        """Whether some task may not be tried any more."""
        spent = any(self._raised[t] > s.retry.max_retries for t, s in enumerate(self._plan.tasks))
        return spent or any(count >= LOSS_BUDGET for count in self._lost.values())

    def take_in(self, item: Any) -> None:
        """Take in the next item of the journal."""
        if isinstance(item, Reopened):
            self._reopen(item)
        elif isinstance(item, Record):
            self._record(item)
        else:
            self.orders.append(item)

    def _record(self, record: Record) -> None:
        task, spec = record.task, self._plan.tasks[record.task]
        self._lost[task] += record.outcome is Outcome.LOST
        self._raised[task] += record.outcome in FAILING
        if self._raised[task] > spec.retry.max_retries + 1:
            raise Violation(f"{self._run_id}: {spec.task_id} was tried more often than its budget")
        if record.outcome is Outcome.SUCCEEDED:
            if spec.task_id in self.values:
                raise Violation(f"{self._run_id}: {spec.task_id} succeeded twice")
            self.values[spec.task_id] = self._codec.decode(record.value or b"\xc0")

    def _reopen(self, event: Reopened) -> None:
        """Begin again: without names what did not succeed, else the named tasks and all below."""
        self.orders = []
        again: set[str] = set()
        for task, spec in enumerate(self._plan.tasks):
            is_below = task in event.tasks or bool(again.intersection(spec.needs))
            if is_below if event.tasks else spec.task_id not in self.values:
                again.add(spec.task_id)
                self.values.pop(spec.task_id, None)
                del self._raised[task], self._lost[task]
