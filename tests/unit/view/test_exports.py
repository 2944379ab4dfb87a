"""Traces and tables that other programs read: they say what the columns say."""

from __future__ import annotations

import csv
import io
import json
from functools import cache
from itertools import pairwise
from typing import Any

from astrum.machine import RunState
from astrum.planning import Plan, TaskSpec
from astrum.view.report.columns import RunColumns, run_columns
from astrum.view.report.csv_table import HEADINGS, csv_table
from astrum.view.report.perfetto import perfetto_trace
from tests.made_runs import BEGIN, MadeRun, made_run
from tests.unit.machine.events_of import end


@cache
def columns() -> RunColumns:
    run = made_run(200)
    return run_columns(run.state, run.head())


def test_a_trace_has_a_bar_for_each_attempt_in_a_thread_of_its_worker() -> None:
    data = columns()
    trace = json.loads(json.dumps(perfetto_trace(data)))
    events: list[dict[str, Any]] = trace["traceEvents"]
    names = {(e["pid"], e["tid"]): e for e in events if e["name"] == "thread_name"}
    bars = [e for e in events if e["ph"] == "X" and e["cat"] != "transfer"]
    assert len(bars) == sum(worker >= 0 for worker in data["attempts"]["worker"])
    assert {(bar["pid"], bar["tid"]) for bar in bars} <= set(names)
    by_row: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for bar in bars:
        by_row.setdefault((bar["pid"], bar["tid"]), []).append((bar["ts"], bar["ts"] + bar["dur"]))
    for row in by_row.values():
        row.sort()
        assert all(one[1] <= later[0] for one, later in pairwise(row))


def test_arrows_lead_forward_in_time_from_needs() -> None:
    events = perfetto_trace(columns())["traceEvents"]
    begins = {e["id"]: e for e in events if e["ph"] == "s"}
    ends = {e["id"]: e for e in events if e["ph"] == "f"}
    assert begins.keys() == ends.keys()
    assert begins
    assert all(begins[number]["ts"] <= ends[number]["ts"] for number in begins)


def test_a_table_has_a_row_for_each_attempt_and_each_task_without_any() -> None:
    data = columns()
    rows = list(csv.DictReader(io.StringIO(csv_table(data))))
    tasks = data["attempts"]["task"]
    without = set(range(len(data["tasks"]["name"]))) - set(tasks)
    assert len(rows) == len(tasks) + len(without)
    assert list(rows[0]) == list(HEADINGS)
    failed = [row for row in rows if row["outcome"] == "failed" and row["error"]]
    assert failed
    assert sum(int(row["run_ms"] or 0) for row in rows) >= data["totals"]["run_ms"]
    skipped = [row for row in rows if row["state"] == "skipped" and row["note"]]
    assert skipped
    assert skipped[0]["attempt"] == ""


def test_names_are_not_formulas_to_a_spreadsheet() -> None:
    name = '=HYPERLINK("http://example.org","a, b\nc")'
    state = RunState(Plan("test", (TaskSpec(name),)))
    state.start()
    state.handle(end(0, at=BEGIN + 2)._replace(worker_id="@host.1.2"))
    data = run_columns(state, MadeRun(state.plan, children=0).head(state="completed"))
    [row] = csv.DictReader(io.StringIO(csv_table(data)))
    assert row["task"] == "'" + name
    assert row["worker"] == "'@host.1.2"
    assert (row["run_ms"], row["outcome"]) == ("1000", "succeeded")
    assert row["ended_at"] == "2026-09-21T14:13:22.000Z"
