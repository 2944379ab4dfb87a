"""How long a run will still take, by a clock that the tests move."""

from __future__ import annotations

import pytest

from astrum.machine import AttemptSettled, Outcome, RunState
from astrum.planning.axes import Axis, ListSource, Watch
from astrum.planning.plan import Plan, TaskSpec
from astrum.view.progress.estimate import RunEstimate, Running, families_of, left_by_task
from astrum.view.progress.run_counters import RunCounters

NOT_KNOWN = Running()


class TimedRun:
    """A run whose attempts end when the test says, looked at once a second."""

    def __init__(self, *specs: TaskSpec) -> None:
        self.now = 100.0
        self.state = RunState(Plan("timed", specs))
        self.counters = RunCounters(lambda: self.now)
        self.counters.observe(self.state, None, self.state.start())
        self.estimate = RunEstimate()
        self.look()

    def look(self, running: Running = NOT_KNOWN) -> RunEstimate:
        self.estimate.look(self.counters, self.now, running)
        return self.estimate

    def end(self, *tasks: int, took_s: float, seen: int | None = None) -> None:
        for task in tasks:
            known = () if seen is None else (seen,)
            times = (self.now - took_s, self.now, self.now)
            event = AttemptSettled(task, 1, Outcome.SUCCEEDED, *times, "w", seen=known)
            self.counters.observe(self.state, event, self.state.handle(event))

    def pass_s(self, seconds: int, running: Running = NOT_KNOWN) -> RunEstimate:
        for _ in range(seconds):
            self.now += 1.0
            self.look(running)
        return self.estimate


def fan_out(count: int) -> TimedRun:
    """A run that has begun with a list, whose children have the numbers from 3 on."""
    axes = (Axis((ListSource("files"),)),)
    specs = (
        TaskSpec("files", watches=(Watch("length"),)),
        TaskSpec("parse", ("files",), axes=axes),
        TaskSpec("total", ("parse",)),
    )
    run = TimedRun(*specs)
    run.end(0, took_s=0.1, seen=count)
    return run


def steady(run: TimedRun, seconds: int, a_second: int, took_s: float) -> RunEstimate:
    """Let children end at a steady rate."""
    first = 3 + run.counters.children[1].ended
    for second in range(seconds):
        begin = first + second * a_second
        run.end(*range(begin, begin + a_second), took_s=took_s)
        run.pass_s(1)
    return run.estimate


def test_what_is_left_is_divided_by_what_ran_at_once() -> None:
    """100 ends a second of 0.5 s each: 50 at once."""
    estimate = steady(fan_out(10_000), 30, 100, 0.5)
    assert estimate.rate == pytest.approx(100, rel=0.02)
    assert estimate.left_s == pytest.approx(7_000 / 100, rel=0.05)
    assert estimate.unknown == 1  # nothing tells how long the last task takes


def test_nothing_is_shown_in_the_first_seconds() -> None:
    run = fan_out(10_000)
    assert steady(run, 9, 100, 0.5).left_s is None
    assert steady(run, 3, 100, 0.5).left_s is not None


def test_estimates_that_differ_by_more_than_twice_are_not_shown() -> None:
    run = fan_out(100_000)
    assert steady(run, 20, 100, 0.5).left_s is not None
    assert run.pass_s(2, Running(5_000)).left_s is None
    assert run.pass_s(10, Running(5_000)).left_s is not None


def test_a_list_that_is_not_known_yet_gives_no_estimate() -> None:
    run = TimedRun(
        TaskSpec("files", watches=(Watch("length"),)),
        *[TaskSpec(f"other_{n}") for n in range(50)],
        TaskSpec("parse", ("files",), axes=(Axis((ListSource("files"),)),)),
    )
    run.end(*range(1, 30), took_s=1.0)
    assert run.pass_s(20, Running(4)).left_s is None
    assert left_by_task(run.counters) is None
    run.end(0, took_s=1.0, seen=2)
    assert left_by_task(run.counters) == [0, *[0] * 29, *[1] * 21, 2]


def test_many_tasks_of_unknown_length_give_no_estimate() -> None:
    run = TimedRun(*[TaskSpec(f"a_{n}") for n in range(10)], TaskSpec("b"), TaskSpec("c"))
    run.end(*range(8), took_s=1.0)
    estimate = run.pass_s(15, Running(2))
    assert (estimate.left_s, estimate.unknown) == (None, 2)


def chain(length: int) -> list[TaskSpec]:
    return [TaskSpec(f"t{n}", (f"t{n - 1}",) if n else ()) for n in range(length)]


def test_workers_do_not_shorten_a_chain() -> None:
    """The rest of the path is 5 of 6 s, however many attempts run at once."""
    run = TimedRun(*chain(10))
    run.end(*range(5), took_s=6.0)
    assert run.pass_s(15, Running(8)).left_s == pytest.approx(30.0)
    assert run.pass_s(15, Running(8, {5: 4.0})).left_s == pytest.approx(26.0)


def test_what_long_tasks_have_done_already_counts() -> None:
    """Ten children of a minute, all running: what is left is the rest of the youngest."""
    run = fan_out(15)
    run.end(*range(3, 8), took_s=60.0)
    for second in range(13):
        ages = {child: 20.0 + child + second for child in range(8, 18)}
        estimate = run.pass_s(1, Running(10, ages))
    assert estimate.left_s == pytest.approx(60.0 - 20.0 - 8 - 12)


def test_a_resumed_run_knows_the_means_but_not_the_rate_of_its_history() -> None:
    run = fan_out(1_000)
    run.end(*range(3, 503), took_s=2.0)
    run.estimate = RunEstimate()
    run.look()
    estimate = run.pass_s(12, Running(10))
    assert estimate.rate == 0.0
    assert estimate.left_s == pytest.approx(500 * 2.0 / 10)


def test_another_state_begins_again() -> None:
    run, other = fan_out(1_000), fan_out(10)
    steady(run, 12, 20, 0.5)
    run.estimate.look(other.counters, run.now + 1)
    assert (run.estimate.rate, run.estimate.left_s) == (None, None)


def test_a_family_is_what_differs_in_digits_alone() -> None:
    specs = (TaskSpec("a_1"), TaskSpec("a_22"), TaskSpec("b"), TaskSpec("a_3", queue="gpu"))
    assert families_of(Plan("timed", specs)) == [0, 0, 1, 2]
