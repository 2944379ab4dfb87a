"""Declared types are checked against each other at build time; the types that a flow names."""

import collections.abc
import enum
import typing
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Optional, TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict
from typing_extensions import TypeAliasType

from astrum.config import AstrumConfig
from astrum.data_transport import DataItem, DTRela, F, Ref, T, TaskData, check_types, declared_types
from astrum.data_transport.types.assignability import could_fit
from astrum.data_transport.types.part_types import NoSuchPart, type_at
from astrum.errors import TaskRegistrationError


class Row(TypedDict):
    id: int
    tags: list[str]


@dataclass
class Line:
    price: int

    @property
    def total(self) -> float:
        return self.price * 1.2


class BetterLine(Line):
    pass


class Point(NamedTuple):
    x: int
    y: str


class Color(enum.Enum):
    RED = 1


class Order(BaseModel):
    id: str
    line: Line
    color: Color | None = None


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")


class Loose:
    known: int


UNDECLARED = object()


@pytest.fixture
def check(relate):
    def check(returns, expected, *locator, body=None, **config):
        def load(): ...
        def read(value): ...

        if returns is not UNDECLARED:
            load.__annotations__ = {"return": returns}
        read.__annotations__ = {"value": Ref[expected, F("load", *locator)]}
        functions = {"load": body or load, "read": read}
        check_types(relate(functions), functions, AstrumConfig(**config))

    return check


OK = [
    (int, int, None),
    (int, float, None),
    (UNDECLARED, int, None),
    (UNDECLARED, int, "key"),
    (Any, int, "key"),
    (dict, int, "key"),
    (dict, Row, None),
    (dict, Line, None),
    (Row, dict, None),
    (Row, int, "id"),
    (Row, list[str], "tags"),
    (Line, int, "price"),
    (Line, float, "total"),
    (Point, str, "y"),
    (Point, str, 1),
    (Point, str, -1),
    (Order, Line, "line"),
    (Order, Color, "color"),
    (Open, int, "whatever"),
    (Loose, int, "known"),
    (Loose, int, "unknown"),
    (list[int], int, 0),
    (tuple[int, str], str, 1),
    (tuple[int, ...], int, 9),
    (dict[str, int], int, "key"),
    (int | None, int, None),
    (Row | None, int, "id"),
    (list, list[int], None),
    (list[Any], list[int], None),
    (int, Any, None),
    (Awaitable[int], int, None),
    (Literal["a"], str, None),
    (bool, int, None),
    (list[bool], list[int], None),
    (str, Literal["a", "b"], None),
    (object, int, None),
    (collections.abc.Sequence[int], list[int], None),
    (Line, BetterLine, None),
    (BetterLine, Line, None),
]

WRONG = [
    (int, str, None, "expects str, but task 'load' gives int"),
    (bool, float, None, "expects float, but task 'load' gives bool"),
    (int, bool, None, "expects bool, but task 'load' gives int"),
    (float, int, None, "gives float"),
    (None, int, None, "gives None"),
    (int, None, None, "expects None"),
    (Row, str, "id", r"'load': expects str, but task 'load' gives int"),
    (Row, int, "ids", "returns Row, which has no field 'ids'; did you mean 'id'"),
    (Line, str, "price", "gives int"),
    (Line, int, "total", "gives float"),
    (Line, int, "prise", "no field 'prise'; did you mean 'price'"),
    (Line, int, 0, "returns Line, which has no index 0"),
    (Point, int, "y", "gives str"),
    (Point, int, 1, "gives str"),
    (Point, int, 2, "2 items and no index 2"),
    (Order, int, "id", "gives str"),
    (Order, int, "idd", "no field 'idd'"),
    (Order, Line, None, "expects Line, but task 'load' gives Order"),
    (int, int, "key", "returns int, which has no field 'key'"),
    (str, str, 0, "returns str, which has no index 0"),
    (None, int, "key", "no field 'key'"),
    (list[int], str, 0, "gives int"),
    (list[int], list[str], None, r"expects list\[str\], but task 'load' gives list\[int\]"),
    (tuple[int, str], int, 1, "gives str"),
    (tuple[int, str], tuple[int], None, "gives tuple"),
    (dict[str, int], str, "key", "gives int"),
    (dict[str, int], dict[str, str], None, "gives dict"),
    (int | None, str, None, r"gives int \| None"),
    (Awaitable[int], str, None, "gives int"),
    (Literal[1], str, None, "gives Literal"),
    (int, Literal["a"], None, "gives int"),
]


@pytest.mark.parametrize(("returns", "expected", "locator"), OK)
def test_a_declared_result_that_can_fit_passes(check, returns, expected, locator):
    check(returns, expected, locator)


@pytest.mark.parametrize(("returns", "expected", "locator", "message"), WRONG)
def test_a_sure_mismatch_names_both_ends(check, returns, expected, locator, message):
    with pytest.raises(TaskRegistrationError, match=f"task 'read', parameter 'value'.*{message}"):
        check(returns, expected, locator)


@pytest.mark.parametrize(("returns", "expected", "locator", "message"), WRONG[:6])
def test_skip_type_check_checks_nothing(check, returns, expected, locator, message):
    check(returns, expected, locator, skip_type_check=True)


def test_a_message_names_the_part_that_is_read(check):
    with pytest.raises(
        TaskRegistrationError, match=r"reads the result\['id'\] of task 'load': expects str"
    ):
        check(Row, str, "id")


def test_what_a_to_sends_is_checked_against_the_receiver(relate):
    def load() -> Ref[Row, T("read", "id", "value")]: ...
    def read(value: str) -> None: ...

    functions = {"load": load, "read": read}
    with pytest.raises(TaskRegistrationError, match=r"'read', parameter 'value'.*gives int"):
        check_types(relate(functions), functions, AstrumConfig())


def test_an_undeclared_result_can_be_forbidden(check):
    check(dict, int, "key", allow_no_dir_definition=False)
    with pytest.raises(TaskRegistrationError, match=r"'read'.*'load' declares no result type"):
        check(UNDECLARED, int, "key", allow_no_dir_definition=False)


def number():
    return 3


def record():
    def inner():
        return "no concern of ours"

    return {"id": 1, "tags": ["a"], "when": inner()}


def either(flag=True):
    if flag:
        return {"id": 1}
    return None


def spread():
    return {**record()}


def nothing():
    print("nothing")


def pair():
    return 1, "a"


def yielding():
    yield 1


@pytest.mark.parametrize(
    ("body", "expected", "locator", "message"),
    [
        (number, str, None, "gives int"),
        (record, str, "id", "gives int"),
        (record, list[int], "tags", "gives list"),
        (record, int, "idd", "no field 'idd'; did you mean 'id'"),
        (either, str, "id", "gives int"),
        (nothing, int, None, "gives None"),
        (pair, int, 1, "gives str"),
        (pair, int, 2, "no index 2"),
        (lambda: 3, None, None, ""),
        (record, int, "when", ""),
        (record, int, "id", ""),
        (either, int, "id", ""),
        (spread, int, "anything", ""),
        (pair, str, 1, ""),
        (yielding, str, None, ""),
        (len, int, None, ""),
    ],
)
def test_a_missing_result_type_is_read_from_the_source_when_asked(
    check, body, expected, locator, message
):
    check(UNDECLARED, expected, locator, body=body)
    if message:
        with pytest.raises(TaskRegistrationError, match=message):
            check(UNDECLARED, expected, locator, body=body, infer_via_ast=True)
    else:
        check(UNDECLARED, expected, locator, body=body, infer_via_ast=True)


def test_an_inferred_result_counts_as_declared(check):
    options = {"infer_via_ast": True, "allow_no_dir_definition": False}
    check(UNDECLARED, int, body=number, **options)
    with pytest.raises(TaskRegistrationError, match="declares no result type"):
        check(UNDECLARED, int, body=yielding, **options)


def load() -> dict:
    return {}


def greet(name: str) -> None: ...


def topology(relate, *data):
    functions = {"load": load, "greet": greet}
    inputs = relate(functions, *data)
    check_types(inputs, functions, AstrumConfig(strict_topology=True))


def explicit(kind, task_id, **more):
    item = DataItem(
        from_relation=DTRela(key="name", related_task="load"),
        to_relation=DTRela(key="name", related_task="greet"),
    )
    return TaskData(task_id=task_id, **{kind: [item]}, **more)


def test_strict_topology_demands_that_from_tasks_declares_an_input(relate):
    topology(relate, explicit("input_data_item", "greet", from_tasks=["load"]))
    message = r"'greet', parameter 'name'.*'load'.*from_tasks"
    with pytest.raises(TaskRegistrationError, match=message):
        topology(relate, explicit("input_data_item", "greet"))


def test_strict_topology_demands_that_to_tasks_declares_an_output(relate):
    topology(relate, explicit("output_data_item", "load", to_tasks=["greet"]))
    message = r"'greet', parameter 'name'.*'load'.*to_tasks"
    with pytest.raises(TaskRegistrationError, match=message):
        topology(relate, explicit("output_data_item", "load"))


def test_strict_topology_is_content_with_annotations(relate):
    def read(name: Ref[str, F("load", "name")]) -> None: ...

    functions = {"load": load, "read": read}
    check_types(relate(functions), functions, AstrumConfig(strict_topology=True))


def test_without_strict_topology_nothing_need_be_declared(relate):
    functions = {"load": load, "greet": greet}
    inputs = relate(functions, explicit("input_data_item", "greet"))
    check_types(inputs, functions, AstrumConfig())


def test_declared_types_are_all_named_types_fields_of_fields_included():
    def task(
        order: Ref[Optional[Order], F("a")],  # noqa: UP045
        rows: list[Row],
        *points: Point,
        flag: Literal[Color.RED, "x"],
        n: int = 0,
    ) -> dict[str, collections.abc.Sequence[Loose]]: ...

    found = list(declared_types(task))
    assert sorted(t.__name__ for t in found) == ["Color", "Line", "Loose", "Order", "Point"]


def test_a_type_statement_is_looked_into():
    orders = TypeAliasType("orders", dict[str, Line])

    def task(given: list[orders]) -> orders: ...

    assert list(declared_types(task)) == [Line]


def test_a_type_that_contains_itself_is_named_once():
    assert list(declared_types(node)) == [Node]


@dataclass
class Node:
    children: "list[Node]"


def node() -> Node: ...


def test_a_part_of_an_unknown_type_is_unknown():
    assert type_at(Any, ("a", 0)) is Any
    assert type_at(list[dict[str, Row]], (0, "x", "tags", 1)) is str
    with pytest.raises(NoSuchPart, match="Row"):
        type_at(list[Row], (0, "nope"))


KINDS = st.recursive(
    st.sampled_from([int, str, float, bool, type(None), dict, Row, Line, Point, Any, list]),
    lambda inner: st.one_of(
        inner.map(lambda t: list[t]),
        inner.map(lambda t: dict[str, t]),
        st.tuples(inner, inner).map(lambda pair: typing.Union[pair]),  # noqa: UP007
    ),
    max_leaves=4,
)


@given(KINDS)
def test_every_type_can_fit_itself_and_a_union_with_itself(kind):
    assert could_fit(kind, kind)
    assert could_fit(kind, typing.Union[kind, str])  # noqa: UP007
    assert could_fit(typing.Union[kind, str], kind)  # noqa: UP007
