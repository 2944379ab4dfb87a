"""A reference behind the name of an alias is followed, wherever the alias stands."""

from __future__ import annotations

import sys
import textwrap
import typing
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from typing_extensions import TypeAliasType

from astrum import F, Ref
from astrum.data_transport.bindings import Binding
from tests.unit.data_transport.fixtures import Relate

T = typing.TypeVar("T")


def load() -> dict:
    return {"id": "A-1"}


def annotated(annotation: Any) -> Callable[..., Any]:
    def read(order: Any = "no one") -> str:
        return str(order)

    read.__annotations__ = {"order": annotation}
    return read


Plain = Ref[str, F("load", "id")]
Named = TypeAliasType("Named", Plain)
Twice = TypeAliasType("Twice", Named)
FromLoad = TypeAliasType("FromLoad", Ref[T, F("load", "id")], type_params=(T,))
Itself = TypeAliasType("Itself", T, type_params=(T,))
Text = TypeAliasType("Text", "Ref[str, F('load', 'id')]")
Number = TypeAliasType("Number", int)
Json = TypeAliasType("Json", "dict[str, Json] | list[Json] | int")
New = typing.NewType("New", Plain)

FOLLOWED = {
    "an assignment": Plain,
    "an alias": Named,
    "an alias of an alias": Twice,
    "a generic alias": FromLoad[str],
    "a parameter of an alias": Itself[Plain],
    "a generic alias of an alias": FromLoad[Number],
    "an alias of a string": Text,
    "a new type": New,
    "a union with an alias": Named | None,
    "a note on an alias": Ref[Named, "the order"],
    "a reference on an alias": Ref[Number, F("load", "id")],
}


@pytest.mark.parametrize("case", FOLLOWED)
def test_a_reference_behind_a_name_is_followed(relate: Relate, case: str) -> None:
    inputs = relate({"load": load, "read": annotated(FOLLOWED[case])})["read"]
    assert inputs.bindings == (Binding("order", "load", ("id",)),)


def test_a_generic_alias_keeps_the_type_that_it_was_given(relate: Relate) -> None:
    inputs = relate({"load": load, "read": annotated(FromLoad[int])})["read"]
    assert inputs.expected == {"order": int}


def test_an_alias_in_a_string_annotation_is_followed(relate: Relate) -> None:
    def read(order: Named = "no one") -> str:
        return order

    assert relate({"load": load, "read": read})["read"].bindings[0].source == "load"


def test_a_recursive_alias_ends(relate: Relate) -> None:
    inputs = relate({"load": load, "read": annotated(Ref[Json, F("load")])})["read"]
    assert inputs.bindings == (Binding("order", "load", ()),)
    assert relate({"load": load, "read": annotated(Json)})["read"].bindings == ()


def test_an_alias_that_cannot_be_evaluated_is_refused_by_name(relate: Relate) -> None:
    broken = TypeAliasType("broken", "Ref[str, F(no_such_task)]")  # noqa: F821
    with pytest.raises(ValueError, match=r"'read'.*'order'.*no_such_task"):
        relate({"load": load, "read": annotated(broken)})


SOURCE = """
    from dataclasses import dataclass
    from astrum import F, Ref, SchedulerRegistry

    registry = SchedulerRegistry("names")

    type Pair[T] = tuple[T, T]
    type Json = dict[str, Json] | list[Json] | str | int | None
    type OrderId = Ref[str, F("load", "id")]
    type FromLoad[T] = Ref[T, F("load", "id")]
    type Late = Ref[str, F(defined_later, "id")]

    @dataclass
    class Box[T]:
        item: T

    @registry.task("load")
    def load() -> dict:
        return {"id": "A-1", "tree": {"a": ["x"]}}

    @registry.task("see")
    def see(
        a: OrderId = "no one",
        b: FromLoad[str] = "no one",
        c: Late = "no one",
        d: Ref[Json, F("load", "tree")] = None,
    ) -> list:
        return [a, b, c, d]

    @registry.task("see_generic")
    def see_generic[N: str](order: Ref[N, F("load", "id")]) -> N:
        return order

    @registry.task("defined_later")
    def defined_later() -> dict:
        return {"id": "late"}
"""


@pytest.mark.skipif(sys.version_info < (3, 12), reason="the type statement is new in Python 3.12")
@pytest.mark.parametrize("first_line", ["", "from __future__ import annotations"])
async def test_the_aliases_of_type_statements_are_followed(
    first_line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = ModuleType("with_type_statements")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(f"{first_line}\n{textwrap.dedent(SOURCE)}", vars(module))
    report = await module.registry.run()
    assert report.error_summary == []
    assert report.task_return_set["see"] == ["A-1", "A-1", "late", {"a": ["x"]}]
    assert report.task_return_set["see_generic"] == "A-1"
