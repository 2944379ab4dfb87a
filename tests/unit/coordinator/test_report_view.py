"""Reports as tables, lines and JSON."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import enum
import io
import json
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel
from rich.console import Console

from astrum.machine import (
    ExecutionReport,
    ExecutionState,
    TaskAttemptStatistics,
    TaskExecutionStatistics,
)
from astrum.runtime.durations import duration_text
from astrum_coordinator.display.json_values import report_to_json, to_json
from astrum_coordinator.display.report_view import (
    end_line,
    report_view,
    summary_lines,
)


class Colour(enum.Enum):
    RED = "red"


class Point(NamedTuple):
    x: int
    y: float


@dataclasses.dataclass
class Row:
    id: int
    blob: bytes


class Model(BaseModel):
    name: str
    at: dt.datetime


class Open(BaseModel, extra="allow"):
    name: str


class Touchy(dict[str, int]):
    def items(self) -> Any:
        raise RuntimeError("do not touch")

    def __repr__(self) -> str:
        return "<Touchy>"


class Broken:
    def __repr__(self) -> str:
        raise RuntimeError("no repr")


class Text(str):
    def __str__(self) -> str:
        return "something else"


AT = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
RECURSIVE: list[Any] = []
RECURSIVE.append(RECURSIVE)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (AT, "2026-01-02T03:04:05+00:00"),
        (b"\x00\xff", "AP8="),
        (Row(1, b"x"), {"id": 1, "blob": "eA=="}),
        (Model(name="n", at=AT), {"name": "n", "at": "2026-01-02T03:04:05+00:00"}),
        (Point(1, 2.5), {"x": 1, "y": 2.5}),
        ((1, [2, (3,)]), [1, [2, [3]]]),
        ({3, 1, 2}, [1, 2, 3]),
        ({1: "a", (1, 2): "b", None: "c"}, {"1": "a", "[1, 2]": "b", "None": "c"}),
        (Colour.RED, "red"),
        (Decimal("1.10"), "1.10"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (PurePosixPath("/a/b"), "/a/b"),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        (True, True),
        (ExecutionState.FAILED, "failed"),
        (Text("t"), "t"),
        ({1: "a", "1": "b"}, [[1, "a"], ["1", "b"]]),
        ({None: 1, "None": 2, 2.5: 3}, [[None, 1], ["None", 2], [2.5, 3]]),
        ({(1,): "t", "[1]": "u"}, [[[1], "t"], ["[1]", "u"]]),
        ({b"x": 1, "eA==": 2}, [["eA==", 1], ["eA==", 2]]),
        ({Colour.RED: 1, "red": 2}, [["red", 1], ["red", 2]]),
        (collections.deque([1, b"x"]), [1, "eA=="]),
        (Open.model_validate({"name": "n", "more": 1}), {"name": "n", "more": 1}),
        (Touchy(), "<Touchy>"),
        (Row, repr(Row)),
        (1 + 2j, "(1+2j)"),
        (Broken(), "<Broken, its __repr__ raised RuntimeError>"),
    ],
)
def test_values_that_json_lacks_are_shown_readably(value: Any, expected: Any) -> None:
    assert to_json(value) == expected
    assert type(to_json(value)) is type(expected)


def test_a_value_that_contains_itself_is_converted() -> None:
    assert "..." in json.dumps(to_json(RECURSIVE))


KEYS = st.none() | st.integers() | st.floats() | st.text() | st.binary() | st.sampled_from("1")
ANY_VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.dates(),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(KEYS, inner),
    max_leaves=20,
)


@given(ANY_VALUE)
def test_every_value_becomes_strict_json(value: Any) -> None:
    json.loads(json.dumps(to_json(value), allow_nan=False))


def test_an_integer_of_more_digits_than_python_writes_is_hexadecimal() -> None:
    many = 10**5000
    assert to_json({many: [many, -many]}) == {hex(many): [hex(many), hex(-many)]}


@given(st.dictionaries(KEYS, st.integers()))
def test_no_key_and_no_value_of_a_dict_is_lost(value: dict[Any, int]) -> None:
    shown = to_json(value)
    values = shown.values() if isinstance(shown, dict) else [item for _, item in shown]
    assert list(values) == list(value.values())


# --- whole reports ------------------------------------------------------------------------


def task(name: str, status: str = "completed", attempts: int = 1) -> TaskExecutionStatistics:
    rows = [
        TaskAttemptStatistics(name, n + 1, 0, 1.0, 2.0, 1.0, status, worker_id="host:1:a")
        for n in range(attempts)
    ]
    error = "ValueError: [bad] luck" if status == "failed" else None
    return TaskExecutionStatistics(name, 0, 1.0, 2.0, 1.0, status, error, 0, attempts, rows)


def report_of(*tasks: TaskExecutionStatistics, **fields: Any) -> ExecutionReport:
    failed = sum(stat.status == "failed" for stat in tasks)
    values: dict[str, Any] = {
        "total_start_time": 1.0,
        "total_end_time": 2.5,
        "total_duration": 1.5,
        "planning_duration": 0.0,
        "execution_duration": 1.5,
        "total_tasks": len(tasks),
        "total_stages": 1,
        "max_parallelism": 1,
        "successful_tasks": len(tasks) - failed,
        "failed_tasks": failed,
        "execution_state": ExecutionState.FAILED if failed else ExecutionState.COMPLETED,
        "task_statistics": list(tasks),
        "run_id": "r1",
        **fields,
    }
    return ExecutionReport(**values)


def rendered(report: ExecutionReport) -> str:
    out = io.StringIO()
    Console(file=out, width=120).print(report_view(report))
    return out.getvalue()


def test_the_json_report_has_every_field_of_the_report_but_its_logs() -> None:
    found = report_to_json(report_of(task("a"), task_return_set={"a": Row(1, b"")}))
    assert {*found, "logs"} == {field.name for field in dataclasses.fields(ExecutionReport)}
    assert "logs" not in found
    assert found["run_id"] == "r1"
    assert found["task_return_set"] == {"a": {"id": 1, "blob": ""}}
    assert found["task_statistics"][0]["attempt_statistics"][0]["worker_id"] == "host:1:a"


def test_failures_stand_first_in_the_table() -> None:
    text = rendered(report_of(task("good"), task("bad", "failed", 3), task("last")))
    assert text.index("bad") < text.index("good") < text.index("last")
    assert "ValueError: [bad] luck" in text
    assert "host:1:a" in text


@pytest.mark.parametrize("status", ["completed", "failed"])
def test_the_table_names_the_line_at_which_a_task_blocked_the_event_loop(status: str) -> None:
    stat = task("pdf", status)
    stat.attempt_statistics[0].blocked = "blocked the event loop for 14.2 s at pdf.py:88 in parse"
    text = " ".join(rendered(report_of(stat)).split())
    assert "blocked the event loop for 14.2 s at pdf.py:88 in parse" in text
    assert ("luck; blocked" in text) is (status == "failed")


def test_the_table_and_the_json_name_the_code_that_ran_where_it_was_not_the_plans() -> None:
    other = task("newer")
    other.attempt_statistics[-1].code = "0123456789abcdef"
    report = report_of(task("same"), other)
    text = " ".join(rendered(report).split())
    assert text.count("ran code 0123456789abcdef, not the plan's") == text.count("ran code") == 1
    rows = report_to_json(report)["task_statistics"]
    assert [row["attempt_statistics"][-1]["code"] for row in rows] == ["", "0123456789abcdef"]


def test_a_long_table_ends_after_fifty_rows_and_says_how_many_are_left() -> None:
    text = rendered(report_of(*(task(f"task-{i}") for i in range(120))))
    assert text.count("task-") == 50
    assert "... and 70 more" in text


def test_a_long_error_summary_keeps_its_end() -> None:
    lines = summary_lines(report_of(error_summary=[f"line {i}" for i in range(100)]))
    assert (len(lines), lines[0], lines[-1]) == (31, "... 70 earlier lines", "line 99")


def test_the_end_line_says_how_it_ended_how_much_and_how_long() -> None:
    report = report_of(task("a"), task("b", "failed"))
    assert end_line(report) == "run r1 failed: 1 of 2 tasks succeeded, 1 failed, 1.5 s"


def test_the_end_line_counts_each_way_to_end_and_children_rather_than_their_task() -> None:
    mapped = task("parse", "cancelled")
    mapped.children = [task("parse[0]", "cancelled"), task("parse[1]", "cancelled")]
    report = report_of(mapped, task("b", "failed"), skipped_tasks=3, blocked_tasks=1)
    assert ", 1 failed, 3 skipped, 1 blocked, 2 cancelled, " in end_line(report)


def test_durations_are_rounded_for_people() -> None:
    assert [duration_text(s) for s in (0, 0.9999, 59.99, 3599.9, 90000)] == [
        "0 ms",
        "1.0 s",
        "1 min 00 s",
        "1 h 00 min",
        "25 h 00 min",
    ]
