"""The state of each unfinished task, as `show` prints it, is decided from data alone."""

from __future__ import annotations

from typing import Any

import pytest

from astrum.machine.events import AttemptFoundOutstanding, CancelRequested, Event, Outcome
from astrum.machine.state import RunState
from astrum.planning import RetryPolicy, TaskSpec
from astrum.protocol.pauses import Pause, PauseKind, Pauses, PauseTarget
from astrum.protocol.streams import Stream
from astrum.view import Code, Sent, Taken, UnfinishedState, UnfinishedTask, unfinished
from tests.unit.view.moments import NOW, WORKER, ended, look_at, state_of, unled


def look(state: RunState, *args: Any, **moment: Any) -> dict[str, UnfinishedTask]:
    found = look_at(state, *args, **moment)
    return {task.task_id: task for task in unfinished(found.moment, found.pool)}


A, B = TaskSpec("a"), TaskSpec("b", needs=("a",))
UNSERVED = dict.fromkeys(("a", "b"), Code.UNSERVED_QUEUE)


def test_a_task_waits_for_the_needs_that_have_not_succeeded() -> None:
    specs = [TaskSpec(f"need {n}") for n in range(6)]
    last = TaskSpec("last", needs=tuple(spec.task_id for spec in specs))
    state = state_of(*specs, last, events=[ended(0, Outcome.SUCCEEDED)])
    task = look(state)["last"]
    assert task.state is UnfinishedState.WAITING
    assert task.waits_for == ("need 1", "need 2", "need 3", "need 4", "need 5")
    assert task.text == (
        "waits for 'need 1', 'need 2', 'need 3' and 2 more, 5 of the 6 tasks that it needs"
    )


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
    assert (task.text, task.code) == (f"runs on {WORKER} for 30 s", Code.RUNNING)


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
    tasks = look(state, None if is_out else unled(), sent=sent, unserved=UNSERVED)
    assert (tasks["a"].state, tasks["a"].text) == (
        UnfinishedState.UNSERVED,
        "has no worker that serves it in namespace 'n': none knows it",
    )
    assert tasks["b"].state is UnfinishedState.WAITING, "what it waits for comes first"


def test_a_running_task_is_not_unserved_although_no_other_worker_serves_it() -> None:
    state = state_of(A, events=[AttemptFoundOutstanding(0, 1)])
    task = look(state, taken={0: Taken(WORKER, NOW)}, unserved=UNSERVED)["a"]
    assert task.state is UnfinishedState.RUNNING


def test_a_retry_has_its_cause_and_its_start() -> None:
    again = TaskSpec("a", retry=RetryPolicy(max_retries=3, delay=10.0, jitter=0.0))
    state = state_of(again, events=[ended(0, Outcome.FAILED, at=NOW - 4)])
    task = look(state)["a"]
    assert (task.state, task.attempt, task.due_at) == (UnfinishedState.RETRYING, 2, NOW + 6)
    assert task.text == "is tried again in 6 s: attempt 1 ended: ValueError: not yet"
    late = look(state_of(again, events=[ended(0, Outcome.FAILED, at=NOW - 40)]), unled())["a"]
    assert "when a coordinator leads the run" in late.text
    assert (late.state, late.due_at) == (UnfinishedState.RETRYING, NOW - 30)


def test_a_ready_task_waits_for_a_leader_or_for_a_free_slot() -> None:
    assert "when a coordinator leads the run" in look(state_of(A), unled())["a"].text
    state = state_of(A, TaskSpec("c"), events=[AttemptFoundOutstanding(1, 1)], limit=1)
    task = look(state, sent={1: Sent(1, NOW)})["a"]
    assert (task.state, task.code) == (UnfinishedState.READY, Code.LIMIT_OF_RUN)
    assert task.text == (
        "is sent when there is room: 1 of the run is out, its limit is 1; the oldest: 'c'"
    )


def test_a_stopping_run_starts_nothing() -> None:
    events: list[Event] = [AttemptFoundOutstanding(0, 1), CancelRequested(NOW, "no", "ann")]
    tasks = look(state_of(A, B, events=events), sent={0: Sent(1, NOW)}, unserved=UNSERVED)
    why = "the run is being ended: the run was cancelled by ann: no"
    assert tasks["a"].text == f"is taken back: {why}"
    assert tasks["a"].state is UnfinishedState.QUEUED
    assert tasks["b"].text == f"is not started any more: {why}"


def test_what_cleans_up_a_stopping_run_is_started() -> None:
    tidy = TaskSpec("tidy", needs=("a",), tolerant=("a",), always=True)
    events: list[Event] = [AttemptFoundOutstanding(0, 1), CancelRequested(NOW)]
    tasks = look(state_of(A, tidy, events=events), taken={0: Taken(WORKER, NOW)})
    assert (tasks["a"].code, tasks["tidy"].code) == (Code.REVOKED_RUNNING, Code.WAITS_UPSTREAM)


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
    assert places["a"].text == (
        "waits because namespace 'n' is paused by ann: disk is full (1 min 05 s ago)"
    )
    assert places["b"].state is UnfinishedState.WAITING
    taken = {0: Taken(WORKER, NOW - 1)}
    assert look(state, sent=sent, taken=taken, pauses=pauses)["a"].state is UnfinishedState.RUNNING
