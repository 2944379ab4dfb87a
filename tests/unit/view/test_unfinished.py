"""The place of an unfinished task is decided from data alone."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from astrum.machine.events import (
    AttemptFoundOutstanding,
    AttemptSettled,
    CancelRequested,
    Event,
    Outcome,
)
from astrum.machine.failure import Failure
from astrum.machine.state import RunState
from astrum.planning import Plan, RetryPolicy, TaskSpec
from astrum.protocol.pauses import NO_PAUSES, Pause, PauseKind, Pauses, PauseTarget
from astrum.protocol.streams import Stream
from astrum.view import RunMoment, Sent, Taken, UnfinishedState, UnfinishedTask, unfinished

NOW = 1_000.0
WORKER = "host:1:w"


class FakePool:
    """A pool that serves all tasks but these."""

    def __init__(self, unserved: Collection[str] = ()) -> None:
        self.unserved = unserved

    def serves(self, spec: TaskSpec) -> bool:
        return spec.task_id not in self.unserved

    def why_not(self, spec: TaskSpec) -> str:
        return f"no worker serves task {spec.task_id!r}: so it is"


def state_of(*specs: TaskSpec, events: Collection[Event] = ()) -> RunState:
    state = RunState(Plan("n", specs), run_key="r")
    for event in events:
        state.handle(event)
    return state


def look(
    state: RunState,
    *,
    sent: dict[int, Sent] | None = None,
    taken: dict[int, Taken] | None = None,
    queued: dict[Stream, int] | None = None,
    alive: Collection[str] = (WORKER,),
    is_led: bool = True,
    unserved: Collection[str] = (),
    pauses: Pauses = NO_PAUSES,
) -> dict[str, UnfinishedTask]:
    moment = RunMoment(
        state=state,
        now=NOW,
        is_led=is_led,
        sent=sent or {},
        taken=taken or {},
        queued=queued or {},
        alive=alive,
        pauses=pauses,
    )
    return {task.task_id: task for task in unfinished(moment, FakePool(unserved))}


def ended(task: int, outcome: Outcome, *, attempt: int = 1, at: float = NOW - 1) -> AttemptSettled:
    failure = None
    if outcome is not Outcome.SUCCEEDED:
        failure = Failure(("builtins.ValueError", "builtins.Exception"), "not yet")
    return AttemptSettled(task, attempt, outcome, at, at, at, WORKER, failure)


A, B = TaskSpec("a"), TaskSpec("b", needs=("a",))


def test_a_task_waits_for_the_needs_that_have_not_succeeded() -> None:
    specs = [TaskSpec(f"need {n}") for n in range(6)]
    last = TaskSpec("last", needs=tuple(spec.task_id for spec in specs))
    state = state_of(*specs, last, events=[ended(0, Outcome.SUCCEEDED)])
    task = look(state)["last"]
    assert task.state is UnfinishedState.WAITING
    assert task.waits_for == ("need 1", "need 2", "need 3", "need 4", "need 5")
    assert task.text == "waits for 'need 1', 'need 2', 'need 3' and 2 more"


def test_tasks_that_have_ended_are_left_out() -> None:
    assert look(state_of(A, events=[ended(0, Outcome.SUCCEEDED)])) == {}


def test_a_queued_task_has_its_queue_its_age_and_its_place_in_the_run() -> None:
    specs = [TaskSpec(f"t{n}", queue="cpu") for n in range(3)]
    state = state_of(*specs, events=[AttemptFoundOutstanding(n, 1) for n in range(3)])
    sent = {0: Sent(1, NOW - 40, 1), 1: Sent(1, NOW - 40, 0), 2: Sent(1, NOW - 65)}
    tasks = look(state, sent=sent, queued={Stream("cpu", "async"): 3})
    assert [tasks[f"t{n}"].position for n in range(3)] == [3, 2, 1]
    assert tasks["t0"].text == "waits in queue 'cpu' for 40 s, at place 3 of 3"
    assert (tasks["t0"].state, tasks["t0"].since) == (UnfinishedState.QUEUED, NOW - 40)


def test_no_place_is_given_among_tasks_of_other_runs() -> None:
    state = state_of(A, events=[AttemptFoundOutstanding(0, 1)])
    task = look(state, sent={0: Sent(1, NOW - 40)}, queued={Stream("default", "async"): 7})["a"]
    assert (task.position, task.text) == (None, "waits in queue 'default' for 40 s, where 7 wait")


def test_a_running_task_has_its_worker_and_its_start() -> None:
    state = state_of(A, events=[AttemptFoundOutstanding(0, 1)])
    task = look(state, sent={0: Sent(1, NOW - 40)}, taken={0: Taken(WORKER, NOW - 30)})["a"]
    assert (task.state, task.worker_id, task.since) == (UnfinishedState.RUNNING, WORKER, NOW - 30)
    assert task.text == f"runs on {WORKER} for 30 s"


def test_a_task_of_a_worker_that_is_not_alive_is_said_to_be_lost_soon() -> None:
    state = state_of(A, events=[AttemptFoundOutstanding(0, 1)])
    task = look(state, taken={0: Taken(WORKER, NOW - 30)}, alive=())["a"]
    assert "is not alive any more" in task.text


def test_a_task_that_runs_alone_says_so_in_its_queue_and_on_its_worker() -> None:
    events: list[Event] = [ended(0, Outcome.LOST), AttemptFoundOutstanding(0, 2)]
    state = state_of(A, events=events)
    queued = look(state, sent={0: Sent(2, NOW)})["a"]
    running = look(state, taken={0: Taken(WORKER, NOW)})["a"]
    assert (queued.exclusive, queued.lane, queued.attempt) == (True, "exclusive", 2)
    assert "runs nothing else" in queued.text
    assert "alone there" in running.text


@pytest.mark.parametrize("is_out", [True, False])
def test_a_task_without_a_live_worker_is_unserved_whether_queued_or_not(
    is_out: bool,
) -> None:
    state = state_of(A, B, events=[AttemptFoundOutstanding(0, 1)] if is_out else [])
    sent = {0: Sent(1, NOW - 5)} if is_out else {}
    tasks = look(state, sent=sent, unserved={"a", "b"}, is_led=is_out)
    assert (tasks["a"].state, tasks["a"].text) == (
        UnfinishedState.UNSERVED,
        "no worker serves task 'a': so it is",
    )
    assert tasks["b"].state is UnfinishedState.WAITING, "what it waits for comes first"


def test_a_running_task_is_not_unserved_although_no_other_worker_serves_it() -> None:
    state = state_of(A, events=[AttemptFoundOutstanding(0, 1)])
    assert (
        look(state, taken={0: Taken(WORKER, NOW)}, unserved={"a"})["a"].state
        is UnfinishedState.RUNNING
    )


def test_a_retry_has_its_cause_and_its_start() -> None:
    again = TaskSpec("a", retry=RetryPolicy(max_retries=3, delay=10.0, jitter=0.0))
    state = state_of(again, events=[ended(0, Outcome.FAILED, at=NOW - 4)])
    task = look(state)["a"]
    assert (task.state, task.attempt, task.due_at) == (UnfinishedState.RETRYING, 2, NOW + 6)
    assert task.text == "attempt 1 ended: ValueError: not yet; it is tried again in 6 s"
    late = look(state_of(again, events=[ended(0, Outcome.FAILED, at=NOW - 40)]), is_led=False)["a"]
    assert "when a coordinator leads the run" in late.text


def test_a_ready_task_waits_for_a_leader_or_for_a_free_slot() -> None:
    assert "when a coordinator leads the run" in look(state_of(A), is_led=False)["a"].text
    limited = RunState(Plan("n", (A, TaskSpec("c")), concurrency_limit=1), run_key="r")
    limited.handle(AttemptFoundOutstanding(1, 1))
    task = look(limited, sent={1: Sent(1, NOW)})["a"]
    assert (task.state, task.text) == (
        UnfinishedState.READY,
        "is sent when there is room: 1 of the run are out, its limit is 1",
    )


def test_a_stopping_run_starts_nothing() -> None:
    events: list[Event] = [AttemptFoundOutstanding(0, 1), CancelRequested(NOW)]
    tasks = look(state_of(A, B, events=events), sent={0: Sent(1, NOW)}, unserved={"a"})
    assert tasks["a"].text == "is taken back: the run is being ended"
    assert tasks["b"].text == "is not started any more: the run is being ended"


def test_no_age_is_negative_when_clocks_disagree() -> None:
    state = state_of(A, events=[AttemptFoundOutstanding(0, 1)])
    task = look(state, taken={0: Taken(WORKER, NOW + 7_200)})["a"]
    assert task.text == f"runs on {WORKER} for 0 s"


def test_a_paused_task_says_who_paused_it_and_one_that_runs_or_waits_for_others_does_not() -> None:
    pauses = Pauses([Pause(PauseTarget(PauseKind.NAMESPACE, "n"), "ann", NOW - 65, "disk is full")])
    state = state_of(A, B, events=[AttemptFoundOutstanding(0, 1)])
    sent = {0: Sent(1, NOW - 2)}
    places = look(state, sent=sent, queued={Stream("default", "async"): 1}, pauses=pauses)
    assert (places["a"].state, places["a"].since) == (UnfinishedState.PAUSED, NOW - 65)
    assert places["a"].text == ("namespace 'n' is paused by ann: disk is full (1 min 05 s ago)")
    assert places["b"].state is UnfinishedState.WAITING
    taken = {0: Taken(WORKER, NOW - 1)}
    assert look(state, sent=sent, taken=taken, pauses=pauses)["a"].state is UnfinishedState.RUNNING
