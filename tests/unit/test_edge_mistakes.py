"""Every mistake in fan-out, optional upstreams, conditions and policies, found before a run."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal

import pytest

from astrum import DROP, AstrumConfig, Case, Each, F, Input, Ref, SchedulerRegistry, TaskFailure
from astrum.errors import SchedulerError

any_f: Any = F  # for what type checkers refuse
any_each: Any = Each
any_case: Any = Case
Kind = Literal["refund", "sale"]


class Color(Enum):
    RED = "r"
    BLUE = "b"


@dataclass
class Page:
    number: int
    weight: float


def files() -> list[str]:
    return []


def sizes() -> tuple[int, ...]:
    return ()


def names() -> set[str]:
    return set()


def table() -> dict[str, int]:
    return {}


def text() -> str:
    return ""


def pages() -> list[Page]:
    return []


def route() -> Kind:
    return "sale"


def color() -> Color | None:
    return None


def is_new() -> bool:
    return True


def cleanup() -> None: ...


def parse(path: Ref[str, Each(files)]) -> list[int]:
    return []


def accepts(path: Ref[str, Each(files)]) -> int:
    return 0


def lines(row: Ref[int, Each(Each(parse))]) -> int:
    return 0


BASE: list[tuple[Callable[..., Any], dict[str, Any]]] = [
    *((one, {}) for one in (files, sizes, names, table, text, pages, route, color, is_new)),
    (cleanup, {"always": True}),
    (parse, {}),
    (accepts, {"max_failed": 0.05}),
    (lines, {}),
]


def built(function: Callable[..., Any], options: dict[str, Any], **settings: Any) -> None:
    registry = SchedulerRegistry("mistakes")
    for one, own in BASE:
        registry.task(**own)(one)
    registry.task("bad", **options)(function)
    registry.build_scheduler(**settings).flow()


def task_with(annotation: Any, returns: Any = None, default: Any = ...) -> Callable[..., Any]:
    """Return a function whose one parameter, ``x``, has this annotation."""

    def bad(x: Any) -> Any: ...

    bad.__annotations__ = {"x": annotation, "return": returns}
    if default is not ...:
        bad.__defaults__ = (default,)
    return bad


def two(first: Any, second: Any) -> Callable[..., Any]:
    def bad(x: Any, y: Any) -> None: ...

    bad.__annotations__ = {"x": first, "y": second, "return": None}
    return bad


def plain() -> None: ...


PARAMETERS: list[tuple[Any, str]] = [
    # What Each goes through.
    (Ref[str, Each("names")], "task 'names' returns set[str], which is not a list: return sorted("),
    (Ref[str, Each("table")], "returns dict[str, int], which is not a list: return list("),
    (
        Ref[str, Each(text)],
        "task 'text' returns str, which is not a list: return a list or a tuple",
    ),
    (Ref[int, Each("files")], "expects int, but task 'files' gives str as each element"),
    (Ref[str, Each(F("pages", "number"))], "'bad', parameter 'x'"),
    (Ref[str, Each("pages", "numbr")], "no field 'numbr'"),
    (Ref[int, Each("pages", "weight")], "expects int, but task 'pages' gives float"),
    (Ref[str, Each("filse")], "there is no task 'filse'; did you mean 'files'?"),
    (
        Ref[str, any_each(["a", "b"])],
        "Each over ['a', 'b']: Each goes through one list that a task",
    ),
    (Ref[str, any_each(7)], "Each over 7: name a task by its id or function"),
    (Ref[str, Each], 'names no list: write Ref[type, Each("task")]'),
    (Each("files"), 'stands where a type belongs: write Ref[type, Each("task")]'),
    (list[Ref[str, Each("files")]], "stands inside list"),
    (Ref[str, Each(F("files", default=[]))], "default= or failures= inside Each"),
    (Ref[str, Each(F(["files", "names"]))], "Each over ('files', 'names')"),
    (
        Ref[int, Each(Each("files"))],
        "has Each(Each('files')), but 'files' has no children: write a",
    ),
    (Ref[int, Each(Each(Each("parse")))], "an Each in an Each in an Each: write a task in between"),
    (Ref[str, any_each("files", 1.5)], "has the locator 1.5; use a str, an int or None"),
    (Ref[str, any_each("files", key=1.5)], "has key=1.5: write the name or index of the part"),
    (Ref[str, Each("files", key=False)], "has key=False: write the name or index of the part"),
    (Ref[Page, Each("pages", key=True)], "has key=True: that is Page, and only a str or an int"),
    (Ref[Page, Each("pages", key="weight")], "has key='weight': that is float, and only a str or"),
    (Ref[Page, Each("pages", key="nubmer")], "has key='nubmer': each element is Page, which has"),
    (Ref[list[int], Each("parse", key=True)], "'parse' has children already, so their names are"),
    (
        Ref[int, Each(Each("parse", key=0))],
        "has a key inside another Each: write key=0 in the task",
    ),
    # What F gathers.
    (Ref[int, F("parse")], "expects int, but task 'parse' gives list[list[int]], one result per"),
    (Ref[list[str], F("parse")], "expects list[str], but task 'parse' gives list[list[int]]"),
    (Ref[list[int], F("lines")], "expects list[int], but task 'lines' gives list[list[int]]"),
    (Ref[set[int], F("lines")], "expects set[int], but task 'lines' gives list[list[int]]"),
    (
        Ref[list[int], F("accepts")],
        "F('accepts', default=DROP) to leave them out, F('accepts', def",
    ),
    (
        Ref[int, F("files", default=DROP)],
        "default=DROP, which leaves elements out of a list, but it",
    ),
    (
        Ref[str, F("text", default=None)],
        "does not fit, expected str, got None: annotate it with str",
    ),
    (
        Ref[str, F("text", default=3)],
        "the default of F('text') does not fit, expected str, got int",
    ),
    (
        Ref[list[int], F("accepts", default="")],
        "the default of F('accepts') does not fit, expected",
    ),
    (Ref[str, F("text", failures=True)], "annotate it with str | TaskFailure"),
    (Ref[list[int], F("accepts", failures=True)], "annotate it with list[int | TaskFailure]"),
    (Ref[str, any_f("text", failures=1)], "has failures=1; use True or False"),
    (Ref[str, F("text", default="", failures=True)], "has default= and failures=True"),
    (
        Ref[str, any_f(Input())],
        "not by Input(name=None, locator=None, secret=False); write Ref[type, Input(",
    ),
    (
        Ref[str, any_f(Each("files"))],
        "a relation names a task by id or function, not by Each(source='files'",
    ),
    (Ref[str, F([])], "names no task: a list names two tasks or more"),
    (Ref[str, F(["text"])], "names one task: a list names two tasks or more, and F('task') reads"),
    (Ref[list[str], F(["text", "text"])], "names 'text' twice"),
    (
        Ref[list[str], any_f(["text", 3])],
        "has 3 in From(task=['text', 3], locator=None): name each",
    ),
    (Ref[list[str], F(["text", "txet"])], "there is no task 'txet'; did you mean 'text'?"),
    (
        Ref[list[str], F(["text", "is_new"])],
        "expects list[str], but task 'is_new' gives list[bool]",
    ),
    (
        Ref[list[str], F(["text", "parse"])],
        "'parse' has many results: gather them in a task of the",
    ),
    (Ref[str, Case("route", equals="x")], "is a condition of the task: write @task(when=Case("),
    # Inputs.
    (Ref[str, Each(Input("the paths"))], "names the input 'the paths'"),
]


@pytest.mark.parametrize(("annotation", "told"), PARAMETERS)
def test_a_mistake_in_a_parameter_names_task_and_parameter(annotation: Any, told: str) -> None:
    with pytest.raises(SchedulerError, match=re.escape(told)) as caught:
        built(task_with(annotation), {})
    assert "task 'bad'" in str(caught.value)
    assert "'x'" in str(caught.value)
    assert "\n" not in str(caught.value)


TWO_PARAMETERS: list[tuple[Any, Any, dict[str, Any], str]] = [
    (
        Ref[str, Each("files")],
        Ref[int, Each("sizes")],
        {},
        "goes through two lists, files (parameter 'x') and sizes (parameter 'y'): write "
        'each="zip" for one child per pair, or each="product" for one per combination',
    ),
    (
        Ref[str, Each("files")],
        Ref[int, Each(Input("days"))],
        {},
        "goes through two lists, files (parameter 'x') and input days (parameter 'y')",
    ),
    (
        Ref[list[int], Each("parse")],
        Ref[int, Each("sizes")],
        {"each": "zip"},
        "parameter 'x': each=\"zip\" pairs lists that belong to the same children, and files",
    ),
    (
        Ref[str, Each("files", key=True)],
        Ref[int, Each("sizes", key=True)],
        {"each": "zip"},
        "parameter 'y' has key=True, but the first of the zipped lists names the children",
    ),
    (
        Ref[Page, Each("pages", key="number")],
        Ref[Page, Each("pages", key=0)],
        {},
        "by key=0, and task 'bad' by key='number': write one key in both",
    ),
    (
        Ref[int, Each("sizes")],
        Ref[list[int], F("misaligned")],
        {},
        "reads 'misaligned', whose children go through files first",
    ),
]


@pytest.mark.parametrize(("first", "second", "options", "told"), TWO_PARAMETERS)
def test_a_mistake_in_how_two_parameters_go_together_is_found(
    first: Any, second: Any, options: dict[str, Any], told: str
) -> None:
    registry = SchedulerRegistry("mistakes")
    for one, own in BASE:
        registry.task(**own)(one)

    @registry.task(each="product")
    def misaligned(x: Ref[str, Each("files")], y: Ref[int, Each("sizes")]) -> int:
        return 0

    registry.task("bad", **options)(two(first, second))
    with pytest.raises(SchedulerError, match=re.escape(told)) as caught:
        registry.build_scheduler()
    assert "task 'bad'" in str(caught.value)


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
    ({"after": "text"}, "after must be a list of task ids or functions, got 'text'"),
    ({"after": [3]}, "after may hold task ids and functions, got 3"),
    ({"after": ["txet"]}, "after names 'txet' is not a task of namespace 'mistakes'; did you mean"),
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
    ({"when": F("is_nwe")}, "when reads 'is_nwe' is not a task of namespace 'mistakes'; did you m"),
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


RIGHT: list[tuple[Any, dict[str, Any]]] = [
    (Ref[int, Each("sizes")], {}),
    (Ref[int, Each("pages", "number")], {}),
    (Ref[list[int], Each("parse")], {}),
    (Ref[int, Each(Each("parse"))], {}),
    (Ref[list[list[int]], F("parse")], {}),
    (Ref[list[int], F("parse", 0)], {}),
    (Ref[list[int], F("accepts", default=DROP)], {}),
    (Ref[list[int | TaskFailure], F("accepts", failures=True)], {}),
    (Ref[list[int | None], F("accepts", default=None)], {}),
    (Ref[str | TaskFailure, F("text", failures=True)], {}),
    (Ref[list[str | bool], F(["text", "is_new"])], {}),
    (Ref[str, F("text")], {"when": Case("color", equals=Color.RED)}),
    (Ref[str, F("text")], {"when": Case("color", equals="b")}),
    (Ref[str, F("text")], {"when": Case("color", equals=None)}),
    (Ref[str, F("text")], {"when": Case("table", "x", equals=3)}),
    (Ref[list[int], Each("parse")], {"when": Case("parse", 0, equals=3)}),
    (Ref[str, F("text")], {"always": True, "depends_on": ["cleanup"]}),
]


@pytest.mark.parametrize(("annotation", "options"), RIGHT)
def test_what_is_right_is_accepted(annotation: Any, options: dict[str, Any]) -> None:
    built(task_with(annotation), options)
