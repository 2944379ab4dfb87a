"""Counts of a run's tasks and attempts, fast for a million tasks; how a run ended, in brief."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from astrum.machine.events import SUCCESS, AttemptSettled, Outcome
from astrum.machine.failure import QUARANTINED
from astrum.machine.state import RunState
from astrum.machine.task_state import ENDED, FAILED, HELD, READY, SUCCEEDED

LONGEST_FAILURE = 300
"""The number of characters of a failure that the list of runs shows."""
_ONE_IF_READY = bytes(state == READY for state in range(256))


class RunCounts(NamedTuple):
    """The numbers of tasks of a run that succeeded and failed, and of its attempts by outcome.

    ``retried`` attempts failed or were lost, and were followed by another one; ``lost`` ones are
    among them if their tasks ran again. ``outstanding`` ones are dispatched and have not ended.
    ``retrying`` tasks have had such attempts and have not ended. ``last_end_at`` is when an attempt
    ended last, in whole seconds since the epoch (0: none has). ``total`` counts all tasks; 0 is not
    known. A mapped task counts as its children, and as one task before they are known.
    ``held`` tasks wait for a person.
    """

    succeeded: int = 0
    failed: int = 0
    retried: int = 0
    lost: int = 0
    outstanding: int = 0
    retrying: int = 0
    last_end_at: int = 0
    total: int = 0
    held: int = 0


class RunCounter:
    """Counts one run; attempts that it has counted are not looked at again."""

    def __init__(self, state: RunState) -> None:
        self.state = state
        self._seen = 0
        self._lost = 0
        self._retried = 0
        self._tried_again: set[int] = set()
        self._last_end_at = 0.0
        self._in_queue: dict[str, int] = {}
        self._size = 0

    def counts(self) -> RunCounts:
        """Return the counts as they are now."""
        state = self.state
        self._count_unsuccessful()
        return RunCounts(
            succeeded=self._count(SUCCEEDED),
            failed=self._count(FAILED),
            retried=self._retried,
            lost=self._lost,
            outstanding=state.outstanding_count,
            retrying=len(self._tried_again),
            last_end_at=int(self._last_end_at),
            total=len(state.plan.tasks) + sum(n - 1 for n in state.tasks.counts.values()),
            held=self._count(HELD),
        )

    def _count(self, place: int) -> int:
        """Count the tasks in a state, without mapped tasks whose children are known."""
        states = self.state.states
        return states.count(place) - sum(states[task] == place for task in self.state.tasks.counts)

    def ready(self) -> dict[str, int]:
        """Return how many tasks wait for nothing but capacity, by queue."""
        if self.state.stopping:
            return {}
        if self._size != len(self.state.states):
            self._in_queue, self._size = _by_queue(self.state), len(self.state.states)
        marks = int.from_bytes(self.state.states.translate(_ONE_IF_READY), "big")
        counts = {queue: (marks & mask).bit_count() for queue, mask in self._in_queue.items()}
        return {queue: count for queue, count in counts.items() if count}

    def paused(self) -> dict[str, int]:
        """Return how many of the ready tasks are held back by pauses, by queue."""
        state = self.state
        if state.stopping:
            return {}
        return dict(Counter(state.tasks.spec(t).queue for t in state.ready_without_stream()))

    def _count_unsuccessful(self) -> None:
        log = self.state.attempt_log
        for event in log.settled[self._seen :]:
            if event.outcome is not SUCCESS:
                self._lost += event.outcome is Outcome.LOST
                if log.was_retried(event):
                    self._retried += 1
                    self._tried_again.add(event.task)
        if len(log.settled) > self._seen:
            self._last_end_at = max(self._last_end_at, log.settled[-1].recorded_at)
        self._seen = len(log.settled)
        states = self.state.states
        self._tried_again = {task for task in self._tried_again if states[task] not in ENDED}


def _by_queue(state: RunState) -> dict[str, int]:
    """Return for each queue a number with one byte per task, 1 if the task is in that queue."""
    rows: dict[str, bytearray] = {}
    for task, spec in enumerate(state.tasks):
        row = rows.get(spec.queue)
        if row is None:
            row = rows[spec.queue] = bytearray(len(state.states))
        row[task] = 1
    return {queue: int.from_bytes(row, "big") for queue, row in rows.items()}


def quarantined(state: RunState) -> int:
    """Return the number of tasks that were given up because their workers died."""
    failures = state.attempt_log.failures.values()
    return sum(failure.types[:1] == (QUARANTINED,) for failure in failures)


def end_details(state: RunState) -> dict[str, str]:
    """Return what the list of runs says of an ended run.

    ``reason`` says why it was stopped, ``failure`` is its first failure, ``longest`` the seconds
    and the name of the task whose attempt took longest. What there is not is missing.
    """
    details = {}
    if state.attempt_log.stop_reason:
        details["reason"] = _one_line(state.attempt_log.stop_reason)
    for task, failure in state.attempt_log.failures.items():
        details["failure"] = _one_line(f"{state.tasks.name(task)}: {failure.summary}")
        break
    longest = max(state.attempt_log.settled, key=_took_s, default=None)
    if longest is not None and _took_s(longest) > 0:
        details["longest"] = f"{_took_s(longest):.3f} {state.tasks.name(longest.task)}"
    return details


def _one_line(text: str) -> str:
    return " ".join(text[: 2 * LONGEST_FAILURE].split())[:LONGEST_FAILURE]


def _took_s(event: AttemptSettled) -> float:
    return event.ended_at - event.started_at if event.started_at else 0.0
