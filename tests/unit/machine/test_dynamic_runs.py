"""Random flows with children, tolerant edges, conditions and policies, against the reference."""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from astrum.machine import TaskState
from astrum.machine.task_state import CANCELLED, ENDED
from tests.unit.machine.random_plans import INPUTS, RandomPlan
from tests.unit.machine.random_run import RandomRun, flat
from tests.unit.machine.reference import End, Index, Reference, Tree

seeds = st.integers(0, 2**40)
MEANS = {"halted": ("skipped", "blocked")}


def expected(run: RandomRun) -> Reference:
    """What the reference says; attempts ended as they did, or would have."""

    def attempt(task_id: str, index: Index) -> End:
        known = run.results.get((task_id, index))
        return known or run.of.fate(task_id, index, run.opening).end

    return Reference(run.plan, attempt, INPUTS)


def disagreements(run: RandomRun, reference: Reference, *, stopped: bool = False) -> list[str]:
    found = []
    for task, spec in enumerate(run.plan.tasks):
        found += compare(run, task, (), reference.trees[spec.task_id], stopped)
    return found


def compare(run: RandomRun, task: int, index: Index, tree: Tree, stopped: bool) -> list[str]:
    tasks, states = run.state.tasks, run.state.states
    spec = run.plan.tasks[task]
    if isinstance(tree, list):
        return [
            text
            for i, below in enumerate(tree)
            for text in compare(run, task, (*index, i), below, stopped)
        ]
    if tree.state in ("?", "torn"):
        return []
    number = tasks.find(task, index)
    if number is None:
        if index and tree.state == "succeeded" and not stopped:
            return [f"{spec.task_id}{index} was not there"]
        if index or stopped:
            return []  # it has no children, and all of them end as the task itself
        number = task
    state = TaskState(states[number]).name.lower()
    if state in MEANS.get(tree.state, (tree.state,)) or (
        stopped and (state == "cancelled" or (state == "skipped" and spec.always))
    ):
        return []
    if state not in ENDED_NAMES and (not spec.awaited or (stopped and run.plan.is_plain)):
        return []
    return [f"{tasks.name(number)} is {state}, not {tree.state}"]


ENDED_NAMES = {TaskState(state).name.lower() for state in ENDED}


def is_certain(tree: Tree) -> bool:
    if isinstance(tree, End):
        return tree.state != "?"
    return all(map(is_certain, tree))


@settings(max_examples=200)
@given(seed=seeds)
def test_runs_that_do_not_stop_end_as_the_reference_says(seed: int) -> None:
    check_run(seed)


@settings(max_examples=200)
@given(seed=seeds)
def test_runs_that_stop_clean_up_once_and_end_as_far_as_the_reference_says(seed: int) -> None:
    check_stopped(seed)


@settings(max_examples=100)
@given(seed=seeds)
def test_reopened_runs_run_what_was_named_until_all_has_succeeded(seed: int) -> None:
    check_reopened(seed)


def check_run(seed: int) -> None:
    run = RandomRun(RandomPlan(seed), seed)
    random = Random(seed)
    run.check()
    while not run.finishes:
        assert run.step(), "it stalls"
        run.check()
        if random.random() < 0.1 and not run.finishes:
            run.lead_anew()
            run.check()
        if random.random() < 0.3:
            run.check_replay()
    reference = expected(run)
    assert disagreements(run, reference) == []
    if reference.state == "failed" or all(map(is_certain, reference.trees.values())):
        assert run.finishes == [reference.state]


def check_stopped(seed: int) -> None:
    """Runs that stop at some time, or whose failures stop them."""
    run = RandomRun(RandomPlan(seed, ("stop", "continue", "ignore")), seed)
    random = Random(seed)
    requests = random.choice([0, 0, 1])
    run.check()
    while not run.finishes:
        if requests and random.random() < 0.15:
            requests -= 1
            run.stop()
        elif run.state.stopping and random.random() < 0.02:
            run.stop_cleanup()
        else:
            assert run.step(), "it stalls"
        run.check()
        if random.random() < 0.15 and not run.finishes:
            run.lead_anew()
            run.check()
        if random.random() < 0.3:
            run.check_replay()
    run.check_replay()
    reference = expected(run)
    assert disagreements(run, reference, stopped=run.state.stopping) == []
    if not run.state.attempt_log.stop_reason and (
        reference.state == "failed" or all(map(is_certain, reference.trees.values()))
    ):
        assert run.finishes == [reference.state]
    check_cleanup(run)


def check_cleanup(run: RandomRun) -> None:
    """Tasks that clean up ran, unless values that they require are missing."""
    if run.state.attempt_log.cleanup_stopped:
        return
    states, tasks = run.state.states, run.state.tasks
    for number, spec in enumerate(run.plan.tasks):
        if not spec.always or spec.max_failed is not None:
            continue
        for task in flat(tasks.below(number, ())) if spec.axes else [number]:
            assert states[task] in ENDED
            assert states[task] != CANCELLED
            if not set(spec.needs) - set(spec.tolerant):
                assert states[task] != TaskState.BLOCKED
                assert run.state.attempts[task] > 0, "it did not run"


def check_reopened(seed: int) -> None:
    """Runs that end in any way, and are reopened until all has succeeded."""
    random = Random(seed)
    run = RandomRun(RandomPlan(seed, ("stop", "continue", "ignore"), tails=False), seed)
    finish(run, random)
    run.end_tails()
    for opening in range(4):
        run.of.all_succeed = opening >= 2
        numbers = range(len(run.ended.states))
        is_named = opening < 2 and random.random() < 0.5
        named = random.sample(numbers, min(2, len(numbers))) if is_named else []
        again = run.ended.tasks_to_run(named)
        if again:
            reopen(run, random, named, again)
    assert not [task for task in run.ended.tasks_to_run() if run.ended.tasks.spec(task).awaited]
    assert disagreements(run, expected(run)) == []
    assert run.finishes == ["completed"] or run.state.stopping


def reopen(run: RandomRun, random: Random, named: list[int], again: list[int]) -> None:
    """Only what was named runs again; all else keeps its end."""
    before = bytes(run.ended.states)
    done = set(run.dispatched)
    run.reopen(named)
    finish(run, random)
    run.end_tails()
    began = {task for task, _ in run.dispatched - done}
    of_before = set(range(len(before))) - set(run.left_over)
    assert not began & of_before - set(again)
    for task in of_before - set(again):
        if before[task] in ENDED and not is_forgotten(run, task):
            assert run.state.states[task] == before[task]


def is_forgotten(run: RandomRun, task: int) -> bool:
    tasks = run.state.tasks
    return tasks.find(tasks.template(task), tasks.index(task)) != task


def finish(run: RandomRun, random: Random) -> None:
    while not run.finishes:
        if run.opening < 2 and random.random() < 0.05:
            run.stop()
        else:
            assert run.step(), "it stalls"
        if random.random() < 0.2 and not run.finishes:
            run.lead_anew()
        if random.random() < 0.1:
            run.check_replay()
    run.check_replay()
