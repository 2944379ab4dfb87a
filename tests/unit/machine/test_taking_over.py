"""Which tasks a new run takes over from an earlier one, and why not the others."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from astrum.data_transport.bindings import Binding
from astrum.machine import (
    AttemptSettled,
    CancelRequested,
    Event,
    Finish,
    Outcome,
    Reopened,
    RunState,
    TaskReused,
)
from astrum.machine.taking_over import OldRun, Wishes, take_over
from astrum.planning import Plan, TaskSpec
from tests.unit.machine.events_of import A, B, C, end, fails

CODE = f"{'a' * 16}.{'c' * 16}"
FIXED = f"{'b' * 16}.{'c' * 16}"


def spec(name: str, *reads: str, code: str = CODE, after: Sequence[str] = ()) -> TaskSpec:
    """Return a task that reads results of tasks, and inputs, which have upper case letters."""
    bindings = tuple(
        Binding(source.lower(), source, (), "input" if source.isupper() else "task")
        for source in reads
    )
    needs = tuple(source for source in reads if source.islower())
    return TaskSpec(name, (*needs, *after), bindings, fingerprint=code)


def plan(*specs: TaskSpec, code: str = "") -> Plan:
    return Plan("flow", specs, code=code)


CHAIN = plan(spec("a"), spec("b", "a"), spec("c", "b"))
ALL = [end(A), end(B), end(C)]


def earlier(
    events: Sequence[Event],
    of: Plan = CHAIN,
    *,
    is_open: bool = False,
    changed: Collection[str] = (),
) -> OldRun:
    state = RunState(of, run_key="r")
    for event in events:
        state.handle(event)
    return OldRun("july", state, is_open, changed)


def reasons(
    old: OldRun, new: Plan, trust: Collection[str] = (), again: Collection[str] = ()
) -> list[str]:
    return take_over(old, new, Wishes(trust, again)).reasons


def test_all_that_succeeded_is_taken_over_if_nothing_has_changed() -> None:
    assert reasons(earlier(ALL), CHAIN) == ["", "", ""]


def test_what_did_not_succeed_runs_and_says_how_it_ended() -> None:
    of = plan(spec("a"), spec("b"), spec("c", "b"))
    history: list[Event] = [end(A), fails(B)]
    assert reasons(earlier(history, of), of) == [
        "",
        "it failed in run july",
        "it did not run in run july",
    ]
    cancelled: list[Event] = [CancelRequested(1.0), end(A, outcome=Outcome.CANCELLED)]
    assert reasons(earlier(cancelled, of), of)[A] == "it was cancelled in run july"


def test_of_an_open_run_only_what_has_succeeded_by_now_is_taken_over() -> None:
    old = earlier([end(A)], is_open=True)
    assert reasons(old, CHAIN) == [
        "",
        "it has not succeeded yet in run july",
        "it has not succeeded yet in run july",
    ]


def test_a_task_with_other_code_runs_with_all_that_needs_it() -> None:
    new = plan(spec("a"), spec("b", "a", code=FIXED), spec("c", "b"))
    assert reasons(earlier(ALL), new) == [
        "",
        "its code has changed: another version of its source",
        "it needs 'b', which runs",
    ]


def test_a_task_that_only_waits_for_one_that_runs_runs_too() -> None:
    of = plan(spec("a"), spec("b", after=["a"]))
    new = plan(spec("a", code=FIXED), spec("b", after=["a"]))
    assert reasons(earlier([end(A), end(B)], of), new)[B] == "it needs 'a', which runs"


def test_trust_takes_a_task_over_in_spite_of_other_code_and_nothing_else() -> None:
    new = plan(spec("a", code=FIXED), spec("b", "a", code=FIXED), spec("c", "b"))
    assert reasons(earlier(ALL), new, trust=["a", "b"]) == ["", "", ""]
    assert reasons(earlier(ALL), new, trust=["b"])[B] == "it needs 'a', which runs"
    assert reasons(earlier([end(A)]), new, trust=["a", "b"])[B] == "it did not run in run july"
    other = plan(spec("a"), spec("b", "a"), replace_source(spec("c", "b"), "a"))
    reason = "its parameter 'b' reads something else"
    assert reasons(earlier(ALL), other, trust=["c"])[C] == reason


def replace_source(one: TaskSpec, source: str) -> TaskSpec:
    [binding] = one.bindings
    return one._replace(bindings=(binding._replace(source=source),), needs=(source,))


def test_again_runs_a_task_and_all_that_needs_it() -> None:
    assert reasons(earlier(ALL), CHAIN, again=["b"]) == [
        "",
        "you said so",
        "it needs 'b', which runs",
    ]


def test_a_new_task_runs_and_so_does_what_reads_another_part() -> None:
    [a, b, c] = CHAIN.tasks
    part = b.bindings[0]._replace(path=("rows",))
    new = plan(a, spec("new"), b._replace(bindings=(part,)), c)
    assert reasons(earlier(ALL), new) == [
        "",
        "run july has no such task",
        "its parameter 'a' reads something else",
        "it needs 'b', which runs",
    ]


def test_the_order_of_tasks_and_bindings_does_not_count() -> None:
    of = plan(spec("a"), spec("b"), spec("c", "a", "b"))
    new = plan(spec("b"), spec("a"), spec("c", "b", "a"))
    assert reasons(earlier(ALL, of), new) == ["", "", ""]


def test_a_default_for_an_absent_part_that_is_new_counts() -> None:
    of = plan(spec("a"), spec("b", "a"))
    new = plan(spec("a"), spec("b", "a")._replace(optional=("a",)))
    assert reasons(earlier(ALL[:2], of), new)[B] == "its parameter 'a' reads something else"


def test_another_value_of_an_input_counts_for_the_tasks_that_read_it() -> None:
    of = plan(spec("a", "DAY"), spec("b", "LIMIT"), spec("c", "a"))
    old = earlier(ALL, of, changed=["DAY"])
    assert reasons(old, of) == [
        "the input 'DAY' has another value",
        "",
        "it needs 'a', which runs",
    ]


@pytest.mark.parametrize("side", [0, 1])
def test_without_fingerprints_nothing_is_known_of_the_code(side: int) -> None:
    unknown = plan(spec("a", code=""))
    pair = [plan(spec("a")), unknown][:: -1 if side else 1]
    old = earlier([end(A)], pair[0])
    assert reasons(old, pair[1])[A].startswith("its code is not known")
    assert reasons(old, pair[1], trust=["a"]) == [""]


def by_code(code: str) -> AttemptSettled:
    return end(A)._replace(code=code)


def test_what_ran_with_other_code_than_the_plans_counts_by_that_code() -> None:
    new = plan(spec("a", code=FIXED), code="f" * 16)
    old_plan = plan(spec("a"), code="0" * 16)
    assert reasons(earlier([by_code("f" * 16)], old_plan), new) == [""]
    assert reasons(earlier([by_code("f" * 16)], old_plan), old_plan) == [
        f"it ran with other code than its plan's: {'f' * 16}"
    ]


def test_a_task_that_was_itself_taken_over_is_taken_over_again() -> None:
    assert reasons(earlier([TaskReused(A, "june"), end(B), end(C)]), CHAIN) == ["", "", ""]


# --- seeds in the state machine -------------------------------------------------------------


def seeded(*events: Event) -> RunState:
    state = RunState(CHAIN, run_key="r")
    for event in events:
        state.handle(event)
    return state


def test_a_run_whose_tasks_are_all_taken_over_is_over_at_once() -> None:
    state = seeded(*[TaskReused(task, "july") for task in (A, B, C)])
    assert state.start() == [Finish("completed")]
    assert state.attempt_log.reused == {A: "july", B: "july", C: "july"}
    assert state.attempt_log.settled == []


def test_a_seed_before_its_needs_does_not_count() -> None:
    assert seeded(TaskReused(B, "july"), TaskReused(A, "july")).attempt_log.reused == {A: "july"}


def test_a_seed_after_an_attempt_does_not_count() -> None:
    handed_back = end(A, outcome=Outcome.HANDED_BACK)
    assert seeded(handed_back, TaskReused(A, "july")).attempt_log.reused == {}


def test_a_reused_task_that_is_named_runs_again_in_a_reopened_run() -> None:
    seeds = [TaskReused(A, "july"), TaskReused(B, "july")]
    state = seeded(*seeds, end(C), Reopened((B,), 2.0))
    state.start()
    assert state.attempt_log.reused == {A: "july"}
    assert list(state.outstanding()) == [(B, 1)]


# --- any plans ------------------------------------------------------------------------------

CODES = st.sampled_from([CODE, FIXED, ""])


@st.composite
def flows(draw: st.DrawFn) -> Plan:
    specs: list[TaskSpec] = []
    for name in draw(st.permutations("abcdef"))[: draw(st.integers(1, 6))]:
        known = [one.task_id for one in specs]
        sources = draw(st.sets(st.sampled_from([*known, "X", "Y"]), max_size=2))
        after = draw(st.sets(st.sampled_from(known), max_size=1)) if known else set()
        extra = sorted(after - sources)
        specs.append(spec(name, *sorted(sources), code=draw(CODES), after=extra))
    return plan(*specs)


NAMES = st.sets(st.sampled_from("abcdef"), max_size=2)


@given(flows(), flows() | st.none(), st.data(), NAMES, NAMES, st.sets(st.sampled_from("XY")))
def test_a_task_is_taken_over_exactly_if_it_would_compute_the_same(
    old_plan: Plan,
    other: Plan | None,
    data: st.DataObject,
    trust: set[str],
    again: set[str],
    changed: set[str],
) -> None:
    new = other or old_plan
    state = RunState(old_plan)
    for task in range(len(old_plan.tasks)):
        if data.draw(st.integers(0, 3)):
            state.handle(end(task))
    found = reasons(OldRun("july", state, changed_inputs=changed), new, trust, again)

    before = {one.task_id: one for one in old_plan.tasks}
    taken: set[str] = set()
    for one in new.tasks:
        old = before.get(one.task_id)
        if (
            old is not None
            and state.states[old_plan.index[one.task_id]] == 4
            and one.task_id not in again
            and (one.task_id in trust or (old.fingerprint == one.fingerprint != ""))
            and set(old.bindings) == set(one.bindings)
            and not changed & {binding.source for binding in one.bindings}
            and taken >= set(one.needs)
        ):
            taken.add(one.task_id)
    assert {one.task_id for one, why in zip(new.tasks, found, strict=True) if not why} == taken


@given(flows(), st.data())
def test_a_run_of_seeds_dispatches_exactly_what_is_not_taken_over(
    of: Plan, data: st.DataObject
) -> None:
    old = RunState(of)
    for task in range(len(of.tasks)):
        if data.draw(st.booleans()):
            old.handle(end(task))
    known = replace(of, tasks=tuple(one._replace(fingerprint=CODE) for one in of.tasks))
    found = reasons(OldRun("july", replayed(known, old)), known)
    new = RunState(known)
    for task, why in enumerate(found):
        if not why:
            new.handle(TaskReused(task, "july"))
    assert set(new.attempt_log.reused) == {task for task, why in enumerate(found) if not why}


def replayed(of: Plan, like: RunState) -> RunState:
    state = RunState(of)
    for event in like.attempt_log.settled:
        state.handle(event)
    return state
