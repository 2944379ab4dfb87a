"""Puts the times of a report on one clock: workers' own clocks may be hours off.

Times that the store recorded are on the store's clock, and they bound all others: an attempt began
after the run was created, after its needs had succeeded and its last attempt had ended, and it
ended before its end was recorded. If a worker's times break these bounds, its clock is wrong, and
its times are moved inside the bounds. Otherwise they stay unchanged.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from operator import attrgetter

from astrum.machine.events import AttemptSettled, Outcome
from astrum.machine.task_table import TaskTable

TOLERANCE_S = 0.005
"""The store records whole milliseconds, and synchronized clocks still differ a little."""
_worker_id = attrgetter("worker_id")


def on_one_clock(
    settled: Sequence[AttemptSettled], tasks: TaskTable, created_at: float
) -> Sequence[AttemptSettled]:
    """Return the attempts, in the order they were recorded, with times on the store's clock.

    ``created_at`` is when the run was created. Attempts in process, and those that a coordinator
    ended for a worker, have no other clock than that.
    """
    if not any(map(_worker_id, settled)):
        return settled
    earliest = list(_earliest(settled, tasks, created_at))
    clocks: dict[str, _Clock] = {}
    for event, after in zip(settled, earliest, strict=True):
        if _is_by_worker(event):
            clocks.setdefault(event.worker_id, _Clock()).take_in(event, after)
    if all(clock.is_right for clock in clocks.values()):
        return settled
    return [
        clocks[event.worker_id].corrected(event, after) if _is_by_worker(event) else event
        for event, after in zip(settled, earliest, strict=True)
    ]


def _is_by_worker(event: AttemptSettled) -> bool:
    """Return whether the times are a worker's: a coordinator settles by the store's."""
    return bool(event.worker_id and event.started_at and event.ended_at)


def _earliest(
    settled: Sequence[AttemptSettled], tasks: TaskTable, created_at: float
) -> Iterator[float]:
    """Yield for each attempt the earliest time at which it can have begun."""
    index, spec = tasks.plan.index, tasks.spec
    last_end = [created_at] * len(tasks)
    succeeded_at = [created_at] * len(tasks)
    for event in settled:
        task = event.task
        earliest = last_end[task]
        for need in spec(task).needs:
            earliest = max(earliest, succeeded_at[index[need]])
        last_end[task] = event.recorded_at
        if event.outcome is Outcome.SUCCEEDED:
            succeeded_at[task] = event.recorded_at
        yield earliest


@dataclass(slots=True)
class _Clock:
    """Bounds for one worker's clock: by how much it may be behind the store's.

    A number of seconds from ``least_s`` to ``most_s`` has to be added to its times.
    """

    least_s: float = field(default=-math.inf)
    most_s: float = field(default=math.inf)

    def take_in(self, event: AttemptSettled, earliest: float) -> None:
        """Narrow the bounds by one attempt."""
        first, latest = sorted((event.started_at, event.ended_at))  # a clock may be set meanwhile
        self.least_s = max(self.least_s, earliest - first)
        self.most_s = min(self.most_s, event.recorded_at - latest)

    @property
    def is_right(self) -> bool:
        """True if its times can be correct without a correction."""
        return self.least_s <= TOLERANCE_S and self.most_s >= -TOLERANCE_S

    def corrected(self, event: AttemptSettled, earliest: float) -> AttemptSettled:
        """Return the attempt with times that can be true."""
        if self.is_right:
            return event
        # The record that arrived fastest shows the difference best. A clock that was set meanwhile
        # has more than one: then each attempt counts as ended when it was recorded.
        is_steady = self.least_s <= self.most_s + TOLERANCE_S
        added_s = self.most_s if is_steady else event.recorded_at - event.ended_at
        start = min(max(event.started_at + added_s, earliest), event.recorded_at)
        end = min(max(event.ended_at + added_s, start), event.recorded_at)
        # By the same wrong clock the worker tells how long the attempt had waited before.
        waited_s = max(start - earliest, 0.0)
        prepared_s = min(event.prepared_s, waited_s)
        queued_s = min(event.queued_s, waited_s - prepared_s)
        return event._replace(
            started_at=start, ended_at=end, queued_s=queued_s, prepared_s=prepared_s
        )
