"""Runs at one moment, built by hand: states, workers and coordinators."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from astrum.machine.events import AttemptSettled, Event, Outcome
from astrum.machine.failure import Failure
from astrum.machine.state import RunState
from astrum.planning import Plan, TaskSpec
from astrum.planning.axes import ListSource
from astrum.protocol.records import CoordinatorInfo, LastWord, RunInfo, WorkerInfo
from astrum.protocol.status import CoordinatorStatus, LaneStatus, LedRun, WorkerStatus
from astrum.view import Code, Lack, Look, RunMoment

NOW = 1_000.0
WORKER = "host:1:w"
OWNER = "host:9:c"
NO = Failure(("builtins.ValueError", "builtins.Exception"), "not yet")
FREE = LaneStatus(slots=4, used=1, free=3, read_age_s=0.1)
FULL = LaneStatus(slots=1, used=1, free=0, read_age_s=0.1)


class FakePool:
    """A pool that serves all tasks but these, which have a code; all workers serve the rest."""

    def __init__(self, unserved: Mapping[str, Code], workers: Sequence[str]) -> None:
        self._unserved = unserved
        self._workers = workers

    def serves(self, spec: TaskSpec) -> bool:
        return spec.task_id not in self._unserved

    def lack(self, spec: TaskSpec) -> Lack:
        return Lack(self._unserved[spec.task_id], "none knows it")

    def servers(self, spec: TaskSpec) -> Sequence[str]:
        return self._workers


def run_info(**changes: Any) -> RunInfo:
    """An open run that is led, unless ``changes`` say otherwise."""
    info = RunInfo(
        run_id="r",
        state="open",
        epoch=7,
        owner=OWNER,
        lease_s=9.0,
        created_at=NOW - 100,
        ended_at=None,
        outstanding=0,
        late_ends=0,
        details={"modules": "flows.shop"},
    )
    return dataclasses.replace(info, **changes)


def unled(**changes: Any) -> RunInfo:
    return run_info(**{"lease_s": 0.0, "unled_since": NOW - 4, **changes})


def over(state: str) -> RunInfo:
    return run_info(state=state, lease_s=0.0, ended_at=NOW - 10)


def worker(name: str = WORKER, *, lane: LaneStatus = FREE, **status: Any) -> WorkerInfo:
    """A live worker with this lane for coroutines."""
    told = WorkerStatus(**{"lanes": {"async": lane, "thread": lane}, **status})
    details = {"host": "host", "pid": "1"}
    return WorkerInfo(worker_id=name, lease_s=12.0, details=details, status=told)


def coordinator(**led: Any) -> CoordinatorInfo:
    """The leader of the run; ``led`` is what it says about it."""
    run = LedRun("r", {}, 2_000, 0)._replace(**led)
    status = CoordinatorStatus(led_count=1, leaderships=(run,))
    return CoordinatorInfo(owner=OWNER, age_s=0.5, details={}, status=status)


def state_of(
    *specs: TaskSpec,
    events: Collection[Event] = (),
    limit: int | None = None,
    lengths: Mapping[ListSource, int] | None = None,
) -> RunState:
    """A state that has handled events as history."""
    state = RunState(Plan("n", specs, concurrency_limit=limit), run_key="r", lengths=lengths or {})
    for event in events:
        state.handle(event)
    return state


def look_at(
    state: RunState,
    info: RunInfo | None = None,
    *,
    unserved: Mapping[str, Code] | None = None,
    workers: Sequence[WorkerInfo] | None = None,
    coordinators: Sequence[CoordinatorInfo] | None = None,
    **moment: Any,
) -> Look:
    """Return a look at a run; it has one live worker, and a leader, if nothing else is said."""
    live = [worker()] if workers is None else workers
    known = [coordinator()] if coordinators is None else coordinators
    whole = RunMoment(
        state=state,
        info=info or run_info(),
        now=NOW,
        workers=live,
        coordinators=known,
        **moment,
    )
    return Look(whole, FakePool(unserved or {}, [one.worker_id for one in live]))


def ended(
    task: int,
    outcome: Outcome,
    *,
    attempt: int = 1,
    at: float = NOW - 1,
    failure: Failure | None = NO,
    worker_id: str = WORKER,
    seen: tuple[int, ...] = (),
) -> AttemptSettled:
    """The end of an attempt; those that do not succeed have a failure."""
    why = None if outcome is Outcome.SUCCEEDED else failure
    event = AttemptSettled(task, attempt, outcome, at - 2, at, at, worker_id, why)
    return event._replace(seen=seen)


def silent(age_s: float) -> dict[str, LastWord]:
    return {WORKER: LastWord(age_s, 8 * 2**30)}
