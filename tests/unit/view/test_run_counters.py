"""The counters of a run agree with its state after every event, in whatever way tasks end."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from astrum.machine import (
    AttemptSettled,
    CancelRequested,
    Dispatch,
    Event,
    Failure,
    Outcome,
    Released,
    Reopened,
    RetryFellDue,
    RunState,
)
from astrum.machine.events import ScheduleRetry
from astrum.machine.task_state import ENDED, FAILED, TaskState
from astrum.planning.axes import Axis, Condition, ListSource, Watch
from astrum.planning.plan import OnFailure, OnLost, Plan, TaskSpec
from astrum.planning.retry_policy import RetryPolicy
from astrum.view.progress.run_counters import RunCounters

BROKEN = Failure(("builtins.ValueError",), "no")
ITEMS = (Axis((ListSource("files"),)),)
FILES = TaskSpec("files", watches=(Watch("length"),))


def ended(
    task: int, outcome: Outcome = Outcome.SUCCEEDED, attempt: int = 1, seen: Sequence[int] = ()
) -> AttemptSettled:
    failure = BROKEN if outcome in (Outcome.FAILED, Outcome.LOST) else None
    return AttemptSettled(task, attempt, outcome, 1.0, 2.0, 2.0, "w", failure, seen=tuple(seen))


class Watched:
    """A run with its counters, as a host feeds them."""

    def __init__(self, *specs: TaskSpec) -> None:
        self.state = RunState(Plan("counted", specs))
        self.counters = RunCounters(lambda: 0.0)
        self.commands = self.state.start()
        self.counters.observe(self.state, None, self.commands)

    def feed(self, *events: Event) -> RunCounters:
        for event in events:
            commands = self.state.handle(event)
            self.commands += commands
            self.counters.observe(self.state, event, commands)
        return self.counters


def mapped(**policy: object) -> TaskSpec:
    return TaskSpec("parse", ("files",), axes=ITEMS)._replace(**policy)  # type: ignore[arg-type]


def test_children_that_are_blocked_without_an_attempt_fill_their_bar() -> None:
    load = TaskSpec("load", ("files", "parse"), axes=ITEMS)
    run = Watched(FILES, mapped(on_failure="continue"), load)
    counters = run.feed(ended(0, seen=(4,)), ended(3, Outcome.FAILED), ended(4, Outcome.FAILED))
    assert counters.children[1].counts == (2, 4, 2)
    assert counters.children[2].counts == (2, 4, 0)
    assert (counters.failed, counters.blocked, counters.ended) == (2, 2, 5)


def test_children_that_are_skipped_as_soon_as_they_are_known_fill_their_bar() -> None:
    """The condition on a task that has ended before leaves nothing to run."""
    switch = TaskSpec("switch", watches=(Watch("truth"),))
    specs = (
        switch,
        FILES,
        mapped(needs=("files", "switch"), conditions=(Condition("switch", 0, 1),)),
    )
    run = Watched(*specs)
    counters = run.feed(ended(0, seen=(0,)), ended(1, seen=(5,)))
    assert counters.children[2].counts == (5, 5, 0)
    assert (counters.skipped, counters.total) == (5, 7)


def test_an_empty_list_leaves_no_task_behind() -> None:
    counters = Watched(FILES, mapped(), TaskSpec("total", ("parse",))).feed(ended(0, seen=(0,)))
    assert [stage.counts for stage in counters.stages] == [(1, 1, 0), (0, 0, 0), (0, 1, 0)]
    assert counters.total == 2


def test_a_mapped_task_that_ends_before_it_has_children_counts_as_one() -> None:
    files = FILES._replace(on_failure="continue")
    counters = Watched(files, mapped()).feed(ended(0, Outcome.FAILED))
    assert [stage.counts for stage in counters.stages] == [(1, 1, 1), (1, 1, 0)]


def test_a_held_task_that_is_released_with_a_result_has_succeeded() -> None:
    run = Watched(TaskSpec("pay", on_lost="hold"))
    counters = run.feed(ended(0, Outcome.LOST), Released(0, "succeed", 3.0))
    assert (counters.succeeded, counters.lost, counters.failed) == (1, 1, 0)
    run.feed(Released(0, "succeed", 4.0))
    assert counters.succeeded == 1


def test_a_result_that_does_not_fit_is_a_failure() -> None:
    counters = Watched(FILES, mapped()).feed(ended(0))  # the length was not seen
    assert (counters.succeeded, counters.failed) == (0, 1)


def test_a_reopened_run_is_counted_again() -> None:
    """A follower reads the reopening in history."""
    state = RunState(Plan("counted", (TaskSpec("a"), TaskSpec("b"))))
    counters = RunCounters(lambda: 0.0)
    counters.observe(state, None, ())
    events = (ended(0, Outcome.FAILED), ended(1), Reopened((), 5.0))
    for event in events:
        state.handle(event)
        counters.observe(state, event, [Dispatch(1, 1)] if event is events[0] else [])
    assert (counters.failed, counters.succeeded, counters.ended) == (0, 1, 1)


def random_specs(chosen: random.Random) -> list[TaskSpec]:
    """Return a flow with lists, gathers, policies, clean-up and retries."""
    policies: tuple[OnFailure, ...] = ("stop", "continue", "ignore")
    losses: tuple[OnLost, ...] = ("retry", "fail", "hold")
    specs = [FILES._replace(on_failure=chosen.choice(policies))]
    names = ["files"]
    for number in range(chosen.randint(1, 7)):
        needs = tuple(dict.fromkeys(chosen.choices(names, k=chosen.randint(1, 2))))
        axes = ITEMS if chosen.random() < 0.5 else ()
        if axes:
            needs = tuple(dict.fromkeys(("files", *needs)))
        spec = TaskSpec(
            f"t{number}",
            needs,
            axes=axes,
            on_failure=chosen.choice(policies),
            on_lost=chosen.choice(losses),
            retry=RetryPolicy(chosen.choice((0, 1)), delay=chosen.choice((0.0, 1.0))),
            max_failed=1 if axes and chosen.random() < 0.3 else None,
            always=chosen.random() < 0.2,
            tolerant=needs if chosen.random() < 0.3 else (),
        )
        specs.append(spec)
        names.append(spec.task_id)
    return specs


def check(counters: RunCounters, state: RunState) -> None:
    """Compare with what a whole look at the state finds."""
    by_state = state.counts()
    for ending in ENDED:
        assert counters._ended_as[ending] == by_state[ending], TaskState(ending).name
    for task, ends in counters.children.items():
        states = [state.states[child] for child in state.tasks.children(task)]
        known = sum(now in ENDED for now in states), len(states), states.count(FAILED)
        assert ends.counts == known
    assert counters.total == by_state.total() == sum(stage.total for stage in counters.stages)
    assert counters.ended == sum(stage.ended for stage in counters.stages)
    assert counters.running_count == state.outstanding_count


@pytest.mark.parametrize("seed", range(60))
def test_counters_agree_with_the_state_after_every_event(seed: int) -> None:
    chosen = random.Random(seed)
    run = Watched(*random_specs(chosen))
    likely = (Outcome.SUCCEEDED,) * 5 + (Outcome.FAILED, Outcome.LOST, Outcome.SKIPPED)
    taken = 0
    while taken < len(run.commands) and run.state.finished is None:
        command = run.commands[taken]
        taken += 1
        if isinstance(command, ScheduleRetry):
            run.feed(RetryFellDue(command.task, command.attempt))
        elif isinstance(command, Dispatch):
            outcome = chosen.choice(likely)
            seen = (3,) if command.task == 0 and outcome is Outcome.SUCCEEDED else ()
            run.feed(ended(command.task, outcome, command.attempt, seen))
        check(run.counters, run.state)
        if chosen.random() < 0.01:
            run.feed(CancelRequested(3.0))
            check(run.counters, run.state)


def test_what_went_wrong_before_is_counted_as_if_it_was_seen() -> None:
    """An attempt that was handed back is none of it, although another one follows."""
    broken = Failure(("builtins.ValueError", "builtins.Exception"), "no")
    spec = TaskSpec("a", retry=RetryPolicy(3, delay=0.0))
    run = Watched(spec, TaskSpec("b", on_failure="continue"))
    events: list[Event] = [ended(1, Outcome.FAILED)]
    outcomes = (Outcome.HANDED_BACK, Outcome.LOST, Outcome.FAILED, Outcome.TIMED_OUT)
    for attempt, outcome in enumerate(outcomes, 1):
        events.append(ended(0, outcome, attempt=attempt)._replace(failure=broken))
        events.append(RetryFellDue(0, attempt))
    seen = run.feed(*events)
    assert (seen.retried, seen.lost) == (3, 1)
    late = RunCounters(lambda: 0.0)
    late.observe(run.state, None, ())
    assert (late.retried, late.lost) == (3, 1)
