"""Enums, dataclasses, NamedTuples, models and extensions: by declared name, never by import."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle
import re
import sys
from dataclasses import InitVar, dataclass, field, make_dataclass
from enum import Enum, IntFlag
from fractions import Fraction
from functools import cached_property
from typing import Any, Generic, NamedTuple, TypeVar

import pydantic
import pytest
from pydantic import BaseModel, Field, RootModel, field_validator

from astrum.errors import DecodeError, EncodeError
from astrum.values import Codec, Opaque
from astrum.values.codes import Code, whole_ext
from astrum.values.opaque import plain_repr
from tests.unit.values.samples import (
    CODEC,
    FRACTION,
    Color,
    Customer,
    Key,
    Loose,
    Order,
    Point,
    Right,
    Word,
)

Content = TypeVar("Content")


def through(value: Any, *types: type) -> Any:
    codec = Codec(types)
    return codec.decode(codec.encode(value))


@dataclass
class Circle:
    radius: float
    scale: InitVar[float] = 1.0
    area: float = field(init=False)

    def __post_init__(self, scale: float) -> None:
        self.area = 3 * self.radius**2 * scale
        self._log = ["made"]

    @cached_property
    def cached(self) -> object:
        return object()


def test_a_dataclass_comes_back_as_it_was_without_running_its_init() -> None:
    circle = Circle(2.0, scale=2.0)
    circle.area, circle._log = 99.0, ["made", "changed"]
    again = through(circle, Circle)
    assert again == circle
    assert again._log == ["made", "changed"]


def test_a_cached_property_that_cannot_travel_is_computed_again() -> None:
    circle = Circle(1.0)
    assert circle.cached
    assert "cached" not in vars(through(circle, Circle))


def test_a_field_that_was_never_set_stays_unset() -> None:
    circle = object.__new__(Circle)
    circle.radius = 1.0
    assert not hasattr(through(circle, Circle), "area")


def test_frozen_slotted_and_generic_dataclasses_travel() -> None:
    @dataclass
    class Box(Generic[Content]):
        content: Content

    assert through([Key("a"), Box[int](1)], Key, Box) == [Key("a"), Box(1)]
    assert hash(through(Key("a"), Key)) == hash(Key("a"))


def test_a_dataclass_that_is_a_dict_as_well_is_refused() -> None:
    base = make_dataclass("Both", [("x", int)], bases=(dict,))
    with pytest.raises(EncodeError):
        through(base(1), base)


def test_a_pydantic_dataclass_travels() -> None:
    @pydantic.dataclasses.dataclass
    class Row:
        n: int

    assert through(Row(n=1), Row) == Row(n=1)


class Cart(BaseModel):
    tags: list[str] = Field(alias="labels")
    note: str = ""

    @field_validator("tags", mode="before")
    @classmethod
    def split(cls, raw: str) -> list[str]:
        return [*raw.split(","), "more"]


def test_a_model_whose_validator_does_not_take_its_own_output_comes_back_equal() -> None:
    cart = Cart(labels="a,b")  # type: ignore[arg-type]
    again = through(cart, Cart)
    assert again == cart
    assert again.model_fields_set == {"tags"}


def test_extras_root_and_generic_models_travel() -> None:
    class Rows(RootModel[list[int]]):
        pass

    class Box(BaseModel, Generic[Content]):
        content: Content

    value = [Loose.model_validate({"number": 2, "more": 3}), Rows([1]), Box[int](content=1)]
    again = through(value, Loose, Rows, Box[int])
    assert again == value
    assert again[0].more == 3
    assert type(again[2]) is Box[int]


def test_composite_flags_travel() -> None:
    class Mode(IntFlag):
        A = 1
        B = 2

    value = [Mode.A | Mode.B, Mode(0), Right.READ | Right.WRITE]
    assert through(value, Mode, Right) == value


def test_an_undeclared_type_is_a_decode_error_that_says_what_to_declare() -> None:
    for value in (Color.RED, Order(1), Point(1), Customer(name="a")):
        name = f"{type(value).__module__}.{type(value).__qualname__}"
        with pytest.raises(DecodeError, match="annotate the task's return or parameter") as caught:
            Codec().decode(CODEC.encode([value]))
        assert name in str(caught.value)


def test_nothing_is_imported_by_a_name_in_the_bytes() -> None:
    sys.modules.pop("this", None)
    payload = Codec().encode(["this.Order", {}])
    with pytest.raises(DecodeError, match=r"this\.Order"):
        CODEC.decode(whole_ext(Code.DATACLASS, payload))
    assert "this" not in sys.modules


def test_an_unregistered_extension_is_a_decode_error_with_its_name() -> None:
    with pytest.raises(DecodeError, match="'fraction', which is not registered"):
        Codec().decode(CODEC.encode(Fraction(1, 2)))
    assert Codec(extensions=[FRACTION]).decode(CODEC.encode(Fraction(1, 2))) == Fraction(1, 2)


def versions(old_fields: dict[str, Any], new_fields: dict[str, Any], base: type) -> list[Any]:
    classes = []
    for fields in (old_fields, new_fields):
        names: dict[str, Any] = {"__module__": "m", "__qualname__": "V", **fields}
        names["__annotations__"] = {"a": int} | dict.fromkeys(fields, int)
        cls = type("V", (base,), names)
        classes.append(dataclass(cls) if base is object else cls)
    return classes


@pytest.mark.parametrize("base", [object, BaseModel])
def test_other_versions_of_a_class_are_filled_by_defaults_or_refused_by_field(base: type) -> None:
    old, new = versions({}, {"b": 5}, base)
    assert Codec([new]).decode(Codec([old]).encode(old(a=1))).b == 5
    with pytest.raises(DecodeError, match="arrived with 'b'"):
        Codec([old]).decode(Codec([new]).encode(new(a=1)))


def test_a_missing_field_without_default_is_refused() -> None:
    name = f"{Key.__module__}.Key"
    with pytest.raises(DecodeError, match="without name"):
        CODEC.decode(whole_ext(Code.DATACLASS, Codec().encode([name, {}])))
    assert CODEC.decode(whole_ext(Code.DATACLASS, Codec().encode([name, {"name": "a"}]))) == Key(
        "a"
    )


def test_special_attributes_cannot_be_smuggled_in() -> None:
    name = f"{Order.__module__}.Order"
    payload = Codec().encode([name, {"id": 1}, {"__dict__": {"run": 1}}])
    with pytest.raises(DecodeError, match="__dict__"):
        CODEC.decode(whole_ext(Code.DATACLASS, payload))


def test_a_model_that_validation_never_saw_complete_is_refused() -> None:
    with pytest.raises(EncodeError, match="lacks name"):
        CODEC.encode(Customer.model_construct(data=1))


def test_a_namedtuple_with_more_than_its_fields_is_refused() -> None:
    class Base(NamedTuple):
        x: int

    class Named(Base):
        pass

    value: Any = Named(1)
    value.extra = 2
    with pytest.raises(EncodeError, match="more or less than its fields"):
        through(value, Named)


def test_classes_without_a_way_to_travel_are_ignored_among_the_declared() -> None:
    assert through((1, {"a"}), int, str, object, dict) == (1, {"a"})


def test_a_process_without_the_types_sees_readable_values() -> None:
    value = {
        Color.RED: [Order(1), Point(2, Word.YES)],
        "who": (Customer(name="a"), Loose.model_validate({"more": 1})),
    }
    seen = Codec.opaque().decode(CODEC.encode(value))
    member = Opaque(f"{Color.__module__}.Color", {"name": "RED", "value": None}, is_member=True)
    order, point = seen[member]
    assert repr(order).startswith("<Order(id=1, lines=[], total=7), without its type: ")
    assert repr(point).startswith("<Point(x=2, y=Word.YES), without its type: ")
    shown = [repr(value).partition(",  without")[0] for value in seen["who"]]
    assert shown[0].startswith("<Customer(name='a', data=None), ")
    assert shown[1].startswith("<Loose(number=1, more=1), ")


def test_the_advice_of_values_without_their_types_stands_once_or_not_at_all() -> None:
    orders: dict[str, Any] = {"all": [Order(1), Order(2, [Order(3)])], "one": (Order(4),)}
    seen = Codec.opaque().decode(CODEC.encode(orders))
    assert plain_repr(seen) == repr(orders)
    assert repr(seen["all"][1]).count("without its type") == 1


def test_a_value_without_its_type_says_how_to_get_the_real_one() -> None:
    order = Codec.opaque().decode(CODEC.encode(Order(1)))
    advice = f"import {Order.__module__} before you ask for the result, or pass types=[Order]"
    assert advice in repr(order)
    with pytest.raises(AttributeError, match=re.escape(advice)) as raised:
        _ = order.id
    assert "'id', 'lines', 'total'" in str(raised.value), "what it does hold is not told"
    for use in (list, dict, lambda value: value["id"], lambda value: setattr(value, "id", 2)):
        with pytest.raises((TypeError, AttributeError), match=re.escape(advice)):
            use(order)


def test_no_encoder_takes_a_value_without_its_type_for_something_else() -> None:
    # It would travel without what its own type hides or renames.
    order = Codec.opaque().decode(CODEC.encode(Order(1)))
    assert not dataclasses.is_dataclass(order)
    with pytest.raises(TypeError):
        json.dumps(order)


def test_a_value_without_its_type_can_be_copied_and_pickled() -> None:
    order = Codec.opaque().decode(CODEC.encode(Order(1)))
    for same in (copy.copy(order), copy.deepcopy(order), pickle.loads(pickle.dumps(order))):
        assert (same, hash(same), repr(same)) == (order, hash(order), repr(order))


def test_a_process_with_some_of_the_types_gets_values_of_those() -> None:
    data = CODEC.encode([Order(1), Customer(name="a"), Color.RED])
    order, customer, color = Codec.opaque([Order, Color]).decode(data)
    assert (order, color) == (Order(1), Color.RED)
    assert customer.fields["name"] == "a"


def test_a_value_without_its_type_cannot_be_encoded_again() -> None:
    codec = Codec.opaque()
    with pytest.raises(EncodeError, match="does not have its type"):
        codec.encode(codec.decode(CODEC.encode(Order(1))))


def test_a_class_of_another_kind_under_the_same_name_is_not_taken() -> None:
    other = Enum("Order", "A", module=Order.__module__, qualname="Order")  # type: ignore[misc] # of one name
    with pytest.raises(DecodeError, match="which no task of this process declares"):
        Codec([other]).decode(CODEC.encode(Order(1)))
