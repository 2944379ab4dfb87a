"""`why` has one sentence for each code, and each is true of the state that it explains."""

from __future__ import annotations

import dataclasses
import shlex

import click
import pytest

from astrum.machine.events import AttemptFoundOutstanding, Event, Outcome, TaskFoundUnserved
from astrum.machine.failure import Failure
from astrum.machine.report_builder import not_run_because
from astrum.planning import RetryPolicy, TaskSpec
from astrum.planning.axes import Condition, Watch
from astrum.protocol.process_end import ProcessEnd
from astrum.protocol.records import LastWord
from astrum.view import Code, Sent, Taken, explain, explain_run
from astrum_coordinator.cli import main
from astrum_coordinator.cli.show import show
from astrum_coordinator.display.why_view import explanation_to_json, why_text
from tests.schemas import check
from tests.unit.view.moments import (
    NOW,
    WORKER,
    coordinator,
    ended,
    look_at,
    over,
    run_info,
    state_of,
    unled,
    worker,
)
from tests.unit.view.why_cases import CASES, OTHERS
from tests.unit.view.why_states import EACH, GROWN, LIST, Case

A, B = TaskSpec("a"), TaskSpec("b", needs=("a",))


def test_there_is_a_case_for_every_code() -> None:
    assert set(CASES) == set(Code)


@pytest.mark.parametrize("code", Code)
def test_each_code_is_explained(code: Code) -> None:
    case = CASES[code]
    found = case.made()
    assert (found.code, found.sentence) == (code, case.sentence)
    assert (found.advice, found.needs_person) == (case.advice, case.needs_person)
    assert found.run_id == "r"


VERBS = [
    "did",
    "ended",
    "failed",
    "had",
    "has",
    "is",
    "ran",
    "runs",
    "should",
    "skipped",
    "stands",
    "starts",
    "succeeded",
    "waits",
    "was",
]


@pytest.mark.parametrize("case", [*CASES.values(), *OTHERS], ids=lambda case: case.sentence)
def test_a_sentence_goes_on_after_the_name_of_its_task(case: Case) -> None:
    assert case.sentence.split()[0].rstrip(":") in VERBS


@pytest.mark.parametrize("case", OTHERS, ids=lambda case: case.sentence)
def test_other_sentences(case: Case) -> None:
    assert case.made().sentence == case.sentence


def test_a_task_that_waits_is_followed_to_those_that_hold_it_up() -> None:
    specs = [TaskSpec(f"t{n}", queue="gpu" if n == 2 else "default") for n in range(4)]
    middle = [TaskSpec(f"m{n}", needs=(f"t{n}",)) for n in range(4)]
    last = TaskSpec("last", needs=tuple(spec.task_id for spec in middle))
    events: list[Event] = [AttemptFoundOutstanding(0, 1), AttemptFoundOutstanding(1, 1)]
    done = [ended(3, Outcome.SUCCEEDED), ended(7, Outcome.SUCCEEDED)]
    look = look_at(
        state_of(*specs, *middle, last, events=[*events, *done]),
        taken={0: Taken(WORKER, NOW - 3), 1: Taken(WORKER, NOW - 9)},
        unserved={"t2": Code.UNSERVED_QUEUE},
    )
    found = explain(look, 8)
    assert found.waits_for == ("m0", "m1", "m2")
    assert [(group.code, group.count, group.tasks) for group in found.groups] == [
        (Code.RUNNING, 2, ("t0", "t1")),
        (Code.UNSERVED_QUEUE, 1, ("t2",)),
    ]
    assert found.groups[0].example == f"'t1' runs on {WORKER} for 9 s", "the oldest one"
    assert (found.needs_person, found.advice) == (True, "astrum-worker flows.shop --queue gpu")


def test_what_waits_for_children_is_followed_to_them() -> None:
    total = TaskSpec("total", needs=("b",))
    events: list[Event] = [GROWN, AttemptFoundOutstanding(3, 1), ended(4, Outcome.SUCCEEDED)]
    look = look_at(state_of(LIST, EACH, total, events=events), taken={3: Taken(WORKER, NOW - 9)})
    assert look.name(3) == "b[0]"
    found = explain(look, 2)
    assert found.waits_for == ("b",)
    assert {group.code: group.tasks for group in found.groups} == {
        Code.RUNNING: ("b[0]",),
        Code.LIMIT_OF_TASK: ("b[2]",),
    }


def test_a_run_counts_what_has_not_ended_by_reason_the_largest_first() -> None:
    specs = [TaskSpec(f"t{n}") for n in range(5)]
    events = [AttemptFoundOutstanding(n, 1) for n in range(4)]
    taken = {n: Taken(WORKER, NOW - n) for n in range(3)}
    look = look_at(state_of(*specs, events=events), taken=taken, sent={3: Sent(1, NOW - 9)})
    found = explain_run(look)
    assert [(group.code, group.count) for group in found.groups] == [
        (Code.RUNNING, 3),
        (Code.QUEUED, 1),
        (Code.LIMIT_OF_LEADER, 1),
    ]
    assert (found.needs_person, found.facts["tasks"], found.facts["ended"]) == (False, 5, 0)


def test_failures_of_a_run_that_is_over_are_counted_by_their_error() -> None:
    specs = [TaskSpec(f"t{n}", on_failure="continue") for n in range(5)]
    other = ended(4, Outcome.FAILED, failure=None)
    events = [*(ended(n, Outcome.FAILED) for n in range(4)), other]
    found = explain_run(look_at(state_of(*specs, events=events), over("failed")))
    assert [(group.code, group.count) for group in found.groups] == [
        (Code.FAILED, 4),
        (Code.FAILED, 1),
    ]


def test_failures_that_differ_in_numbers_and_names_are_one_group() -> None:
    """Those that were not run because of them are one, too."""
    bad = [
        Failure(("builtins.ValueError",), f"bad item {n} in file '/d/{n}.csv'") for n in range(9)
    ]
    specs = [TaskSpec(f"t{n}", on_failure="continue") for n in range(9)]
    later = [TaskSpec(f"m{n}", needs=(f"t{n}",)) for n in range(9)]
    events = [ended(n, Outcome.FAILED, failure=bad[n]) for n in range(9)]
    found = explain_run(look_at(state_of(*specs, *later, events=events), over("failed")))
    assert [(group.code, group.count) for group in found.groups] == [
        (Code.FAILED, 9),
        (Code.BLOCKED, 9),
    ]
    assert (found.groups[0].tasks, found.tasks_left_out) == (("t0", "t1", "t2"), 0)
    assert "bad item 0 in file '/d/0.csv'" in found.groups[0].example


def test_it_says_how_many_tasks_are_in_groups_that_are_left_out() -> None:
    names = ["two", "two", *(f"cause {letter}" for letter in "abcdefghijk")]
    specs = [TaskSpec(f"t{n}", on_failure="continue") for n in range(len(names))]
    events = [
        ended(n, Outcome.FAILED, failure=Failure(("builtins.ValueError",), name))
        for n, name in enumerate(names)
    ]
    found = explain_run(look_at(state_of(*specs, events=events), over("failed")))
    assert [group.count for group in found.groups] == [2] + [1] * 9
    assert found.tasks_left_out == 2
    assert explanation_to_json(found)["tasks_left_out"] == 2
    check("why", explanation_to_json(found))
    assert "\n  ... and 2 more tasks\nto do: " in why_text(found).plain


@pytest.mark.parametrize(("retries", "said"), [(1, "its 1 retry is"), (2, "its 2 retries are")])
def test_retries_that_are_used_up_are_counted(retries: int, said: str) -> None:
    spec = TaskSpec("a", retry=RetryPolicy(retries))
    events = [ended(0, Outcome.FAILED, attempt=n) for n in range(1, retries + 2)]
    found = explain(look_at(state_of(spec, events=events), over("failed")), 0)
    assert found.sentence.endswith(f"; {said} used up")


def test_a_run_without_a_leader_needs_a_person_only_if_no_coordinator_takes_it() -> None:
    soon = explain_run(look_at(state_of(A), unled(unled_since=NOW - 4)))
    late = explain_run(look_at(state_of(A), unled(unled_since=NOW - 40)))
    alone = explain_run(look_at(state_of(A), unled(unled_since=NOW - 4), coordinators=[]))
    assert [one.code for one in (soon, late, alone)] == [Code.NO_LEADER] * 3
    assert [one.needs_person for one in (soon, late, alone)] == [False, True, True]
    assert late.advice == "astrum-coordinator resume r"


def test_a_task_that_no_worker_serves_says_when_the_run_fails() -> None:
    led = coordinator(unserved="a", unserved_until=NOW + 240)
    look = look_at(state_of(A), coordinators=[led], unserved={"a": Code.UNSERVED_TASK})
    found = explain(look, 0)
    assert found.sentence.endswith("; the run fails in 4 min 00 s unless one comes")
    assert found.until == NOW + 240


def test_a_task_that_no_worker_served_has_failed_once_its_run_is_over() -> None:
    unserved = TaskFoundUnserved(0, NOW - 9, "no worker serves task 'a'; waited 300 s")
    look = look_at(state_of(A, B, events=[unserved]), over("failed"))
    assert explain(look, 0).code is Code.FAILED
    assert "waited 300 s" in explain(look, 0).sentence
    assert explain(look, 1).code is Code.UPSTREAM_FAILED


def test_an_attempt_of_a_silent_worker_needs_a_person_if_no_coordinator_can_settle_it() -> None:
    state = state_of(A, events=[AttemptFoundOutstanding(0, 1)])
    look = look_at(state, unled(), taken={0: Taken(WORKER, NOW)}, workers=[], coordinators=[])
    found = explain(look, 0)
    assert (found.code, found.needs_person) == (Code.WORKER_SILENT, True)
    assert found.advice == "astrum-coordinator serve"


def test_how_the_process_of_a_silent_worker_ended_is_shown_if_it_was_reported() -> None:
    state = state_of(A, events=[AttemptFoundOutstanding(0, 1)])
    word = LastWord(2.0, ended=ProcessEnd(-9))
    look = look_at(state, taken={0: Taken(WORKER, NOW)}, workers=[], silent={WORKER: word})
    found = explain(look, 0)
    assert "not alive any more (its process ended with signal 9 (SIGKILL))" in found.sentence
    assert found.facts["process_ended"] == "signal 9 (SIGKILL)"


def test_one_worker_that_reads_its_queues_is_enough() -> None:
    stuck = worker("stuck", lane=worker().status.lanes["async"]._replace(read_age_s=50.0))
    state = state_of(A, events=[AttemptFoundOutstanding(0, 1)])
    look = look_at(state, workers=[stuck, worker()], sent={0: Sent(1, NOW - 40)})
    assert explain(look, 0).code is Code.QUEUED


def test_a_leader_that_is_not_heard_of_is_not_said_to_be_about_to_send() -> None:
    silent = dataclasses.replace(coordinator(), age_s=8.0)
    look = look_at(state_of(A), run_info(created_at=NOW - 9, lease_s=2.0), coordinators=[silent])
    found = explain(look, 0)
    assert (found.code, found.needs_person) == (Code.READY_MOMENT, False)
    silence = (
        "nothing was heard for 8 s; if it is gone, another coordinator may lead the run in 2 s"
    )
    assert found.sentence == f"is sent by the leader of the run, of which {silence}"
    assert f"led by host:9:c, of which {silence}: 0 of" in explain_run(look).sentence
    # What a coordinator said expires sooner than its lease; a new leader has said nothing yet.
    gone = look_at(state_of(A), run_info(created_at=NOW - 9, lease_s=2.0), coordinators=[])
    assert "of which nothing was heard for some time; if it is gone" in explain(gone, 0).sentence
    new = look_at(state_of(A), run_info(created_at=NOW - 9), coordinators=[])
    assert explain(new, 0).sentence == "is about to be sent"
    heard = look_at(state_of(A), run_info(created_at=NOW - 9, lease_s=2.0))
    assert "heard" not in explain(heard, 0).sentence + explain_run(heard).sentence


def test_a_task_that_is_skipped_says_what_its_condition_compares() -> None:
    route = A._replace(watches=(Watch("choice", ("kind",), ("order", "refund")),))
    refund = B._replace(conditions=(Condition("a", 0, 1),))
    state = state_of(route, refund, events=[ended(0, Outcome.SUCCEEDED, seen=(0,))])
    told = "its condition 'a.kind = refund' is not met"
    assert explain(look_at(state), 1).sentence == f"did not run: {told}"
    assert not_run_because(state, 1, 0) == told


def test_a_child_is_not_held_back_by_a_bound_that_is_not_used_up() -> None:
    assert explain(look_at(state_of(LIST, EACH, events=[GROWN])), 3).code is Code.READY_MOMENT


def test_a_child_that_runs_is_compared_with_those_that_have_ended() -> None:
    grown = ended(0, Outcome.SUCCEEDED, seen=(6,))
    done = [ended(number, Outcome.SUCCEEDED) for number in range(2, 7)]
    state = state_of(LIST, EACH, events=[grown, *done, AttemptFoundOutstanding(7, 1)])
    found = explain(look_at(state, taken={7: Taken(WORKER, NOW - 60)}), 7)
    assert found.sentence == (
        f"runs on {WORKER} for 1 min 00 s (others of its list took 2.0 s on average)"
    )


def test_commands_are_quoted_for_a_shell() -> None:
    spec = TaskSpec("it's; rm", on_lost="hold")
    found = explain(look_at(state_of(spec, events=[ended(0, Outcome.LOST)])), 0)
    assert found.advice == """astrum-coordinator show r 'it'"'"'s; rm'"""
    queue = TaskSpec("a", queue="big ones")
    look = look_at(state_of(queue), run_info(details={}), unserved={"a": Code.UNSERVED_QUEUE})
    assert explain(look, 0).advice == "astrum-worker MODULE --queue 'big ones'"


def test_a_short_run_has_the_duration_that_show_prints() -> None:
    short = run_info(state="completed", lease_s=0.0, ended_at=NOW - 99.6)
    found = explain_run(look_at(state_of(A, events=[ended(0, Outcome.SUCCEEDED)]), short))
    assert found.sentence == "has completed after 400 ms: 1 of 1 tasks succeeded"


@pytest.mark.parametrize(
    ("refused", "advice"),
    [
        ("the server cannot save to its disk and refuses writes", " INFO persistence"),
        ("the server has too few replicas and refuses writes", " INFO replication"),
        ("something else", " INFO"),
    ],
)
def test_a_server_that_takes_no_writes_can_be_asked_why(refused: str, advice: str) -> None:
    look = look_at(state_of(A), coordinators=[coordinator(refused=refused)])
    assert explain(look, 0).advice == f'redis-cli -u "$ASTRUM_REDIS_URL"{advice}'


@pytest.mark.parametrize("name", ["-a", "--json", "it's", "a b"])
def test_a_command_to_type_names_the_task_whatever_it_is_called(name: str) -> None:
    command = look_at(state_of(A)).coordinator_command("show", "-r", name, options=["--log"])
    _, _, *words = shlex.split(command)
    # Of the group comes how help is asked for, which a command remembers from its first context.
    group = click.Context(main, help_option_names=["-h", "--help"])
    params = show.make_context("show", words, parent=group, resilient_parsing=True).params
    assert (params["run_id"], params["task"], params["wants_log"]) == ("-r", name, True)
