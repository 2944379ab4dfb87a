"""The check of values against types when they are injected."""

import collections
import enum
import typing
from dataclasses import dataclass, field
from types import GenericAlias
from typing import Any, Literal, NamedTuple, NewType, NotRequired, Optional, Protocol, TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel
from typing_extensions import TypeAliasType

from astrum.data_transport import fitted
from astrum.errors import InjectionError


class Color(enum.Enum):
    RED = 1


@dataclass
class Line:
    price: int
    note: str = ""


@dataclass
class Tree:
    name: str
    children: list["Tree"] = field(default_factory=list)


class Point(NamedTuple):
    x: int
    y: int = 0


class Order(BaseModel):
    id: str
    lines: list[Line] = []


class Row(TypedDict):
    id: int
    note: NotRequired[str]


class Box(TypedDict):
    line: Line


class Quacks(Protocol):
    def quack(self) -> None: ...


UserId = NewType("UserId", int)
T = typing.TypeVar("T")


class Labelled(TypedDict, typing.Generic[T]):
    value: T


class Pair(NamedTuple, typing.Generic[T]):
    first: T
    count: int  # type: ignore[assignment] # hides a method of tuples


FITS = [
    (3, int),
    (3, float),
    (3.5, float),
    (3, complex),
    (True, bool),
    ("a", str),
    (None, None),
    (None, Optional[int]),  # noqa: UP045
    (3, int | None),
    (3, Literal[3, "a"]),
    (Color.RED, Literal[Color.RED]),
    (Color.RED, Color),
    ([1, 2], list[int]),
    ([], list[int]),
    ([1, "a"], list),
    ([[1], [None]], list[list[int | None]]),
    ((1, "a"), tuple[int, str]),
    ((1, 2, 3), tuple[int, ...]),
    ((), tuple[()]),
    ({1}, set[int]),
    (frozenset({1}), frozenset[int]),
    ([1], typing.Sequence[int]),
    ("ab", typing.Sequence[str]),
    ({"a": [1]}, dict[str, list[int]]),
    ({"a": 1}, typing.Mapping[str, int]),
    (collections.OrderedDict(a=1), dict[str, int]),
    (collections.deque([1]), collections.deque[int]),
    (len, typing.Callable[[int], int]),
    (int, type[int]),
    ({"id": 1}, Row),
    ({"id": 1, "note": "x", "more": 2}, Row),
    (Line(3), Line),
    (Point(1), Point),
    (Order(id="a"), Order),
    (Line("not looked into"), Line),  # type: ignore[arg-type] # on purpose
    (3, UserId),
    (True, int),
    (True, int | str),
    ([True, 1], list[int]),
    ({"a": False}, dict[str, int]),
    (3, typing.Annotated[int, "kg"]),
    (object(), Any),
    (object(), object),
    (object(), T),
    (object(), Quacks),
    ({"value": 3}, Labelled[int]),
    (Pair("a", 1), Pair[str]),
]

MISFITS = [
    ("128", int, "expected int, got str '128'"),
    (128, str, "expected str, got int 128"),
    (True, float, "expected float, got bool True"),
    (1, bool, "expected bool, got int 1"),
    (3.0, int, "expected int, got float 3.0"),
    (None, int, "expected int, got None"),
    (0, None, "expected None, got int 0"),
    (True, Literal[1], "got bool True"),
    ("b", Literal["a"], "got str 'b'"),
    (1, Color, "expected Color, got int 1"),
    ([1, "a"], list[int], r"expected list[int], got str 'a' instead of int at [1]"),
    ([1.0, True], list[float], "at [1]"),
    ((1,), list[int], "got tuple"),
    ([1], tuple[int], "got list"),
    ((1, 2), tuple[int], "got tuple"),
    ((1, "a"), tuple[int, int], "at [1]"),
    ({1, "a"}, set[int], "instead of int"),
    ({"a": ["b"]}, dict[str, list[int]], "instead of int at ['a'][0]"),
    ({1: 1}, dict[str, int], "at [1]"),
    ({}, Row, "a dict without the field 'id'"),
    ({"id": "1"}, Row, "got str '1' instead of int at ['id']"),
    ([], Row, "expected Row, got list"),
    ({"note": "x"}, Line, "a dict without the field 'price'"),
    ({"price": 3, "prce": 4}, Line, "a dict with the unknown field 'prce'"),
    ({"price": "3"}, Line, "at ['price']"),
    ({"id": "a", "lines": 3}, Order, "at ['lines']"),
    ({"x": "1"}, Point, "at ['x']"),
    ((1, 2), Point, "expected Point, got tuple"),
    (3, Line, "expected Line, got int 3"),
    ("3", UserId, "expected int"),
    ("3", typing.Annotated[int, "kg"], "expected int"),
    ("x" * 100, int, "got str"),
]


@pytest.mark.parametrize(("value", "expected"), FITS)
def test_a_value_that_fits_is_returned_itself(value: Any, expected: Any) -> None:
    assert fitted(value, expected) is value


@pytest.mark.parametrize(("value", "expected", "message"), MISFITS)
def test_a_value_that_does_not_fit_is_an_error_that_says_what_and_where(
    value: Any, expected: Any, message: str
) -> None:
    with pytest.raises(InjectionError) as caught:
        fitted(value, expected)
    assert message in str(caught.value)


def test_an_error_does_not_repeat_a_long_value() -> None:
    with pytest.raises(InjectionError) as caught:
        fitted("x" * 100, int)
    assert "xxx" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "expected", "rebuilt"),
    [
        ({"price": 3}, Line, Line(3)),
        ({"x": 1}, Point, Point(1)),
        ({"first": "a", "count": 1}, Pair[str], Pair("a", 1)),
        ({"id": "a", "lines": [{"price": 3}]}, Order, Order(id="a", lines=[Line(3)])),
        ({"price": 3}, Line | None, Line(3)),
        ([{"price": 3}, Line(4)], list[Line], [Line(3), Line(4)]),
        (({"price": 3}, 1), tuple[Line, int], (Line(3), 1)),
        (({"price": 3},), tuple[Line, ...], (Line(3),)),
        ({"a": {"price": 3}}, dict[str, Line], {"a": Line(3)}),
        ({"line": {"price": 3}}, Box, {"line": Line(3)}),
        (
            {"name": "a", "children": [{"name": "b"}]},
            Tree,
            Tree("a", [Tree("b")]),
        ),
    ],
)
def test_models_and_dataclasses_are_rebuilt_from_their_fields(
    value: Any, expected: Any, rebuilt: Any
) -> None:
    before = repr(value)
    found = fitted(value, expected)
    assert found == rebuilt
    assert type(found) is type(rebuilt)
    assert repr(value) == before


def test_a_union_prefers_the_member_that_takes_the_value_as_it_is() -> None:
    assert fitted({"price": 3}, Line | dict) == {"price": 3}
    assert fitted([{"price": 3}], list[Line] | list[dict]) == [{"price": 3}]


def test_a_class_that_refuses_its_fields_is_a_misfit() -> None:
    @dataclass
    class Positive:
        value: int

        def __post_init__(self) -> None:
            if self.value <= 0:
                raise ValueError("must be positive")

    with pytest.raises(InjectionError, match="must be positive"):
        fitted({"value": -1}, Positive)


def test_a_type_statement_stands_for_its_type() -> None:
    numbers = TypeAliasType("numbers", list[int])
    json = TypeAliasType("json", typing.Union[int, list[numbers | int | None]])  # noqa: UP007
    assert fitted([1, [2], None], json) == [1, [2], None]
    with pytest.raises(InjectionError, match="expected json, got str 'a'"):
        fitted("a", json)


def test_an_iterator_is_not_consumed() -> None:
    numbers = iter(["a"])
    assert fitted(numbers, typing.Iterable[int]) is numbers
    assert next(numbers) == "a"


def test_an_unhashable_type_is_checked_too() -> None:
    with pytest.raises(InjectionError):
        fitted("a", typing.Annotated[int, []])


# Spelt out, for drawing any text at all first builds tables that take seconds.
VALUES = {
    int: st.integers(),
    str: st.sampled_from(["", "a", "é", "128"]),
    float: st.floats(),
    bool: st.booleans(),
    type(None): st.none(),
    bytes: st.sampled_from([b"", b"a"]),
}
SCALARS = st.sampled_from(list(VALUES))
TYPES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        inner.map(lambda t: GenericAlias(list, (t,))),
        inner.map(lambda t: GenericAlias(tuple, (t, ...))),
        inner.map(lambda t: GenericAlias(dict, (str, t))),
        st.tuples(inner, inner).map(lambda pair: pair[0] | pair[1]),
        st.tuples(inner, inner).map(lambda pair: GenericAlias(tuple, pair)),
    ),
    max_leaves=5,
)


def values_of(kind: Any) -> st.SearchStrategy[Any]:
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin is None:
        return VALUES[kind]
    if origin is dict:
        return st.dictionaries(VALUES[str], values_of(args[1]), max_size=3)
    if origin is list:
        return st.lists(values_of(args[0]), max_size=3)
    if origin is tuple and args[-1] is Ellipsis:
        return st.lists(values_of(args[0]), max_size=3).map(tuple)
    if origin is tuple:
        return st.tuples(*map(values_of, args))
    return st.one_of(*map(values_of, args))


@given(st.data())
def test_a_value_drawn_from_a_type_fits_it_unchanged(data: Any) -> None:
    kind = data.draw(TYPES)
    value = data.draw(values_of(kind))
    assert fitted(value, kind) is value


@given(st.data())
def test_a_strange_value_deep_inside_never_fits(data: Any) -> None:
    class Strange:
        pass

    kind = data.draw(TYPES)
    nested = GenericAlias(list, (GenericAlias(dict, (str, kind)),))
    value = [{"a": data.draw(values_of(kind))}, {"b": Strange()}]
    with pytest.raises(InjectionError, match="Strange"):
        fitted(value, nested)
