"""The display's data of a run, and the text that it makes of them."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterable

import pytest

from astrum.machine import AttemptSettled, Event, Failure, Outcome, RetryFellDue, RunState
from astrum.planning.plan import Plan, TaskSpec
from astrum.planning.retry_policy import RetryPolicy
from astrum_coordinator.display.frame import Bar, StageBars
from astrum_coordinator.display.live_view import LineFace, ProgressDisplay
from astrum_coordinator.display.progress import NOTICES_KEPT, RunProgress

WHY = Failure(("builtins.ValueError", "builtins.Exception"), "no luck\nat all")


def plan_of(*specs: TaskSpec) -> Plan:
    return Plan("test", specs)


def settled(task: int, attempt: int = 1, outcome: Outcome = Outcome.SUCCEEDED) -> AttemptSettled:
    failure = None if outcome is Outcome.SUCCEEDED else WHY
    return AttemptSettled(task, attempt, outcome, 1.0, 2.0, 2.0, "", failure)


class Host:
    """Feeds a state machine and an observer, as the hosts do."""

    def __init__(self, plan: Plan, history: Iterable[Event] = ()) -> None:
        self.progress = RunProgress()
        self.state = RunState(plan)
        for event in history:
            self.state.handle(event)
        self.progress.observe(self.state, None, self.state.start())

    def feed(self, *events: Event) -> RunProgress:
        for event in events:
            self.progress.observe(self.state, event, self.state.handle(event))
        return self.progress


A_B = plan_of(TaskSpec(task_id="a"), TaskSpec(task_id="b", needs=("a",)))
RETRIED = plan_of(TaskSpec(task_id="a", retry=RetryPolicy(1)))


def test_tasks_are_counted_by_stage_as_they_succeed() -> None:
    host = Host(A_B)
    assert (host.progress.total, host.progress.running_count) == (2, 1)
    progress = host.feed(settled(0))
    assert [stage.ended for stage in progress.stages] == [1, 0]
    assert [running.task for running in progress.oldest_running(5)] == [1]
    progress = host.feed(settled(1))
    assert (progress.succeeded, progress.running_count, progress.final) == (2, 0, "completed")


def test_a_repeated_event_is_not_counted_twice() -> None:
    progress = Host(A_B).feed(settled(0), settled(0))
    assert (progress.succeeded, [stage.ended for stage in progress.stages]) == (1, [1, 0])


def test_a_late_event_of_an_earlier_attempt_gives_no_notice() -> None:
    host = Host(RETRIED)
    progress = host.feed(settled(0, 1, Outcome.FAILED), settled(0, 1, Outcome.FAILED))
    assert len(progress.take_notices(10)) == 1


def test_a_retry_and_a_final_failure_are_different_notices() -> None:
    host = Host(RETRIED)
    progress = host.feed(settled(0, 1, Outcome.FAILED), settled(0, 2, Outcome.FAILED))
    notices = progress.take_notices(10)
    assert [(notice.kind, notice.attempt) for notice in notices] == [("retried", 1), ("failed", 2)]
    assert (progress.retried, progress.failed) == (1, 1)


def test_a_resumed_run_begins_with_the_counts_of_its_history() -> None:
    progress = Host(A_B, [settled(0)]).progress
    assert (progress.inherited, progress.succeeded) == (1, 1)
    assert [stage.ended for stage in progress.stages] == [1, 0]
    assert [running.task for running in progress.oldest_running(5)] == [1]


def test_attempts_waiting_for_their_retry_do_not_run() -> None:
    host = Host(plan_of(TaskSpec(task_id="a", retry=RetryPolicy(1, delay=5.0))))
    assert host.feed(settled(0, 1, Outcome.FAILED)).running_count == 0
    assert host.feed(RetryFellDue(0, 1)).running_count == 1


def test_notices_are_bounded_and_the_dropped_ones_counted() -> None:
    count = NOTICES_KEPT + 7
    retry = RetryPolicy(1)
    host = Host(plan_of(*(TaskSpec(task_id=f"t{i}", retry=retry) for i in range(count))))
    progress = host.feed(*(settled(i, 1, Outcome.FAILED) for i in range(count)))
    assert len(progress.take_notices(2 * count)) == NOTICES_KEPT
    assert (progress.take_left_out(), progress.take_left_out()) == (7, 0)


# --- bars ---------------------------------------------------------------------------------


def chain_progress(stages: int, done: int) -> RunProgress:
    specs = [TaskSpec(task_id=f"t{i}", needs=(f"t{i - 1}",) if i else ()) for i in range(stages)]
    return Host(plan_of(*specs)).feed(*(settled(i) for i in range(done)))


def test_few_stages_have_a_bar_each() -> None:
    rows = StageBars().rows(chain_progress(3, 1))
    assert rows == [Bar("stage 0", 1, 1), Bar("stage 1", 0, 1), Bar("stage 2", 0, 1)]


@pytest.mark.parametrize("done", [0, 1, 2, 50, 92, 93, 94, 99, 100])
def test_many_stages_share_eight_bars_that_hold_every_task(done: int) -> None:
    rows = StageBars().rows(chain_progress(100, done))
    assert len(rows) == 8
    assert (sum(bar.ended for bar in rows), sum(bar.total for bar in rows)) == (done, 100)


def test_the_active_stage_has_its_own_bar() -> None:
    rows = StageBars().rows(chain_progress(100, 50))
    assert rows[0] == Bar("stages 0 to 49", 50, 50)
    assert rows[1] == Bar("stage 50", 0, 1)
    assert rows[-1] == Bar("stages 56 to 99", 0, 44)


# --- lines --------------------------------------------------------------------------------


def test_the_start_and_every_failure_are_one_line_each() -> None:
    out = io.StringIO()
    host = Host(RETRIED)
    with ProgressDisplay(host.progress, LineFace(out)):
        host.feed(settled(0, 1, Outcome.FAILED), settled(0, 2, Outcome.FAILED))
    assert out.getvalue().splitlines() == [
        "1 task in 1 stage",
        "task 'a' attempt 1 failed: ValueError: no luck; 0 retries left",
        "task 'a' failed in attempt 2: ValueError: no luck",
    ]


def test_long_work_prints_a_line_at_intervals_if_something_changed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out, host = io.StringIO(), Host(A_B)
    face = LineFace(out)
    elapsed = {"s": 0.0}
    monkeypatch.setattr(RunProgress, "watched_s", property(lambda self: elapsed["s"]))
    for elapsed["s"] in (1.0, 5.0, 6.0, 10.0, 100.0):
        face.show(host.progress)
    host.feed(settled(0))
    elapsed["s"] = 300.0
    face.show(host.progress)
    assert out.getvalue().splitlines()[1:] == [
        "0 of 2 done, 1 running after 5.0 s",
        "1 of 2 done, 1 running after 5 min 00 s",
    ]


class BlockedFace:
    """A terminal that takes nothing."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.released = threading.Event()

    def begin(self) -> None: ...

    def show(self, progress: RunProgress) -> None:
        self.reached.set()
        self.released.wait()

    def end(self, progress: RunProgress) -> None: ...


def test_a_blocked_terminal_does_not_hold_up_the_run() -> None:
    face, host = BlockedFace(), Host(A_B)
    with ProgressDisplay(host.progress, face):
        assert face.reached.wait(10)
        assert host.feed(settled(0), settled(1)).final == "completed"
        face.released.set()
