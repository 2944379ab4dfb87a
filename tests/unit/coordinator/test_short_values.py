"""Results in a line each: short, safe, and without the cost of large values."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import time
from typing import Any

import numpy as np
import pandas as pd
import pytest

from astrum.machine import ExecutionReport
from astrum.values.opaque import Opaque
from astrum_coordinator.display.report_view import MAX_RESULTS, result_lines
from astrum_coordinator.display.short_values import short_text


@dataclasses.dataclass
class Order:
    amount: float
    lines: list[int]


class Colour(enum.Enum):
    RED = "red"


class Broken:
    def __repr__(self) -> str:
        raise RuntimeError("no")


class Table:
    """Several lines of text."""

    def __repr__(self) -> str:
        return "a  b\n1  2"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (42, "42"),
        (1.5, "1.5"),
        (float("nan"), '"nan"'),
        ("a\nb", '"a\\nb"'),
        ("\x1b[2J\u202e", '"\\u001b[2J\\u202e"'),
        (b"abc", '"YWJj"'),
        ([], "[]"),
        ({}, "{}"),
        ({1: {"b"}, "c": (None, True)}, '{"1": ["b"], "c": [null, true]}'),
        (Order(1.5, [1, 2]), '{"amount": 1.5, "lines": [1, 2]}'),
        (Colour.RED, '"red"'),
        (dt.date(2026, 1, 2), '"2026-01-02"'),
        (Table(), '"a b 1 2"'),
        (Broken(), '"<Broken, its __repr__ raised RuntimeError>"'),
        (np.arange(3), '"array([0, 1, 2])"'),
        (pd.DataFrame({"a": [1, 2], "b": [3, 4]}), "DataFrame of 2 rows: a, b"),
        (Opaque("shop.Order", {"amount": 3}), '{"amount": 3}'),
    ],
)
def test_a_value_is_one_line_of_json(value: Any, text: str) -> None:
    assert short_text(value) == text


@pytest.mark.parametrize(
    "value",
    [
        list(range(10**6)),
        dict.fromkeys(range(10**6)),
        set(range(10**6)),
        "日本" * 10**7,
        b"x" * 10**7,
        [["deep"] * 10**5] * 10**5,
        np.zeros((1000, 1000)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_large_value_is_cut_without_reading_it(value: Any) -> None:
    began = time.process_time()
    text = short_text(value)
    assert time.process_time() - began < 0.5
    assert len(text) <= 100
    assert text.endswith("...") or "array" in text


def test_a_value_that_holds_itself_ends() -> None:
    endless: list[Any] = []
    endless.append(endless)
    assert len(short_text(endless)) <= 100


def report(**results: Any) -> ExecutionReport:
    report = ExecutionReport.__new__(ExecutionReport)
    object.__setattr__(report, "task_return_set", results)
    return report


def test_results_of_targets_are_lines_and_nothing_is_none() -> None:
    done = report(total={"rows": 3}, saved=None, other=5)
    assert result_lines(done, ["total", "saved", "not there"]) == ['result total = {"rows": 3}']


def test_many_results_are_left_out_and_counted() -> None:
    results = {f"t{n}": n for n in range(MAX_RESULTS + 5)}
    lines = result_lines(report(**results), list(results))
    assert len(lines) == MAX_RESULTS
    assert lines[-1] == "... and 6 more results; --json has all"
    fitting = list(results)[:MAX_RESULTS]
    assert len(result_lines(report(**results), fitting)) == MAX_RESULTS
