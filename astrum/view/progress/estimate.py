"""Estimates how long a run will still take, from what its tasks took so far.

The work that is left is that of each family of tasks: how many have not ended, times what one took
on average. It is divided by the number of attempts that ran at once lately. It is never less than
the longest path through the tasks that are left, which no number of workers shortens. All times
are in seconds.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping, Sequence
from itertools import islice
from types import MappingProxyType
from typing import NamedTuple

from astrum.machine.events import AttemptSettled
from astrum.machine.state import RunState
from astrum.machine.task_state import ENDED
from astrum.planning.plan import Plan
from astrum.view.progress.run_counters import RunCounters

RATE_WINDOW_S = 10.0
LEAST_WINDOW_S = 1.5
"""A rate over a shorter time is not shown."""
PARALLELISM_WINDOW_S = 30.0
STEADY_S = 10.0
"""The time between two estimates that must agree before one is shown."""
STEADY_FACTOR = 2.0
TOLERANCE_S = 10.0
"""Estimates agree if they differ by less than this, or by less than `STEADY_FACTOR`."""
LEAST_ENDS = 5
"""How many tasks of a family must have ended before their mean counts."""
MOST_UNKNOWN = 0.1
"""The share of the tasks left that may be of families without a mean."""
_DIGITS = re.compile(r"\d+")


class Running(NamedTuple):
    """The attempts that run now, as far as that is known.

    ``at_once`` is how many, 0 if that is not known. ``ages`` says for how long, by task number.
    """

    at_once: int = 0
    ages: Mapping[int, float] = MappingProxyType({})


NOT_KNOWN = Running()


class _Family:
    """What the tasks of one family took; ``ended`` counts those that have ended by an attempt."""

    __slots__ = ("ended", "took_s")

    def __init__(self) -> None:
        self.ended = 0
        self.took_s = 0.0

    @property
    def mean_s(self) -> float | None:
        """The mean of a task with all its attempts, `None` while too few have ended."""
        return self.took_s / self.ended if self.ended >= LEAST_ENDS else None


class RunEstimate:
    """The rate of one run and the time that it will still take.

    Call `look` about every second. ``rate`` is how many attempts ended per second in the last
    10 s, `None` at the beginning. ``left_s`` is the time that is left, `None` while it is not
    known well enough. It leaves out ``unknown`` tasks, for which nothing like them tells how long
    they take. For one thread; another one may change the run's state meanwhile.
    """

    def __init__(self) -> None:
        self.rate: float | None = None
        self.left_s: float | None = None
        self.unknown = 0
        self._state: RunState | None = None
        self._families: list[_Family] = []
        self._family_of: list[int] = []
        self._read = 0
        self._settled: deque[tuple[float, float]] = deque()
        self._worked: deque[tuple[float, float]] = deque()
        self._estimates: deque[tuple[float, float]] = deque()

    def look(self, counters: RunCounters, now: float, running: Running = NOT_KNOWN) -> None:
        """Take in what has ended since the last look, ``now`` by a monotonic clock."""
        state = counters.state
        if state is None:
            return
        if state is self._state:
            worked_s = self._take_in(state)
        else:
            worked_s = self._begin(state)
        _note(self._settled, now, self._read, RATE_WINDOW_S)
        _note(self._worked, now, worked_s, PARALLELISM_WINDOW_S)
        self.rate = _rate(self._settled)
        left_s = self._left_s(counters, running)
        if left_s is None:
            self._estimates.clear()
            self.left_s = None
            return
        _note(self._estimates, now, left_s, STEADY_S)
        self.left_s = left_s if is_steady(self._estimates) else None

    # --- what has ended -----------------------------------------------------------------

    def _begin(self, state: RunState) -> float:
        """Begin with another state; what has ended before is in the means, but in no window."""
        self._state, self._read = state, 0
        self._family_of = families_of(state.plan)
        self._families = [_Family() for _ in range(max(self._family_of, default=-1) + 1)]
        for window in (self._settled, self._worked, self._estimates):
            window.clear()
        self._take_in(state)
        return 0.0

    def _take_in(self, state: RunState) -> float:
        """Add what is new to the families; return the sum of its times, each cut to the window."""
        new = list(islice(state.attempt_log.settled, self._read, None))
        self._read += len(new)
        worked_s = 0.0
        planned = self._family_of
        for event in new:
            task = event.task
            template = task if task < len(planned) else state.tasks.template(task)
            family = self._families[planned[template]]
            took_s = max(event.ended_at - event.started_at, 0.0)
            family.took_s += took_s
            family.ended += _has_ended(state, event)
            worked_s += min(took_s, PARALLELISM_WINDOW_S)
        return worked_s

    def _parallelism(self, running: Running) -> float:
        """Return how many attempts ran at once lately, 0 if that is not known."""
        took_s = self._worked[-1][0] - self._worked[0][0]
        worked_s = sum(amount for _, amount in islice(self._worked, 1, None))
        # Long tasks may not end within the window, short ones are rarely seen while they run.
        return max(worked_s / took_s if took_s > 0 else 0.0, float(running.at_once))

    # --- what is left -------------------------------------------------------------------

    def _left_s(self, counters: RunCounters, running: Running) -> float | None:
        left, at_once = left_by_task(counters), self._parallelism(running)
        if left is None or not at_once or counters.state is None:
            return None
        means = [family.mean_s for family in self._families]
        family_of = self._family_of
        unknown = sum(
            count for task, count in enumerate(left) if count and means[family_of[task]] is None
        )
        self.unknown = unknown
        if unknown > MOST_UNKNOWN * sum(left):
            return None
        mean_of = [means[family] or 0.0 for family in family_of]
        begun = _begun(counters.state, running.ages)
        work_s, path_s = _work_and_path(counters.state.plan, left, mean_of, begun)
        return max(work_s / at_once, path_s)


def families_of(plan: Plan) -> list[int]:
    """Return the number of the family of each task of a plan.

    Tasks whose names differ in digits alone are one family, if they have the same queue. Children
    are of the family of their task.
    """
    numbers: dict[tuple[str, str], int] = {}
    return [
        numbers.setdefault((_DIGITS.sub("0", spec.task_id), spec.queue), len(numbers))
        for spec in plan.tasks
    ]


def left_by_task(counters: RunCounters) -> list[int] | None:
    """Return for each task of the plan how many tasks are left: it, or those of its children.

    `None` if there is a task whose children are not known yet.
    """
    state = counters.state
    if state is None:
        return None
    planned = len(state.plan.tasks)
    left = [int(now not in ENDED) for now in state.states[:planned]]
    for task in state.tasks.roots:
        children = counters.children.get(task)
        if children is not None:
            left[task] = children.total - children.ended
        elif left[task]:
            return None
    return left


def is_steady(estimates: Sequence[tuple[float, float]]) -> bool:
    """Return whether the first and the last of some estimates (when, seconds left) agree.

    >>> is_steady([(0.0, 300.0), (10.0, 280.0)]), is_steady([(0.0, 300.0), (10.0, 900.0)])
    (True, False)
    """
    (then, first), (now, last) = estimates[0], estimates[-1]
    if now - then < STEADY_S:
        return False
    expected = max(first - (now - then), 0.0)
    small, large = sorted((expected, last))
    return large - small < TOLERANCE_S or large < STEADY_FACTOR * small


def _note(window: deque[tuple[float, float]], now: float, amount: float, length_s: float) -> None:
    """Add to a window, and keep of what is older than the window only the latest."""
    window.append((now, amount))
    while len(window) > 2 and now - window[1][0] >= length_s:
        window.popleft()


def _rate(settled: Sequence[tuple[float, float]]) -> float | None:
    (then, before), (now, after) = settled[0], settled[-1]
    return (after - before) / (now - then) if now - then >= LEAST_WINDOW_S else None


def _has_ended(state: RunState, event: AttemptSettled) -> bool:
    task = event.task
    return state.states[task] in ENDED and state.attempts[task] == event.attempt


def _begun(state: RunState, ages: Mapping[int, float]) -> dict[int, list[float]]:
    """Return how long attempts have run already, by the number of their task in the plan."""
    found: dict[int, list[float]] = {}
    for task, age_s in ages.items():
        if 0 <= task < len(state.tasks):
            found.setdefault(state.tasks.template(task), []).append(age_s)
    return found


def _work_and_path(
    plan: Plan, left: Sequence[int], mean_of: Sequence[float], begun: Mapping[int, Sequence[float]]
) -> tuple[float, float]:
    """Return the work that is left, and the time of the longest path through it."""
    work_s = 0.0
    paths = [0.0] * len(left)
    for task in range(len(left) - 1, -1, -1):
        below = max((paths[other] for other in plan.dependents[task]), default=0.0)
        mean_s = mean_of[task]
        least_s = mean_s if left[task] else 0.0
        ages = begun.get(task)
        if ages and left[task]:
            work_s -= sum(min(age_s, mean_s) for age_s in ages)
            if left[task] <= len(ages):  # the last of them are running
                least_s = max(mean_s - min(ages), 0.0)
        work_s += left[task] * mean_s
        paths[task] = least_s + below
    return max(work_s, 0.0), max(paths, default=0.0)
