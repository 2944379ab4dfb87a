"""Which children a new run takes over from an earlier one, by their numbers in both runs."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from hypothesis import given
from hypothesis import strategies as st

from astrum.machine import AttemptSettled, Outcome, RunState, TaskReused
from astrum.machine.failure import Failure
from astrum.machine.taking_over import OldRun, Taken, Wishes, take_over
from astrum.machine.task_state import READY, SUCCEEDED
from astrum.planning import Plan, TaskSpec
from astrum.planning.axes import Axis, Condition, ListSource, Watch
from tests.unit.machine.random_plans import INPUTS, RandomPlan
from tests.unit.machine.random_run import RandomRun
from tests.unit.machine.test_dynamic_runs import disagreements, expected

CODE, FIXED = f"{'a' * 16}.{'c' * 16}", f"{'b' * 16}.{'c' * 16}"
NO = Failure(("builtins.ValueError",), "no")
DAYS = ListSource("days", (), "input")
LENGTH, TRUTH = Watch("length"), Watch("truth", ("ok",))


def mapped(name: str, source: ListSource, *needs: str, code: str = CODE) -> TaskSpec:
    return TaskSpec(name, needs, axes=(Axis((source,)),), fingerprint=code, on_failure="continue")


LIST = TaskSpec("list", watches=(LENGTH,), fingerprint=CODE)
PARSE = mapped("parse", ListSource("list"), "list")
CHECK = mapped("check", ListSource("list"), "list", "parse")
TOTAL = TaskSpec("total", ("parse",), fingerprint=CODE)
FLOW = Plan("flow", (LIST, PARSE, CHECK, TOTAL))


def ended(
    plan: Plan, fails: set[str], lengths: Mapping[ListSource, int] = MappingProxyType({})
) -> OldRun:
    """Return a run in which lists had three elements and these tasks and children failed."""
    state = RunState(plan, run_key="r", lengths=lengths)
    state.start()
    while ready := list(state.outstanding()):
        task, attempt = ready[0]
        spec, failed = state.tasks.spec(task), state.tasks.name(task) in fails
        seen = () if failed else tuple(3 if w.kind == "length" else 1 for w in spec.watches)
        outcome = Outcome.FAILED if failed else Outcome.SUCCEEDED
        failure = NO if failed else None
        state.handle(AttemptSettled(task, attempt, outcome, 1, 1, 1, "w", failure, seen=seen))
    return OldRun("july", state)


def taken(
    old: OldRun,
    plan: Plan = FLOW,
    wishes: Wishes = Wishes(),  # noqa: B008
    lengths: Mapping[ListSource, int] = MappingProxyType({}),
) -> tuple[dict[str, str], list[str]]:
    """Return the reasons, and what is taken over by name; the numbers must fit both runs."""
    found = take_over(old, plan, wishes, lengths)
    state = replayed(plan, found, lengths)
    names = [state.tasks.name(seed.task) for seed in found.seeds]
    assert [old.state.tasks.name(seed.old_task) for seed in found.seeds] == names
    return dict(zip(plan.index, found.reasons, strict=True)), names


def replayed(plan: Plan, found: Taken, lengths: Mapping[ListSource, int]) -> RunState:
    """Return the state of a new run that has these seeds."""
    state = RunState(plan, lengths=lengths)
    for task, _, seen in found.seeds:
        assert state.states[task] == READY
        state.handle(TaskReused(task, "july", seen=seen))
        assert state.states[task] == SUCCEEDED
    return state


def test_all_children_are_taken_over_with_their_list() -> None:
    reasons, names = taken(ended(FLOW, set()))
    assert set(reasons.values()) == {""}
    parsed, checked = ([f"{name}[{n}]" for n in range(3)] for name in ("parse", "check"))
    assert names == ["list", *parsed, *checked, "total"]


def test_only_the_failed_child_and_what_reads_it_run_again() -> None:
    reasons, names = taken(ended(FLOW, {"parse[1]"}))
    assert names == ["list", "parse[0]", "parse[2]", "check[0]", "check[2]"]
    assert reasons == {
        "list": "",
        "parse": "1 of its 3 children run; of 'parse[1]': it failed in run july",
        "check": "1 of its 3 children run; of 'check[1]': what it needs failed in run july",
        "total": "what it needs failed in run july",
    }


def test_children_of_a_list_that_is_made_again_run() -> None:
    changed = Plan("flow", (LIST._replace(fingerprint=FIXED), PARSE, CHECK, TOTAL))
    reasons, names = taken(ended(FLOW, set()), changed)
    assert names == []
    assert reasons["parse"] == reasons["check"] == "it needs 'list', which runs"
    assert reasons["total"] == "it needs 'parse', which runs"


def test_children_with_other_code_run_and_their_list_is_taken_over() -> None:
    changed = Plan("flow", (LIST, PARSE._replace(fingerprint=FIXED), CHECK, TOTAL))
    reasons, names = taken(ended(FLOW, set()), changed)
    assert names == ["list"]
    assert reasons["parse"].startswith("its code has changed")
    assert reasons["check"] == "it needs 'parse[0]', which runs"
    assert reasons["total"] == "it needs 'parse', which runs"
    assert taken(ended(FLOW, set()), changed, Wishes(trust=["parse"]))[0]["total"] == ""


def test_children_of_an_input_are_taken_over_only_if_it_is_the_same() -> None:
    plan = Plan("flow", (mapped("parse", DAYS), TaskSpec("total", ("parse",), fingerprint=CODE)))
    old = ended(plan, {"parse[2]"}, {DAYS: 3})
    assert taken(old, plan, lengths={DAYS: 3})[1] == ["parse[0]", "parse[1]"]
    other = old._replace(changed_inputs=["days"])
    reasons, names = taken(other, plan, lengths={DAYS: 5})
    assert (reasons["parse"], names) == ("the input 'days' has another value", [])


def test_children_of_a_changed_input_are_taken_over_where_their_elements_are_the_same() -> None:
    check = TaskSpec("check", ("parse",), axes=(Axis((DAYS,)),), fingerprint=CODE)
    total = TaskSpec("total", ("check",), fingerprint=CODE)
    plan = Plan("flow", (mapped("parse", DAYS), check, total))
    old = ended(plan, set(), {DAYS: 3})
    # Of the new list, number 0 is new, 1 and 2 were 2 and 0, and 1 is not there any more.
    other = old._replace(changed_inputs=["days"], matches={DAYS: {1: 2, 2: 0}})
    found = take_over(other, plan, Wishes(), {DAYS: 3})
    state = replayed(plan, found, {DAYS: 3})
    names = [
        (state.tasks.name(seed.task), old.state.tasks.name(seed.old_task)) for seed in found.seeds
    ]
    assert names == [
        ("parse[1]", "parse[2]"),
        ("parse[2]", "parse[0]"),
        ("check[1]", "check[2]"),
        ("check[2]", "check[0]"),
    ]
    parse, of_check, of_total = found.reasons
    assert parse == (
        "1 of its 3 children run; of 'parse[0]': the list of run july had another element at its "
        "place, or none; with key= elements are found at any place"
    )
    assert "1 of its 3 children run" in of_check
    assert of_total == "the children of 'check' are others"


def test_children_with_keys_run_for_elements_that_are_new_or_have_changed() -> None:
    keyed = TaskSpec("parse", axes=(Axis((DAYS,), ("id",)),), fingerprint=CODE)
    plan = Plan("flow", (keyed,))
    other = ended(plan, set(), {DAYS: 3})._replace(changed_inputs=["days"], matches={DAYS: {1: 0}})
    assert take_over(other, plan, Wishes(), {DAYS: 2}).reasons == [
        "1 of its 2 children run; of 'parse[0]': its element is new or has changed since run july"
    ]


def test_a_child_that_runs_again_is_named_by_its_key() -> None:
    keyed = PARSE._replace(axes=(Axis((ListSource("list"),), ("id",)),))
    plan = Plan("flow", (LIST, keyed))
    old = ended(plan, {"parse[1]"})
    old.state.tasks.set_keys(ListSource("list"), (), ["north", "east", "west"])
    reasons = take_over(old, plan, Wishes()).reasons
    assert reasons[1] == "1 of its 3 children run; of 'parse[east]': it failed in run july"


def test_a_gather_runs_again_though_all_children_are_taken_over() -> None:
    plan = Plan("flow", (mapped("parse", DAYS), TaskSpec("total", ("parse",), fingerprint=CODE)))
    old = ended(plan, set(), {DAYS: 3})
    other = old._replace(changed_inputs=["days"], matches={DAYS: {0: 0, 1: 1}})
    reasons, _ = take_over(other, plan, Wishes(), {DAYS: 2})
    assert reasons == ["", "the children of 'parse' are others"]


def test_single_children_run_again_if_their_names_say_so() -> None:
    reasons, names = taken(ended(FLOW, set()), wishes=Wishes(again=["parse[1]"]))
    assert "parse[1]" not in names
    assert "check[1]" not in names
    assert {"parse[0]", "parse[2]", "check[0]"} <= {*names}
    assert reasons["parse"] == "1 of its 3 children run; of 'parse[1]': you said so"
    assert reasons["total"] == "it needs 'parse', which runs"


def test_what_a_new_reader_depends_on_must_have_been_seen() -> None:
    plain = Plan("flow", (LIST._replace(watches=()),))
    reasons, names = taken(ended(plain, set()), FLOW)
    assert names == []
    assert "did not note" in reasons["list"]
    assert reasons["parse"] == "run july has no such task"


def test_what_was_seen_is_put_in_the_order_of_the_new_plan() -> None:
    old = ended(Plan("flow", (LIST._replace(watches=(TRUTH, LENGTH)), PARSE, CHECK, TOTAL)), set())
    [seed, *_] = take_over(old, FLOW, Wishes()).seeds
    assert seed.seen == (3,)


def test_tasks_that_clean_up_run_in_every_run_and_other_conditions_count() -> None:
    specs = (LIST._replace(watches=(LENGTH, TRUTH)), TaskSpec("if", ("list",), fingerprint=CODE))
    clean = TaskSpec("clean", ("if",), always=True, fingerprint=CODE)
    old = ended(Plan("flow", (*specs, clean)), set())
    when = specs[1]._replace(conditions=(Condition("list", 1, 1),))
    reasons, names = taken(old, Plan("flow", (specs[0], when, clean)))
    assert names == ["list"]
    assert reasons["if"] == "it runs under another condition"
    assert reasons["clean"] == "it cleans up, and does so in every run"


@given(st.integers(0, 2**40))
def test_a_run_that_begins_with_seeds_ends_as_one_that_runs_all(seed: int) -> None:
    plan = RandomPlan(seed)
    old = RandomRun(plan, seed)
    old.run_to_end()
    trust = Wishes(trust=[spec.task_id for spec in plan.plan.tasks])
    found = take_over(OldRun("july", old.state), plan.plan, trust, INPUTS)
    seeds = [TaskReused(task, "july", seen=seen) for task, _, seen in found.seeds]
    new = RandomRun(plan, seed + 1, seeds)
    ran = {new.state.tasks.name(task) for task, _ in new.dispatched}
    assert not ran & {new.state.tasks.name(task) for task, _, _ in found.seeds}
    for task, old_task, _ in found.seeds:
        assert new.state.states[task] == SUCCEEDED
        assert new.state.tasks.name(task) == old.state.tasks.name(old_task)
    new.run_to_end()
    assert disagreements(new, expected(new)) == []
    again = {new.state.tasks.name(task) for task, _ in new.dispatched}
    assert not again & {new.state.tasks.name(task) for task, _, _ in found.seeds}
