"""The columns of a run say the same as its report, and nothing else is taken for columns."""

from __future__ import annotations

import copy
import json
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from astrum.errors import DecodeError
from astrum.machine import ExecutionReport, RunState, RunTimes, build_report
from astrum.view.report.attempt_columns import OpenAttempt
from astrum.view.report.chronicle import columns_text, decode_chronicle, encode_chronicle
from astrum.view.report.columns import OpenTasks, RunColumns, run_columns
from astrum.view.report.columns_check import checked_columns
from astrum.view.report.columns_report import report_of
from astrum.view.report.csv_table import csv_table
from astrum.view.report.needs import ShownTasks
from astrum.view.report.perfetto import perfetto_trace
from astrum.view.report.redacting import without_messages
from astrum.view.report.run_head import RunHead
from tests.made_runs import MadeRun, made_plan, made_run
from tests.schemas import check
from tests.unit.machine.random_plans import RandomPlan
from tests.unit.machine.random_run import RandomRun, flat

SCHEMA = json.loads(Path("docs/schemas/run-1.json").read_text())
RUN_ID = "20260921-131320-made"


@cache
def columns() -> RunColumns:
    run = made_run(300)
    return run_columns(run.state, run.head())


def rows_of(report: ExecutionReport) -> dict[str, tuple[Any, ...]]:
    """Return of each task what any face shows of it."""
    found = {}
    for stat in report.task_statistics:
        for row in stat.children or [stat]:
            attempts = [
                (
                    one.attempt_number,
                    one.status,
                    one.worker_id,
                    one.timed_out,
                    one.will_retry,
                    one.blocked,
                )
                for one in row.attempt_statistics
            ]
            found[row.task_name] = (row.status, row.stage_id, row.because, attempts)
    return found


def times_of(report: ExecutionReport) -> list[float]:
    """Return the times of all attempts, in seconds since the run began."""
    rows = [row for stat in report.task_statistics for row in stat.children or [stat]]
    rows.sort(key=lambda row: row.task_name)
    attempts = [one for row in rows for one in row.attempt_statistics]
    begin = report.total_start_time
    times = [(one.start_time - begin, one.end_time - begin) for one in attempts]
    waits = [(one.queued_s, one.prepared_s) for one in attempts]
    return [value for pair in (*times, *waits) for value in pair]


def decoded(data: RunColumns) -> dict[str, str]:
    """Return the state of each task by its name."""
    names, states = data["tasks"]["name"], data["tasks"]["state"]
    return {
        data["strings"][name]: data["states"][state]
        for name, state in zip(names, states, strict=True)
    }


def test_the_report_of_the_columns_is_that_of_the_run() -> None:
    run = made_run(300)
    times = run.head().times
    theirs = build_report(run.state, times, {}, run_id=RUN_ID)
    ours = report_of(run_columns(run.state, run.head()))
    assert rows_of(ours) == rows_of(theirs)
    assert times_of(ours) == pytest.approx(times_of(theirs), abs=0.002)
    for name in ("successful_tasks", "failed_tasks", "skipped_tasks", "blocked_tasks"):
        assert getattr(ours, name) == getattr(theirs, name) > 0, name
    assert ours.total_tasks == theirs.total_tasks
    assert ours.execution_state == theirs.execution_state
    assert ours.total_duration == pytest.approx(theirs.total_duration, abs=0.001)


def test_a_made_run_has_all_that_reports_show() -> None:
    data = columns()
    outcomes = {data["outcomes"][code] for code in data["attempts"]["outcome"]}
    assert outcomes >= {"succeeded", "failed", "lost", "handed back"}
    assert {"completed", "failed", "skipped", "blocked"} <= set(decoded(data).values())
    assert data["audit"]["losses"]
    assert data["audit"]["handed_back"]
    assert data["audit"]["twice"]
    assert any(isinstance(need, dict) for needs in data["tasks"]["needs"] for need in needs)


def test_the_columns_are_as_the_schema_says() -> None:
    check("run-1", columns())


def test_all_time_of_all_rows_is_accounted_for() -> None:
    data = columns()
    totals, duration = data["totals"], data["run"]["duration_ms"]
    rows = sum(data["workers"]["lanes"])
    parts = ("run_ms", "transfer_ms", "idle_ms", "lost_ms")
    assert sum(totals[name] for name in parts) == rows * duration


def needs_of(data: RunColumns) -> dict[str, set[str]]:
    """Return the names of what each task needs, of mapped tasks those of their children."""
    names = [data["strings"][name] for name in data["tasks"]["name"]]
    found = {}
    for name, needs in zip(names, data["tasks"]["needs"], strict=True):
        spans = [need["r"] if isinstance(need, dict) else (need, 1) for need in needs]
        found[name] = {names[first + place] for first, size in spans for place in range(size)}
    return found


def needs_in(state: RunState) -> dict[str, set[str]]:
    """Return the same as the state machine has it."""
    tasks, plan, found = state.tasks, state.plan, {}
    for task in ShownTasks(state).numbers:
        spec, index = tasks.spec(task), tasks.index(task)
        own = dict(zip([axis.lists for axis in spec.axes], index, strict=bool(index)))
        found[tasks.name(task)] = {
            tasks.name(number)
            for source in [plan.index[need] for need in spec.needs]
            for at in [[own[a.lists] for a in plan.tasks[source].axes if a.lists in own]]
            for number in flat(tasks.below(source, at)) or own_number(state, source)
        }
    return found


def own_number(state: RunState, task: int) -> list[int]:
    """Return a mapped task itself if it has no children at all."""
    return [] if any(True for _ in state.tasks.children(task)) else [task]


@pytest.mark.parametrize("seed", range(40))
def test_random_runs_have_the_same_tasks_in_columns_and_report(seed: int) -> None:
    run = RandomRun(RandomPlan(seed), seed)
    if seed % 3:
        run.run_to_end()
    else:
        for _ in range(seed % 7):
            run.step()
    state = run.state
    times = RunTimes(0.0, 0.0, 2.0)
    is_over = state.finished is not None
    told = state.finished or "running"
    head = RunHead(run_id="r", state=told, times=times, taken_at=2.0, is_over=is_over, version="1")
    data = run_columns(state, head)
    checked_columns(data, "it")
    Draft202012Validator(SCHEMA).validate(data)
    report = build_report(state, times, {}, run_id="r")
    assert data["run"]["total_tasks"] == report.total_tasks
    assert needs_of(data) == needs_in(state)
    rows, states = rows_of(report), decoded(data)
    assert set(rows) <= set(states)
    if is_over:
        assert {name: states[name] for name in rows} == {name: row[0] for name, row in rows.items()}
    number = {name: place for place, name in enumerate(states)}
    for name, (_, level, because, attempts) in rows.items():
        task = number[name]
        assert data["tasks"]["level"][task] == level
        if because in number:
            assert data["tasks"]["because"][task] == number[because]
        assert data["attempts"]["task"].count(task) == len(attempts)


def test_an_open_run_shows_what_runs() -> None:
    run = MadeRun(made_plan(100), children=80).lead_until(0.3)
    name = run.state.tasks.name(20)
    tasks = OpenTasks({name: "paused"})
    data = run_columns(run.state, run.head(), tasks)
    checked_columns(data, "it")
    assert data["run"]["ended_at"] is None
    assert data["path"] == []
    assert data["run"]["counts"]["unfinished"] > 0


def test_what_runs_was_not_taken_before_it_was_sent() -> None:
    """The server computes both times, and may be a ms off."""
    run = MadeRun(made_plan(100), children=80).lead_until(0.3)
    sent_at = run.now - 1.0
    running = [OpenAttempt(20, sent_at, sent_at - 0.001, "host.1.w")]
    data = run_columns(run.state, run.head(), OpenTasks({}, running))
    check("run-1", data)
    attempts = data["attempts"]
    assert attempts["queued_at"][-1] == attempts["claimed_at"][-1]


# --- chronicles ----------------------------------------------------------------------------


def test_a_chronicle_gives_the_columns_back_without_inputs() -> None:
    data = {**columns(), "run": {**columns()["run"], "inputs": {"day": "'2026-11-28'"}}}
    kept = encode_chronicle(data)
    assert decode_chronicle(RUN_ID, kept).columns == columns()


def test_half_of_a_surrogate_pair_can_be_kept() -> None:
    data = copy.deepcopy(columns())
    data["strings"][1] = "half \ud800 and \udc80"
    assert decode_chronicle(RUN_ID, encode_chronicle(data)).columns == data


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"nothing",
        encode_chronicle(columns())[:-9],
        encode_chronicle({**columns(), "format": "other"}),
        encode_chronicle({**columns(), "strings": []}),
    ],
    ids=["empty", "not compressed", "cut", "other format", "no strings"],
)
def test_a_damaged_chronicle_is_named(data: bytes) -> None:
    with pytest.raises(DecodeError, match=f"chronicle of run {RUN_ID} is damaged"):
        decode_chronicle(RUN_ID, data)


def test_a_chronicle_of_another_version_is_named_and_refused() -> None:
    later = encode_chronicle({**columns(), "format": "astrum.run/2"})
    with pytest.raises(DecodeError, match=r"'astrum.run/2', which is of another version"):
        decode_chronicle(RUN_ID, later)


def test_the_chronicle_of_another_run_is_refused() -> None:
    with pytest.raises(DecodeError, match="is that of another run"):
        decode_chronicle("other", encode_chronicle(columns()))


def test_members_that_a_later_version_adds_are_ignored() -> None:
    data = {**columns(), "more": 1, "run": {**columns()["run"], "more": 2}}
    assert report_of(checked_columns(data, "it")).run_id == RUN_ID


WRONG: tuple[Any, ...] = (-2, 10**9, 1.5, "text", None, [], {}, True, {"r": [0, 10**9]}, [[9]])


@given(st.integers(0, 10**9))
def test_whatever_is_changed_is_refused_or_can_be_reported(seed: int) -> None:
    random = Random(seed)
    data = copy.deepcopy(_small())
    _damage(data, random)
    try:
        checked = checked_columns(data, "it")
    except DecodeError:
        return
    report_of(checked)
    columns_text(checked)
    perfetto_trace(checked)
    csv_table(checked)


@cache
def _small() -> RunColumns:
    run = made_run(20)
    return run_columns(run.state, run.head())


def _damage(value: Any, random: Random) -> None:
    """Change one place anywhere in a value."""
    while True:
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        if not keys:
            value.append(0) if isinstance(value, list) else value.update(x=0)
            return
        key = random.choice(keys)
        if isinstance(value[key], (dict, list)) and random.random() < 0.8:
            value = value[key]
            continue
        if random.random() < 0.3:
            del value[key]
        else:
            value[key] = random.choice(WRONG)
        return


# --- without messages ----------------------------------------------------------------------


def test_a_redacted_run_holds_nothing_that_its_code_said() -> None:
    text = columns_text(columns())
    assert "no column" in text
    redacted = without_messages(columns())
    hidden = columns_text(redacted)
    for said in ("no column", "Traceback", "raise ValueError", "its worker died"):
        assert said not in hidden
    assert "ValueError" in hidden
    assert set(redacted["tasks"]["note"]) == {0}
    assert checked_columns(redacted, "it")["run"]["redacted"]
    assert decoded(redacted) == decoded(columns())
