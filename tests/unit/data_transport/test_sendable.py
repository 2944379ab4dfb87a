"""The parts of a declared type that travel, compared with its encoded values."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

import pytest
from pydantic import BaseModel, ConfigDict, PrivateAttr, computed_field

from astrum import AstrumConfig, F, Ref, TaskRegistrationError
from astrum.data_transport import check_types, why_local_only
from astrum.data_transport.locate import FIELDS_ADVICE
from astrum.data_transport.types.sendable import why_not_sendable
from astrum.errors import LocateError
from astrum.values import Codec, project
from tests.unit.data_transport.fixtures import Functions, Relate


@dataclass
class Line:
    limit: ClassVar[int] = 3
    note = "none"
    price: int = 1
    tax: int = field(init=False, default=2)

    def __post_init__(self) -> None:
        self.note = "set"

    @property
    def total(self) -> int:
        return self.price + self.tax

    @cached_property
    def cached(self) -> int:
        return 5

    def method(self) -> int:
        return 6


@dataclass(slots=True)
class Slotted:
    price: int = 1

    @property
    def total(self) -> int:
        return self.price


class Point(NamedTuple):
    x: int = 1

    @property
    def double(self) -> int:
        return 2 * self.x


class Order(BaseModel):
    limit: ClassVar[int] = 3
    id: str = "a"
    line: Line = Line()
    _visits: int = PrivateAttr(default=0)

    @computed_field  # type: ignore[prop-decorator] # pydantic documents it so
    @property
    def computed(self) -> str:
        return self.id

    @property
    def short(self) -> str:
        return self.id


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")


class Color(enum.Enum):
    RED = 1


CODEC = Codec([Line, Slotted, Point, Order, Open, Color])

TRAVELS: list[tuple[Any, Any, tuple[str | int, ...]]] = [
    (Line, Line(), ("price",)),
    (Line, Line(), ("tax",)),
    (Line, Line(), ("note",)),
    (Line | None, Line(), ("price",)),
    (Slotted, Slotted(), ("price",)),
    (Point, Point(), ("x",)),
    (Point, Point(), (0,)),
    (Order, Order(), ("line", "price")),
    (Open, Open.model_validate({"more": 1}), ("more",)),
    (dict[str, Line], {"a": Line()}, ("a", "price")),
    (Any, Line(), ("price",)),
    (Line | dict, {"total": 1}, ("total",)),
]
STAYS: list[tuple[Any, Any, tuple[str | int, ...], str]] = [
    (Line, Line(), ("total",), "Line.total is a property, not a field"),
    (Line, Line(), ("cached",), "Line.cached is a property, not a field"),
    (Line, Line(), ("method",), "Line.method is not a field"),
    (Line, Line(), ("limit",), "Line.limit is not a field"),
    (Line | None, Line(), ("total",), "Line.total is a property"),
    (Slotted, Slotted(), ("total",), "Slotted.total is a property"),
    (Point, Point(), ("double",), "Point.double is a property"),
    (Point, Point(), ("count",), "Point.count is not a field"),
    (Order, Order(), ("short",), "Order.short is a property"),
    (Order, Order(), ("computed",), "Order.computed is a property"),
    (Order, Order(), ("_visits",), "Order._visits is not a field"),
    (Order, Order(), ("limit",), "Order.limit is not a field"),
    (Order, Order(), ("line", "total"), "Line.total is a property"),
    (list[Order], [Order()], (0, "short"), "Order.short is a property"),
    (Color, Color.RED, ("value",), "Color.value is not a field"),
]


@pytest.mark.parametrize(("declared", "value", "path"), TRAVELS)
def test_a_sendable_part_is_not_reported(
    declared: Any, value: Any, path: tuple[str | int, ...]
) -> None:
    assert why_not_sendable(declared, path) == ""
    project(CODEC.encode(value), path)


@pytest.mark.parametrize(("declared", "value", "path", "reason"), STAYS)
def test_an_attribute_that_is_not_a_field_is_refused_with_the_same_advice_by_both_checks(
    declared: Any, value: Any, path: tuple[str | int, ...], reason: str
) -> None:
    told = why_not_sendable(declared, path)
    assert reason in told
    assert FIELDS_ADVICE in told
    with pytest.raises(LocateError) as caught:
        project(CODEC.encode(value), path)
    assert FIELDS_ADVICE in str(caught.value)


@pytest.mark.parametrize("declared", [Any, dict, dict[str, int], object, Line | Open, int])
def test_an_uncertain_part_is_not_reported(declared: Any) -> None:
    assert why_not_sendable(declared, ("total",)) == ""


def load() -> Line: ...


def read(value: Ref[int, F("load", "total")]) -> None: ...


def test_the_parameter_and_both_tasks_are_named(relate: Relate) -> None:
    functions: Functions = {"load": load, "read": read}
    inputs = relate(functions)
    assert why_local_only(inputs, functions, AstrumConfig(skip_type_check=True)) == ""
    reason = why_local_only(inputs, functions, AstrumConfig())
    assert reason.startswith(
        "task 'read', parameter 'value' reads the result['total'] of task 'load': Line.total"
    )
    check_types(inputs, functions, AstrumConfig())
    with pytest.raises(TaskRegistrationError, match=r"Line\.total is a property, not a field"):
        check_types(inputs, functions, AstrumConfig(check_wire=True))
