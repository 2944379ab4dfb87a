"""Annotations that are strings: everything here is under the future import."""

from __future__ import annotations

import gc
import sys
import typing
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from astrum.data_transport import F, Ref, T, declared_types, fitted, remember_names
from astrum.data_transport.bindings import Binding
from astrum.data_transport.declared.signatures import declaration_of
from tests.unit.data_transport.fixtures import Functions, Generate, Relate

if typing.TYPE_CHECKING:
    from decimal import Decimal

Function = typing.TypeVar("Function", bound=Callable[..., Any])


def remember(function: Function) -> Function:
    remember_names(function, sys._getframe(1))
    return function


def early(rows: Ref[dict, F(late, "rows")]) -> None: ...
def late() -> dict: ...


class Shop:
    def orders(self) -> dict: ...

    @staticmethod
    def prices() -> dict: ...

    @classmethod
    def names(cls) -> dict: ...

    def report(self, a: Ref[dict, F(orders)], b: Ref[dict, F(Shop.prices)]) -> None: ...


def test_a_function_is_referenced_before_it_is_defined(relate: Relate) -> None:
    assert relate({"early": early, "late": late})["early"].bindings == (
        Binding("rows", "late", ("rows",)),
    )


def test_a_local_function_is_referenced_before_and_after_it_is_defined(relate: Relate) -> None:
    def before(a: Ref[int, F(middle, "a")]) -> None: ...
    def middle() -> dict: ...
    def after(a: Ref[int, F(middle, "a")]) -> None: ...

    inputs = relate({"before": before, "middle": middle, "after": after})
    assert (
        inputs["before"].bindings == inputs["after"].bindings == (Binding("a", "middle", ("a",)),)
    )


def test_methods_are_referenced_from_inside_and_outside_their_class(relate: Relate) -> None:
    shop = Shop()

    def read(c: Ref[dict, F(Shop.names)], d: Ref[dict, F(shop.orders)]) -> None: ...

    functions: Functions = {
        "o": shop.orders,
        "p": Shop.prices,
        "n": Shop.names,
        "report": shop.report,
    }
    inputs = relate({**functions, "read": read})
    assert [b.source for b in inputs["report"].bindings] == ["o", "p"]
    assert [b.source for b in inputs["read"].bindings] == ["n", "o"]


def factory(number: int) -> tuple[Callable[..., Any], ...]:
    def extract() -> Ref[int, T(load)]: ...
    def load(value: int) -> None: ...
    @remember
    def read(value: Ref[int, F(extract)], other: Ref[int, F(f"other_{number}")]) -> None: ...

    return extract, load, read


def test_locals_of_a_function_that_has_returned_are_found(relate: Relate) -> None:
    extract, load, read = factory(7)
    inputs = relate({"e": extract, "l": load, "r": read, "other_7": late})
    assert inputs["l"].bindings == (Binding("value", "e"),)
    assert [b.source for b in inputs["r"].bindings] == ["e", "other_7"]


def test_a_factory_that_ran_twice_keeps_its_flows_apart(relate: Relate) -> None:
    first, second = factory(1), factory(2)
    functions = {f"{i}{f.__name__}": f for i, made in enumerate((first, second)) for f in made[::2]}
    for made in (first, second):
        for function in made[:1]:
            function.__annotations__.clear()
    inputs = relate({**functions, "other_1": late, "other_2": late})
    assert [b.source for b in inputs["0read"].bindings] == ["0extract", "other_1"]
    assert [b.source for b in inputs["1read"].bindings] == ["1extract", "other_2"]


def test_a_name_in_a_loop_means_what_it_meant_when_the_function_was_declared(
    relate: Relate,
) -> None:
    functions: Functions = {}
    for number in range(3):

        def extract() -> dict: ...

        functions[f"extract{number}"] = extract

        @remember
        def load(a: Ref[int, F(extract)], b: Ref[int, F(f"extract{number}")]) -> None: ...

        functions[f"load{number}"] = load
    inputs = relate(functions)
    for number in range(3):
        assert {b.source for b in inputs[f"load{number}"].bindings} == {f"extract{number}"}


def test_closure_variables_are_found(relate: Relate) -> None:
    def make() -> tuple[Callable[..., Any], Callable[..., Any]]:
        def extract() -> dict: ...

        def load(a: Ref[int, F(extract)]) -> None:
            extract()

        return extract, load

    extract, load = make()
    load.__qualname__ = "elsewhere"
    assert relate({"e": extract, "l": load})["l"].bindings == (Binding("a", "e"),)


def test_a_local_name_hides_a_global_one(relate: Relate) -> None:
    @remember
    def read(a: Ref[int, F(late)]) -> None: ...

    def late() -> dict: ...

    outer = globals()["late"]
    inputs = relate({"outer": outer, "inner": late, "read": read})
    assert inputs["read"].bindings[0].source == "inner"


def test_remembering_names_keeps_no_frame_and_nothing_beside_the_names() -> None:
    class Big:
        pass

    def make() -> tuple[Callable[..., Any], weakref.ref[Big], weakref.ref[Big]]:
        big, small = Big(), Big()

        @remember
        def read(a: Ref[int, F(small)]) -> None: ...

        return read, weakref.ref(big), weakref.ref(small)

    read, big, small = make()
    gc.collect()
    assert big() is None
    assert small() is not None
    del read
    gc.collect()
    assert small() is None


def test_remembering_a_class_that_names_itself_does_not_keep_it() -> None:
    def make() -> tuple[Callable[..., Any], weakref.ref[type]]:
        @dataclass
        class Node:
            children: list[Node]

        @remember
        def read(node: Ref[Node, F("load")]) -> None: ...

        return read, weakref.ref(Node)

    read, node = make()
    gc.collect()
    assert node() is not None
    del read
    gc.collect()
    assert node() is None


class Row(typing.TypedDict):
    id: int
    note: typing.NotRequired[str]


def test_a_field_that_is_not_required_may_be_missing() -> None:
    assert fitted({"id": 1}, Row) == {"id": 1}


def test_local_types_are_known_after_their_scope_is_gone() -> None:
    def make() -> Callable[..., Any]:
        @dataclass
        class Line:
            price: int

        @dataclass
        class Order:
            lines: list[Line]

        @remember
        def read(order: Ref[Order, F("load")]) -> None: ...

        return read

    read = make()
    assert [t.__name__ for t in declared_types(read)] == ["Order", "Line"]
    order = fitted({"lines": [{"price": 3}]}, declaration_of(read).parameters["order"].annotation)
    assert order.lines[0].price == 3


def test_a_type_imported_for_checkers_only_stops_nothing_and_checks_nothing(relate: Relate) -> None:
    def read(a: Ref[Decimal, F("late", "a")], b: Decimal, c: Ref[int, F("late", "c")]) -> None: ...

    inputs = relate({"late": late, "read": read})["read"]
    assert [b.path for b in inputs.bindings] == [("a",), ("c",)]
    assert inputs.expected == {"c": int}


def test_an_unknown_name_as_a_reference_is_an_error_with_the_nearest_task(
    generate: Generate,
) -> None:
    def read(a: Ref[int, F(loader)]) -> None: ...  # noqa: F821

    with pytest.raises(ValueError, match=r"task 'read', parameter 'a'.*'loader'.*mean 'load'"):
        generate({"load": late, "read": read})


@pytest.mark.parametrize(
    "text", ["Reff[int, F('late')]", "Ref[int, FF('late')]", "Ref[int, F('late', 1, 2)]"]
)
def test_a_relation_that_cannot_be_evaluated_is_an_error_not_a_missing_relation(
    generate: Generate, text: str
) -> None:
    def read(a: Any) -> None: ...

    read.__annotations__["a"] = text
    with pytest.raises(ValueError, match=r"task 'read'.*of 'a' in .*read fails"):
        generate({"late": late, "read": read})


def test_an_annotation_that_is_a_remark_is_not_a_type(relate: Relate) -> None:
    def read(a: "how many, at most", b: Ref[int, F("late")]) -> None: ...  # type: ignore[valid-type] # noqa: F722

    read.__annotations__["a"] = "how many, at most"
    assert relate({"late": late, "read": read})["read"].expected == {"b": int}


def test_a_quoted_type_inside_a_relation_is_evaluated(relate: Relate) -> None:
    def read(a: Ref["Shop", F("late")]) -> None: ...  # noqa: UP037

    assert relate({"late": late, "read": read})["read"].expected == {"a": Shop}
