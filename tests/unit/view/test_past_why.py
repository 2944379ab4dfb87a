"""What a chronicle says of the end of a run and of its tasks is what its record said."""

from __future__ import annotations

import copy
import dataclasses
import json
import re
import zlib
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from astrum.errors import DecodeError, TaskNotFoundError
from astrum.machine import RunState, RunTimes
from astrum.machine.events import Outcome, Released, TaskReused
from astrum.planning.task_spec import OnFailure
from astrum.protocol.records import RunInfo
from astrum.view import Code, Explanation, Look, NoPool, RunMoment, explain, explain_run
from astrum.view.report.chronicle import decode_chronicle, encode_chronicle
from astrum.view.report.columns import run_columns
from astrum.view.report.kept_reasons import kept_reasons
from astrum.view.report.past_why import Chronicle, explain_past
from astrum.view.report.run_head import RunHead
from tests.made_runs import made_run
from tests.schemas import check
from tests.unit.machine.random_plans import RandomPlan
from tests.unit.machine.random_run import RandomRun
from tests.unit.view.moments import NOW, ended, over, state_of
from tests.unit.view.why_states import A, B

LATER = NOW + 86_400.0
NUMBER = re.compile(r"\d+\.\d")
POLICIES: tuple[OnFailure, ...] = ("stop", "continue", "ignore")
NOT_KEPT = {"now", "advice", "is_chronicle", "since", "facts", "sentence", "groups"}


def look_back(state: RunState, info: RunInfo) -> Look:
    """Look at a run that is over, as a coordinator does that reads its record."""
    assert info.ended_at is not None
    return Look(RunMoment(state=state, info=info, now=info.ended_at), NoPool())


def chronicle_of(look: Look) -> Chronicle:
    """Return the chronicle of a run, written and read."""
    info = look.moment.info
    assert info.ended_at is not None
    head = RunHead(
        run_id=info.run_id,
        state=info.state,
        times=RunTimes(info.created_at, info.created_at, info.ended_at),
        taken_at=info.ended_at,
        is_over=True,
        version="0.1.0",
    )
    kept = encode_chronicle(run_columns(look.state, head), kept_reasons(look))
    return decode_chronicle(info.run_id, kept)


def agree(ours: str, theirs: str) -> None:
    """Compare sentences; the chronicle rounds times to whole ms."""
    assert NUMBER.sub("*", ours) == NUMBER.sub("*", theirs)
    for one, other in zip(NUMBER.findall(ours), NUMBER.findall(theirs), strict=True):
        assert abs(float(one) - float(other)) < 0.11, (ours, theirs)


def compare(past: Explanation, known: Explanation) -> None:
    assert past.is_chronicle
    assert (past.now, past.advice, past.needs_person) == (LATER, "", False)
    agree(past.sentence, known.sentence)
    for field in dataclasses.fields(Explanation):
        if field.name not in NOT_KEPT:
            assert getattr(past, field.name) == getattr(known, field.name), (known, field.name)
    if known.since is not None:
        assert past.since == pytest.approx(known.since, abs=0.01)
    for ours, theirs in zip(past.groups, known.groups, strict=True):
        assert ours == dataclasses.replace(theirs, advice="")
    # How often a task might be tried is not kept.
    facts = {name: fact for name, fact in known.facts.items() if name != "attempts"}
    assert past.facts == pytest.approx(facts, abs=0.002)


def compare_all(look: Look) -> None:
    """Compare what is said of the run and of each task and child."""
    chronicle = chronicle_of(look)
    compare(explain_past(chronicle, None, LATER), explain_run(look))
    for task in range(len(look.state.states)):
        compare(explain_past(chronicle, look.name(task), LATER), explain(look, task))


def test_a_chronicle_says_of_each_task_what_the_record_said() -> None:
    run = made_run(300)
    info = dataclasses.replace(
        over("failed"), created_at=run.head().times.started_at, ended_at=run.finished_at
    )
    compare_all(look_back(run.state, info))


@settings(max_examples=60)
@given(seed=st.integers(0, 2**40))
def test_so_it_does_of_any_run(seed: int) -> None:
    random = Random(seed)
    run = RandomRun(RandomPlan(seed, POLICIES), seed)
    while not run.finishes:
        if random.random() < 0.02 and not run.state.stopping:
            run.stop()
        if run.finishes or not run.step():
            break
    state = run.replayed(run.outstanding)
    state.conclude()
    compare_all(look_back(state, dataclasses.replace(over(run.finishes[0]), created_at=0.0)))


def test_it_knows_what_was_taken_over_and_what_a_person_gave() -> None:
    released = Released(1, "succeed", NOW - 20, "anna@host-c:7")
    state = state_of(A, B, events=[TaskReused(0, "yesterday"), released])
    compare_all(look_back(state, over("completed")))


def changed(part: str, name: str, value: Any) -> bytes:
    """Return the bytes of a chronicle in which a part of its reasons is another one."""
    look = look_back(state_of(A, B, events=[ended(0, Outcome.FAILED)]), over("failed"))
    chronicle = copy.deepcopy(chronicle_of(look))
    assert chronicle.reasons is not None
    chronicle.reasons[part][name] = value
    return encode_chronicle(*chronicle)


@pytest.mark.parametrize(
    ("part", "name", "value"),
    [
        ("tasks", "code", [99]),
        ("tasks", "code", [0]),
        ("tasks", "task", [-1]),
        ("tasks", "since", ["now"]),
        ("tasks", "since", []),
        ("run", "code", ""),
        ("run", "sentence", None),
        ("run", "groups", [{}]),
        ("run", "facts", []),
    ],
)
def test_reasons_that_cannot_be_relied_on_are_refused(part: str, name: str, value: Any) -> None:
    with pytest.raises(DecodeError, match="chronicle of run r is damaged: why it ended so"):
        decode_chronicle("r", changed(part, name, value))


def test_reasons_of_a_later_version_are_left_aside_and_the_rest_is_read() -> None:
    chronicle = decode_chronicle("r", changed("run", "code", "of-a-later-version"))
    assert chronicle.columns["run"]["run_id"] == "r"
    with pytest.raises(DecodeError, match="does not say why: another version of Astrum wrote it"):
        explain_past(chronicle, None, LATER)


def test_a_chronicle_without_reasons_says_so() -> None:
    look = look_back(state_of(A, events=[ended(0, Outcome.SUCCEEDED)]), over("completed"))
    chronicle = chronicle_of(look)._replace(reasons=None)
    with pytest.raises(DecodeError, match="does not say why: another version of Astrum wrote it"):
        explain_past(chronicle, None, LATER)


def test_a_name_that_no_task_has_gets_the_nearest() -> None:
    look = look_back(state_of(A, events=[ended(0, Outcome.SUCCEEDED)]), over("completed"))
    with pytest.raises(TaskNotFoundError, match="run r has no task 'b'"):
        explain_past(chronicle_of(look), "b", LATER)
    with pytest.raises(TaskNotFoundError, match="did you mean 'a'"):
        explain_past(chronicle_of(look), "aa", LATER)
    assert explain_past(chronicle_of(look), "a", LATER).code is Code.SUCCEEDED


def test_the_answer_is_as_the_schema_says() -> None:
    from astrum_coordinator.display.why_view import explanation_to_json

    chronicle = chronicle_of(
        look_back(state_of(A, B, events=[ended(0, Outcome.FAILED)]), over("failed"))
    )
    for task in (None, "a", "b"):
        check(
            "why", json.loads(json.dumps(explanation_to_json(explain_past(chronicle, task, NOW))))
        )


def test_columns_that_are_read_from_a_chronicle_have_no_further_member() -> None:
    look = look_back(state_of(A, events=[ended(0, Outcome.SUCCEEDED)]), over("completed"))
    chronicle = chronicle_of(look)
    check("run-1", chronicle.columns)
    assert "why" not in chronicle.columns
    kept = json.loads(zlib.decompress(encode_chronicle(*chronicle)))
    assert kept["why"] == chronicle.reasons
