"""Runs in which a task stands still in one way, for the cases of `why`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from astrum.machine.events import (
    AttemptFoundOutstanding,
    Event,
    Outcome,
)
from astrum.planning import RetryPolicy, TaskSpec
from astrum.planning.axes import Axis, ListSource, Watch
from astrum.protocol.pauses import Pause, PauseKind, Pauses, PauseTarget
from astrum.protocol.status import RunningAttempt
from astrum.view import Code, Explanation, Look, Sent, Taken, explain
from tests.unit.view.moments import (
    NOW,
    WORKER,
    ended,
    look_at,
    run_info,
    state_of,
    worker,
)

A, B = TaskSpec("a"), TaskSpec("b", needs=("a",))
OUT = AttemptFoundOutstanding(0, 1)
FAILED = ended(0, Outcome.FAILED)
FRESH = run_info(created_at=NOW - 1)
SENT = {0: Sent(1, NOW - 40)}
TAKEN = {0: Taken(WORKER, NOW - 30)}
AGAIN = TaskSpec("a", retry=RetryPolicy(max_retries=3, delay=10.0))
LIST, EACH = (
    TaskSpec("a", watches=(Watch("length"),)),
    TaskSpec("b", needs=("a",), axes=(Axis((ListSource("a"),)),), at_once=1),
)
GROWN = ended(0, Outcome.SUCCEEDED, seen=(3,))
"""The end of the list: tasks 2, 3 and 4 are the children of b."""


class Case(NamedTuple):
    """What explains a state, and what it says."""

    made: Callable[[], Explanation]
    sentence: str
    advice: str = ""
    needs_person: bool = False


def task(look: Look, number: int = 0) -> Callable[[], Explanation]:
    return lambda: explain(look, number)


def out(*specs: TaskSpec, events: tuple[Event, ...] = (), **moment: Any) -> Look:
    """The first task is outstanding."""
    told = {"sent": SENT, **moment}
    return look_at(state_of(*(specs or (A,)), events=[OUT, *events]), **told)


def running(spec: TaskSpec = A, age_s: float = 30.0, blocks: str = "", **status: Any) -> Look:
    """The first task is outstanding, and its worker reports to run it."""
    row = RunningAttempt("r", 0, "a", 1, age_s, blocks)
    other = RunningAttempt("x", 5, "slow", 1, 99.0)
    one = worker(running=(row, other), **status)
    return out(spec, taken=TAKEN, workers=[one])


def unserved(code: Code, needs_person: bool = True) -> Case:
    look = look_at(state_of(A), unserved={"a": code})
    advice = "astrum-worker flows.shop" if needs_person else ""
    return Case(
        task(look),
        "has no worker that serves it in namespace 'n': none knows it",
        advice,
        needs_person,
    )


def paused() -> Look:
    pause = Pause(PauseTarget(PauseKind.QUEUE, "default"), "ann", NOW - 65, "disk is full")
    return look_at(state_of(A), pauses=Pauses([pause]))


def retried(outcome: Outcome, *, at: float = NOW - 1, **ends: Any) -> Look:
    event = ended(0, outcome, at=at, **ends)
    again = AttemptFoundOutstanding(0, 2)
    if outcome is not Outcome.HANDED_BACK:
        return look_at(state_of(AGAIN, events=[event]))
    # What is handed back for the first time runs again at once, the second time a little later.
    more = event._replace(attempt=2, recorded_at=NOW)
    return look_at(state_of(AGAIN, events=[event, again, more]))
