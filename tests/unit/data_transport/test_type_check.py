"""Declared types are checked against each other at build time; the types that a flow names."""

import collections.abc
import enum
import typing
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import GenericAlias
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
from tests.unit.data_transport import undeclared
from tests.unit.data_transport.fixtures import Functions, Relate


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
def check(relate: Relate) -> Callable[..., None]:
    def check(
        returns: Any,
        expected: Any,
        *locator: str | int | None,
        body: Callable[..., Any] | None = None,
        **config: Any,
    ) -> None:
        def load() -> Any: ...
        def read(value: Any) -> None: ...

        load.__annotations__ = {} if returns is UNDECLARED else {"return": returns}
        read.__annotations__ = {"value": Ref[expected, F("load", *locator)]}
        functions: Functions = {"load": body or load, "read": read}
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
def test_a_declared_result_that_can_fit_passes(
    check: Callable[..., None], returns: Any, expected: Any, locator: Any
) -> None:
    check(returns, expected, locator)


@pytest.mark.parametrize(("returns", "expected", "locator", "message"), WRONG)
def test_a_sure_mismatch_names_both_ends(
    check: Callable[..., None], returns: Any, expected: Any, locator: Any, message: str
) -> None:
    with pytest.raises(TaskRegistrationError, match=f"task 'read', parameter 'value'.*{message}"):
        check(returns, expected, locator)


@pytest.mark.parametrize(("returns", "expected", "locator", "message"), WRONG[:6])
def test_skip_type_check_checks_nothing(
    check: Callable[..., None], returns: Any, expected: Any, locator: Any, message: str
) -> None:
    check(returns, expected, locator, skip_type_check=True)


def test_a_message_names_the_part_that_is_read(check: Callable[..., None]) -> None:
    with pytest.raises(
        TaskRegistrationError, match=r"reads the result\['id'\] of task 'load': expects str"
    ):
        check(Row, str, "id")


def test_the_value_that_a_T_sends_is_checked_against_the_receiver(relate: Relate) -> None:
    def load() -> Ref[Row, T("read", "id", "value")]: ...
    def read(value: str) -> None: ...

    functions: Functions = {"load": load, "read": read}
    with pytest.raises(TaskRegistrationError, match=r"'read', parameter 'value'.*gives int"):
        check_types(relate(functions), functions, AstrumConfig())


def test_an_undeclared_result_can_be_forbidden(check: Callable[..., None]) -> None:
    check(dict, int, "key", allow_no_dir_definition=False)
    with pytest.raises(TaskRegistrationError, match=r"'read'.*'load' declares no result type"):
        check(UNDECLARED, int, "key", allow_no_dir_definition=False)


@pytest.mark.parametrize(
    ("body", "expected", "locator", "message"),
    [
        (undeclared.number, str, None, "gives int"),
        (undeclared.record, str, "id", "gives int"),
        (undeclared.record, list[int], "tags", "gives list"),
        (undeclared.record, int, "idd", "no field 'idd'; did you mean 'id'"),
        (undeclared.either, str, "id", "gives int"),
        (undeclared.nothing, int, None, "gives None"),
        (undeclared.pair, int, 1, "gives str"),
        (undeclared.pair, int, 2, "no index 2"),
        (lambda: 3, None, None, ""),
        (undeclared.record, int, "when", ""),
        (undeclared.record, int, "id", ""),
        (undeclared.either, int, "id", ""),
        (undeclared.spread, int, "anything", ""),
        (undeclared.pair, str, 1, ""),
        (undeclared.yielding, str, None, ""),
        (len, int, None, ""),
    ],
)
def test_a_missing_result_type_is_read_from_the_source_when_asked(
    check: Callable[..., None], body: Any, expected: Any, locator: Any, message: str
) -> None:
    check(UNDECLARED, expected, locator, body=body)
    if message:
        with pytest.raises(TaskRegistrationError, match=message):
            check(UNDECLARED, expected, locator, body=body, infer_via_ast=True)
    else:
        check(UNDECLARED, expected, locator, body=body, infer_via_ast=True)


def test_an_inferred_result_counts_as_declared(check: Callable[..., None]) -> None:
    options: dict[str, Any] = {"infer_via_ast": True, "allow_no_dir_definition": False}
    check(UNDECLARED, int, body=undeclared.number, **options)
    with pytest.raises(TaskRegistrationError, match="declares no result type"):
        check(UNDECLARED, int, body=undeclared.yielding, **options)


def load() -> dict:
    return {}


def greet(name: str) -> None: ...


def topology(relate: Relate, *data: TaskData) -> None:
    functions: Functions = {"load": load, "greet": greet}
    inputs = relate(functions, *data)
    check_types(inputs, functions, AstrumConfig(strict_topology=True))


def explicit(kind: str, task_id: str, **more: Any) -> TaskData:
    item = DataItem(
        from_relation=DTRela(key="name", related_task="load"),
        to_relation=DTRela(key="name", related_task="greet"),
    )
    return TaskData(task_id=task_id, **{kind: [item], **more})


def test_strict_topology_demands_that_from_tasks_declares_an_input(relate: Relate) -> None:
    topology(relate, explicit("input_data_item", "greet", from_tasks=["load"]))
    message = r"'greet', parameter 'name'.*'load'.*from_tasks"
    with pytest.raises(TaskRegistrationError, match=message):
        topology(relate, explicit("input_data_item", "greet"))


def test_strict_topology_demands_that_to_tasks_declares_an_output(relate: Relate) -> None:
    topology(relate, explicit("output_data_item", "load", to_tasks=["greet"]))
    message = r"'greet', parameter 'name'.*'load'.*to_tasks"
    with pytest.raises(TaskRegistrationError, match=message):
        topology(relate, explicit("output_data_item", "load"))


def test_strict_topology_accepts_annotations(relate: Relate) -> None:
    def read(name: Ref[str, F("load", "name")]) -> None: ...

    functions: Functions = {"load": load, "read": read}
    check_types(relate(functions), functions, AstrumConfig(strict_topology=True))


def test_without_strict_topology_nothing_need_be_declared(relate: Relate) -> None:
    functions: Functions = {"load": load, "greet": greet}
    inputs = relate(functions, explicit("input_data_item", "greet"))
    check_types(inputs, functions, AstrumConfig())


def test_declared_types_are_all_named_types_fields_of_fields_included() -> None:
    def task(
        order: Ref[Optional[Order], F("a")],  # noqa: UP045
        rows: list[Row],
        *points: Point,
        flag: Literal[Color.RED, "x"],
        n: int = 0,
    ) -> dict[str, collections.abc.Sequence[Loose]]: ...

    found = list(declared_types(task))
    assert sorted(t.__name__ for t in found) == ["Color", "Line", "Loose", "Order", "Point"]


def test_a_type_statement_is_looked_into() -> None:
    orders = TypeAliasType("orders", dict[str, Line])

    def task(given: list[orders]) -> orders: ...

    assert list(declared_types(task)) == [Line]


def test_a_type_that_contains_itself_is_named_once() -> None:
    assert list(declared_types(node)) == [Node]


@dataclass
class Node:
    children: "list[Node]"


def node() -> Node: ...


def test_a_part_of_an_unknown_type_is_unknown() -> None:
    assert type_at(Any, ("a", 0)) is Any
    assert type_at(list[dict[str, Row]], (0, "x", "tags", 1)) is str
    with pytest.raises(NoSuchPart, match="Row"):
        type_at(list[Row], (0, "nope"))


KINDS = st.recursive(
    st.sampled_from([int, str, float, bool, type(None), dict, Row, Line, Point, Any, list]),
    lambda inner: st.one_of(
        inner.map(lambda t: GenericAlias(list, (t,))),
        inner.map(lambda t: GenericAlias(dict, (str, t))),
        st.tuples(inner, inner).map(lambda pair: typing.Union[pair]),  # noqa: UP007
    ),
    max_leaves=4,
)


@given(KINDS)
def test_every_type_can_fit_itself_and_a_union_with_itself(kind: Any) -> None:
    assert could_fit(kind, kind)
    assert could_fit(kind, typing.Union[kind, str])  # noqa: UP007
    assert could_fit(typing.Union[kind, str], kind)  # noqa: UP007
