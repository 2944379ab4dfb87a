"""A locator finds data, never a method; an item's class may be that of the value or the whole."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, ClassVar, NamedTuple

import pytest
from pydantic import BaseModel, PrivateAttr

from astrum import AstrumConfig, F, Ref, SchedulerRegistry
from astrum.data_transport import DataItem, DTRela, TaskData
from astrum.data_transport.locate import locate
from astrum.errors import LocateError


@dataclass
class Order:
    amount: int

    def total(self) -> int:
        return self.amount

    @staticmethod
    def rate() -> int:
        return 2

    @classmethod
    def named(cls) -> str:
        return cls.__name__

    @property
    def double(self) -> int:
        return 2 * self.amount


METHODS = [
    (Order(1), "total"),
    (Order(1), "rate"),
    (Order(1), "named"),
    (Order(1), "__eq__"),
    ([1, 2], "count"),
    ("text", "upper"),
    (3, "real"),
    (3, "bit_length"),
    ({1}, "union"),
    (functools.partial(print), "__call__"),
]


@pytest.mark.parametrize(("value", "name"), METHODS, ids=str)
def test_a_method_is_not_data(value: Any, name: str) -> None:
    with pytest.raises(LocateError, match=f"has no field '{name}'"):
        locate(value, (name,))


def test_attributes_that_are_data_are_read_also_if_they_can_be_called() -> None:
    assert locate(Order(3), ("amount",)) == 3
    assert locate(Order(3), ("double",)) == 6
    assert locate(SimpleNamespace(call=len), ("call",)) is len
    assert locate({"count": 3}, ("count",)) == 3


@dataclass
class Lazy:
    LIMIT = 5
    rate: ClassVar[int] = 2
    amount: int

    def __getattr__(self, name: str) -> str:
        return f"made up for {name}"


class Told(BaseModel):
    LIMIT: ClassVar[int] = 5
    amount: int = 1
    _hidden: int = PrivateAttr(3)


class Pair(NamedTuple):
    amount: int = 1


def with_attribute() -> Lazy:
    lazy = Lazy(1)
    lazy.note = "n"  # type: ignore[attr-defined]
    return lazy


NOT_HELD: list[tuple[Callable[[], Any], str]] = [
    (with_attribute, "LIMIT"),
    (with_attribute, "rate"),
    (with_attribute, "other"),
    (with_attribute, "__class__"),
    (with_attribute, "__dict__"),
    (Told, "LIMIT"),
    (Told, "_hidden"),
    (Pair, "_fields"),
]


@pytest.mark.parametrize("check_wire", [False, True])
@pytest.mark.parametrize(("make", "name"), NOT_HELD)
async def test_a_missing_part_is_absent_in_all_modes(
    make: Callable[[], Any], name: str, check_wire: bool
) -> None:
    registry = SchedulerRegistry("held")

    def known(lazy: Lazy | None = None, told: Told | None = None, pair: Pair | None = None) -> None:
        """Declares the classes, so that their values travel."""

    registry.task("known")(known)
    registry.task("load")(lambda: make())

    def see(part: Any) -> Any:
        return part

    see.__annotations__["part"] = Ref[object, F("load", name, default="absent")]
    registry.task("see")(see)
    report = await registry.run(config=AstrumConfig(check_wire=check_wire))
    assert (report.error_summary, report.task_return_set["see"]) == ([], "absent")


def test_a_part_is_found_whatever_the_class_says() -> None:
    assert locate(with_attribute(), ("note",)) == "n"
    assert locate(with_attribute(), ("amount",)) == 1


@pytest.mark.parametrize("check_wire", [False, True])
async def test_a_frame_has_no_fields_in_any_mode(check_wire: bool) -> None:
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    for name in ("price", "size", "count", "T"):
        registry = SchedulerRegistry("frames")
        registry.task("frame")(lambda: pandas.DataFrame({"price": [1.5], "size": [10]}))

        def see(part: Any) -> None: ...

        see.__annotations__["part"] = Ref[object, F("frame", name)]
        registry.task("see")(see)
        report = await registry.run(config=AstrumConfig(check_wire=check_wire))
        assert f"the result has no field {name!r}" in report.error_summary[0]


@pytest.mark.parametrize("check_wire", [False, True])
@pytest.mark.parametrize("name", ["size", "T", "tolist"])
async def test_an_array_has_no_fields_in_any_mode(check_wire: bool, name: str) -> None:
    numpy = pytest.importorskip("numpy")
    registry = SchedulerRegistry("arrays")
    registry.task("array")(lambda: numpy.arange(3))

    def see(part: Any) -> None: ...

    see.__annotations__["part"] = Ref[object, F("array", name)]
    registry.task("see")(see)
    report = await registry.run(config=AstrumConfig(check_wire=check_wire))
    assert f"the result has no field {name!r}" in report.error_summary[0]


# --- the class of an explicit item -------------------------------------------------------


def declared() -> dict[str, Any]:
    return {"name": "Ann", "rows": [1]}


def undeclared():  # type: ignore[no-untyped-def]
    return {"name": "Ann", "rows": [1]}


def greet(name: str) -> str:
    return name


def flow(source: Any, allowed: Any, key: str = "name") -> SchedulerRegistry:
    item = DataItem(
        allow_data_model=allowed,
        from_relation=DTRela(key=key, related_task="load"),
        to_relation=DTRela(key="name", related_task="greet"),
    )
    registry = SchedulerRegistry("items")
    registry.task("load")(source)
    registry.task("greet", data=TaskData(input_data_item=[item]))(greet)
    return registry


@pytest.mark.parametrize("check_wire", [False, True])
@pytest.mark.parametrize("source", [declared, undeclared])
@pytest.mark.parametrize("allowed", [str, dict, dict[str, Any]])
async def test_an_item_names_the_class_of_the_value_or_of_the_whole_result(
    source: Any, allowed: Any, check_wire: bool
) -> None:
    report = await flow(source, allowed).run(config=AstrumConfig(check_wire=check_wire))
    assert (report.error_summary, report.task_return_set["greet"]) == ([], "Ann")


@pytest.mark.parametrize("check_wire", [False, True])
@pytest.mark.parametrize(("allowed", "key"), [(int, "name"), (list, "name"), (str, "rows")])
async def test_an_item_with_the_class_of_neither_is_refused(
    allowed: Any, key: str, check_wire: bool
) -> None:
    report = await flow(undeclared, allowed, key).run(config=AstrumConfig(check_wire=check_wire))
    assert "task 'greet', parameter 'name'" in report.error_summary[0]
    assert f"expected {allowed.__name__}" in report.error_summary[0]
