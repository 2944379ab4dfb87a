"""Every mistake in the options of fan-out, conditions and policies, found before a run."""

from __future__ import annotations

import re
from typing import Any

import pytest

from astrum import AstrumConfig, Case, Each, F, Input, Ref
from astrum.errors import SchedulerError
from tests.flows.mistakes import built, plain, task_with, two

any_f: Any = F  # for what type checkers refuse
any_case: Any = Case
OPTIONS: list[tuple[dict[str, Any], str]] = [
    ({"each": "zipp"}, "each must be 'zip' or 'product', got 'zipp'; did you mean 'zip'?"),
    ({"each": 3}, "each must be 'zip' or 'product', got 3"),
    ({"each": "zip"}, "each='zip' says how two lists go together, and no parameter goes through"),
    ({"on_failure": "contine"}, "or 'ignore', got 'contine'; did you mean 'continue'?"),
    ({"on_failure": True}, "on_failure must be 'stop', 'continue' or 'ignore', got True"),
    ({"on_lost": "hodl"}, "on_lost must be 'retry', 'fail' or 'hold', got 'hodl'; did you mean"),
    ({"always": "yes"}, "always must be True or False, got 'yes'"),
    ({"at_once": 0}, "at_once must be a number of children from 1 on, got 0"),
    ({"at_once": True}, "at_once must be a number of children from 1 on, got True"),
    ({"at_once": 2}, "at_once=2 is about children, and it has none: leave at_once out"),
    ({"max_failed": -1}, "max_failed must be a count of children (an int from 0 on) or a share"),
    ({"max_failed": 1.5}, "a share of them (a float from 0.0 to 1.0), got 1.5"),
    ({"max_failed": float("nan")}, "a share of them (a float from 0.0 to 1.0), got nan"),
    ({"max_failed": True}, "a share of them (a float from 0.0 to 1.0), got True"),
    ({"max_failed": 0.1}, "max_failed=0.1 is about children, and it has none"),
    (
        {"after": "text"},
        "after must be a list of task ids or functions, got 'text': write ['text']",
    ),
    ({"after": [3]}, "after may hold task ids and functions, got 3"),
    ({"after": ["txet"]}, "after names 'txet', which is not a task of namespace 'mistakes'; did"),
    ({"after": ["text"], "depends_on": ["text"]}, "names 'text' in depends_on and in after"),
    ({"after": ["cleanup"]}, "needs 'cleanup', which has always=True and so may run last of all"),
    ({"depends_on": ["cleanup"]}, "write always=True for 'bad' too, or take the need away"),
    ({"when": "is_new"}, 'when must be F("check") for a bool that a task returns, or Case('),
    ({"when": "is_new"}, "got 'is_new': write when=F('is_new')"),
    ({"when": True}, "got True: let a task return the bool, and read that"),
    ({"when": Input("full")}, "let a task return the bool, and read that"),
    ({"when": F("is_new", default=False)}, "has default= or failures=: a condition needs the res"),
    ({"when": F("is_new", failures=True)}, "has default= or failures=: a condition needs the res"),
    ({"when": F(["is_new", "text"])}, "reads several tasks: let one task read them and return a"),
    (
        {"when": F("is_nwe")},
        "when reads 'is_nwe', which is not a task of namespace 'mistakes'; did",
    ),
    ({"when": any_f("is_new", 1.5)}, "has the locator 1.5; use a str, an int or None"),
    ({"when": F("route")}, "not a bool: compare it, when=Case('route', equals=...)"),
    ({"when": F("text")}, "the result of task 'text' is str, not a bool: compare it"),
    ({"when": F("table", "x")}, "when=F('table', 'x') can never hold: the result['x'] of task"),
    ({"when": F("parse")}, "when=F('parse') reads 'parse', which has many results and not one"),
    ({"when": Case("route", equals="refudn")}, "can be 'refund', 'sale'; did you mean 'refund'?"),
    ({"when": Case("route", equals=1)}, "the result of task 'route' can be 'refund', 'sale'"),
    ({"when": Case("color", equals="GREEN")}, "can be 'RED', 'BLUE', None"),
    ({"when": Case("is_new", equals="yes")}, "the result of task 'is_new' can be True, False"),
    ({"when": Case("text", equals=3)}, "the result of task 'text' is str"),
    ({"when": Case("table", "x", equals=True)}, "the result['x'] of task 'table' is int"),
    ({"when": Case("pages", "x", equals=1)}, "can never hold: task 'pages' returns list"),
    (
        {"when": Case("route", equals=1.5)},
        "compares with a float: give a str, an int, a bool, None",
    ),
    ({"when": any_case(3, equals=1)}, "reads 3: name a task by its id or function"),
]


@pytest.mark.parametrize(("options", "told"), OPTIONS)
def test_a_mistake_in_an_option_names_the_task(options: dict[str, Any], told: str) -> None:
    with pytest.raises(SchedulerError, match=re.escape(told)) as caught:
        built(plain, options)
    assert "task 'bad'" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_each_is_refused_where_one_list_is_gone_through() -> None:
    told = "each='zip' says how two lists go together, and it goes through one, files: leave"
    with pytest.raises(SchedulerError, match=told):
        built(task_with(Ref[str, Each("files")]), {"each": "zip"})


@pytest.mark.parametrize(
    ("option", "hint"),
    [("on_fail", "on_failure"), ("wen", "when"), ("max_fail", "max_failed"), ("afer", "after")],
)
def test_an_unknown_option_has_the_nearest_one(option: str, hint: str) -> None:
    with pytest.raises(TypeError, match=f"'bad' has no option '{option}'; did you mean '{hint}'"):
        built(plain, {option: 1})


def test_a_result_goes_through_no_list() -> None:
    returned = task_with(Ref[str, F("text")], returns=Ref[str, Each("files")])
    with pytest.raises(SchedulerError, match=r"the return value has Each.*Each belongs on a param"):
        built(returned, {})


def test_a_default_value_of_a_parameter_is_not_that_of_a_list() -> None:
    with pytest.raises(SchedulerError, match="each element of the input 'x' and has a default val"):
        built(task_with(Ref[str, Each(Input())], default="a"), {})


def test_an_input_that_is_not_a_list_has_no_elements() -> None:
    told = "reads each element of the input 'days', which is str, which is not a list"
    with pytest.raises(SchedulerError, match=told):
        built(two(Ref[str, Input("days")], Ref[str, Each(Input("days"))]), {})


def test_the_type_check_can_be_left_out_but_not_the_rest() -> None:
    built(task_with(Ref[int, Each("names")]), {}, skip_type_check=True)
    built(plain, {"when": Case("text", equals=3)}, skip_type_check=True)
    with pytest.raises(SchedulerError, match="has no children"):
        built(task_with(Ref[int, Each(Each("files"))]), {}, skip_type_check=True)


@pytest.mark.parametrize(
    ("setting", "error", "told"),
    [
        ({"on_failure": "contine"}, ValueError, "got 'contine'; did you mean 'continue'?"),
        ({"on_failure": None}, ValueError, "on_failure must be 'stop', 'continue' or 'ignore'"),
        ({"max_children": 0}, ValueError, "max_children must be at least 1, got 0"),
        ({"max_children": None}, TypeError, "max_children must be an integer, got None"),
        ({"cleanup_s": 0}, ValueError, "cleanup_s must be a positive number of seconds, got 0"),
        ({"cleanup_s": "1"}, TypeError, "cleanup_s must be a number of seconds, got '1'"),
    ],
)
def test_settings_out_of_range_are_refused(
    setting: dict[str, Any], error: type[Exception], told: str
) -> None:
    with pytest.raises(error, match=re.escape(told)):
        AstrumConfig(**setting)


def test_a_choice_that_is_far_from_all_there_are_gets_no_hint() -> None:
    with pytest.raises(SchedulerError, match=r"'retry', 'fail' or 'hold', got 'wait'$"):
        built(plain, {"on_lost": "wait"})
