"""Counts how far one run is, event by event, for displays and for programs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import islice

from astrum.machine.events import (
    AttemptSettled,
    AttemptWithdrawn,
    Command,
    Dispatch,
    Event,
    Finish,
    Outcome,
    Released,
    Reopened,
)
from astrum.machine.state import RunState
from astrum.machine.task_state import (
    BLOCKED,
    CANCELLED,
    ENDED,
    FAILED,
    SKIPPED,
    SUCCEEDED,
    TaskState,
)

TROUBLE = (Outcome.FAILED, Outcome.TIMED_OUT, Outcome.LOST)


class Ends:
    """How many of some tasks have ended, and how many of these have failed."""

    __slots__ = ("ended", "failed", "total")

    def __init__(self, total: int = 0) -> None:
        self.total = total
        self.ended = 0
        self.failed = 0

    @property
    def counts(self) -> tuple[int, int, int]:
        """The three numbers: ended, total, failed."""
        return self.ended, self.total, self.failed

    def add(self, other: Ends) -> None:
        """Add other tasks to these."""
        self.ended += other.ended
        self.total += other.total
        self.failed += other.failed


class RunCounters:
    """An observer of one run: what leads or follows the run calls it with every event.

    ``state`` is `None` until the run has begun, and ``final`` says how it ended, "" before.
    ``total`` counts the tasks of the plan, those with children by these as soon as they are known.
    ``inherited`` tasks had succeeded before the run began here. ``retried`` and ``lost`` count
    attempts, of which a lost one that is tried again is in both. ``stages`` has the tasks of
    each stage, ``children`` those of each mapped task whose children are known, by its number.
    ``clock`` returns seconds; it stamps the dispatches.

    It is called for each event on the hot path, so it does few operations and formats nothing.
    Other threads may read its attributes at any time.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.state: RunState | None = None
        self.final = ""
        self.total = 0
        self.inherited = 0
        self.retried = 0
        self.lost = 0
        self.stages: list[Ends] = []
        self.children: dict[int, Ends] = {}
        self._clock = clock
        self._ended_as = [0] * len(TaskState)
        self._levels: list[int] = []
        self._planned = 0
        self._states: Sequence[int] = ()
        self._known = 0
        self._lengths: Mapping[int, int] = {}
        self._unsuccessful: Sequence[int] = ()
        self._counted = 0
        self._running: dict[int, tuple[int, int, float]] = {}

    # --- numbers ------------------------------------------------------------------------

    @property
    def succeeded(self) -> int:
        """The number of tasks that have succeeded."""
        return self._ended_as[SUCCEEDED]

    @property
    def failed(self) -> int:
        """The number of tasks that have failed for good."""
        return self._ended_as[FAILED]

    @property
    def skipped(self) -> int:
        """The number of tasks that were skipped."""
        return self._ended_as[SKIPPED]

    @property
    def blocked(self) -> int:
        """The number of tasks that need one that failed."""
        return self._ended_as[BLOCKED]

    @property
    def cancelled(self) -> int:
        """The number of tasks that were cancelled."""
        return self._ended_as[CANCELLED]

    @property
    def ended(self) -> int:
        """The number of tasks that have ended in whatever way."""
        return sum(self._ended_as)

    @property
    def running_count(self) -> int:
        """The number of attempts that are dispatched and not settled."""
        return len(self._running)

    # --- events -------------------------------------------------------------------------

    def observe(self, state: RunState, event: Event | None, commands: Sequence[Command]) -> None:
        """Count one event and the commands that it produced."""
        if event is None:
            self._begin(state)
        elif self.state is not None:
            self._on_event(state, event)
        for command in commands:
            if type(command) is Dispatch:
                entry = (command.attempt, command.try_number, self._clock())
                self._running[command.task] = entry
            elif type(command) is Finish:
                self.final = command.state

    def _on_event(self, state: RunState, event: Event) -> None:
        # The ends come last: an event may add children that end at once, without an attempt.
        if type(event) is AttemptSettled:
            self._on_settled(state, event)
        elif type(event) is AttemptWithdrawn:
            self._running.pop(event.task, None)
        elif type(event) is Reopened:
            self._begin(state)
        elif type(event) is Released and self._gave_result(state, event):
            self._count(state, event.task, SUCCEEDED)
        if len(self._states) != self._known or len(self._lengths) != len(self.children):
            self._count_new_children(state)
        if len(self._unsuccessful) != self._counted:
            self._count_unsuccessful(state)

    def _gave_result(self, state: RunState, event: Released) -> bool:
        """Return whether a task was held, and has the result now that a person gave."""
        is_last = event in state.attempt_log.released[-1:]
        return is_last and self._states[event.task] == SUCCEEDED

    def _begin(self, state: RunState) -> None:
        """Count all from the state: of a new run, of one that is resumed, or that is reopened."""
        self._levels, self._planned = state.plan.levels, len(state.plan.tasks)
        stages = [Ends() for _ in range(max(self._levels, default=-1) + 1)]
        children: dict[int, Ends] = {}
        ended_as = [0] * len(TaskState)
        for task, level in enumerate(self._levels):
            # A mapped task counts as one until its children are known.
            has_children = task in state.tasks.counts
            members = list(state.tasks.children(task)) if has_children else [task]
            ends = Ends(len(members))
            for member in members:
                if state.states[member] in ENDED:
                    ended_as[state.states[member]] += 1
                    ends.ended += 1
                    ends.failed += state.states[member] == FAILED
            stages[level].add(ends)
            if has_children:
                children[task] = ends
        self._states, self._unsuccessful = state.states, state.attempt_log.unsuccessful
        self._lengths = state.tasks.counts
        self._known, self._counted = len(self._states), len(self._unsuccessful)
        self.stages, self.children, self._ended_as = stages, children, ended_as
        self.total = sum(stage.total for stage in stages)
        self.inherited = self.succeeded
        self.retried, self.lost = _trouble_before(state)
        now_s = self._clock()
        self._running = {
            task: (attempt, attempt - state.skipped(task), now_s)
            for task, attempt in state.outstanding()
        }
        self.state = state

    def _on_settled(self, state: RunState, event: AttemptSettled) -> None:
        task = event.task
        current = self._running.get(task)
        if current is None or current[0] != event.attempt:
            return  # a late or repeated event, which changed nothing
        del self._running[task]
        if event.outcome is Outcome.SUCCEEDED:
            if self._states[task] == SUCCEEDED:  # else its result did not fit, and it has failed
                self._count(state, task, SUCCEEDED)
        elif event.outcome in TROUBLE:
            self._on_trouble(state, event)

    def _on_trouble(self, state: RunState, event: AttemptSettled) -> None:
        """Count an attempt that failed or was lost."""
        self.lost += event.outcome is Outcome.LOST
        self.retried += state.attempt_log.was_retried(event)

    def _count(self, state: RunState, task: int, ended: int) -> None:
        has_failed = ended == FAILED
        self._ended_as[ended] += 1
        template = task if task < self._planned else state.tasks.template(task)
        stage = self.stages[self._levels[template]]
        stage.ended += 1
        stage.failed += has_failed
        children = self.children.get(template)
        if children is not None:
            children.ended += 1
            children.failed += has_failed

    def _count_unsuccessful(self, state: RunState) -> None:
        new = list(islice(self._unsuccessful, self._counted, None))
        self._counted += len(new)
        for task in new:
            if task not in self.children:
                self._count(state, task, self._states[task])

    def _count_new_children(self, state: RunState) -> None:
        self._known = len(self._states)
        for task, count in state.tasks.counts.items():
            known = self.children.get(task)
            if known is None:
                known = self.children[task] = Ends(1)
            stage, more = self.stages[self._levels[task]], count - known.total
            known.total += more
            stage.total += more
            self.total += more


def _trouble_before(state: RunState) -> tuple[int, int]:
    """Return how many attempts were tried again, and how many were lost, before this moment."""
    log = state.attempt_log
    return (
        sum(map(log.was_retried, log.settled)) if log.retried else 0,
        sum(event.outcome is Outcome.LOST for event in log.settled),
    )
