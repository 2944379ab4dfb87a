"""Decoded objects equal the originals, also in state outside their fields, or are refused."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, Flag, IntFlag, StrEnum
from functools import cached_property
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, PrivateAttr, RootModel, computed_field

from astrum.errors import DecodeError, EncodeError
from astrum.values import Codec, UnprojectableError, project
from astrum.values.codes import Code, whole_ext


def through(value: Any, *types: type) -> Any:
    codec = Codec(types or (type(value),))
    return codec.decode(codec.encode(value))


class Basket(BaseModel):
    owner: str
    note: str = ""
    _prices: list[int] = PrivateAttr(default_factory=list)
    _lock: Any = PrivateAttr(default=None)
    _later: int = PrivateAttr()

    def model_post_init(self, context: Any) -> None:
        self._prices.append(0)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def total(self) -> int:
        return sum(self._prices)

    @cached_property
    def number(self) -> int:
        return next(NUMBERS)

    @cached_property
    def code(self) -> Callable[[], None]:
        return lambda: None


NUMBERS = iter(range(1_000))


def test_private_attributes_of_a_model_travel_and_its_post_init_runs_once() -> None:
    basket = Basket(owner="o")
    basket._prices.append(7)
    again = through(basket)
    assert again._prices == [0, 7]
    assert again.total == 7
    assert again == basket
    assert again.model_fields_set == {"owner"}
    with pytest.raises(AttributeError):
        _ = again._later


def test_a_private_attribute_that_cannot_travel_is_refused_by_its_path() -> None:
    basket = Basket(owner="o")
    basket._lock = threading.Lock()
    with pytest.raises(EncodeError, match="bound to its process") as caught:
        Codec([Basket]).encode([basket])
    assert caught.value.path == "result[0]._lock"


def test_what_a_model_computed_once_is_not_computed_again_unless_it_cannot_travel() -> None:
    basket = Basket(owner="o")
    number, code = basket.number, basket.code
    again = through(basket)
    assert again.number == number
    assert code is not again.code


def test_a_model_of_an_older_process_gets_the_defaults_of_its_private_attributes() -> None:
    name = f"{Basket.__module__}.Basket"
    payload = Codec().encode([name, {"owner": "o", "note": ""}])
    again = Codec([Basket]).decode(whole_ext(Code.MODEL, payload))
    assert (again._prices, again._lock) == ([], None)


def test_a_private_attribute_that_was_deleted_is_refused_by_name() -> None:
    basket = Basket(owner="o")
    del basket._prices
    with pytest.raises(EncodeError, match="'_prices' was deleted"):
        Codec([Basket]).encode(basket)


def test_an_attribute_set_behind_the_back_of_a_model_is_refused_by_name() -> None:
    basket = Basket(owner="o")
    object.__setattr__(basket, "hidden", 1)
    with pytest.raises(EncodeError, match="'hidden' would be lost"):
        Codec([Basket]).encode(basket)


def test_a_private_attribute_that_the_class_does_not_have_here_is_refused() -> None:
    name = f"{Basket.__module__}.Basket"
    parts = [name, {"owner": "o", "note": ""}, ["owner"], {}, [["_other", 1]]]
    with pytest.raises(DecodeError, match="'_other'"):
        Codec([Basket]).decode(whole_ext(Code.MODEL, Codec().encode(parts)))


def test_extras_and_private_attributes_of_one_model_do_not_mix() -> None:
    class Open(BaseModel):
        model_config = ConfigDict(extra="allow")
        _hidden: int = PrivateAttr(default=1)

    value = Open(more=2)  # type: ignore[call-arg]
    value._hidden = 3
    again = through(value, Open)
    assert (again.more, again._hidden, again.model_extra) == (2, 3, {"more": 2})
    assert "_hidden" not in repr(Codec.opaque().decode(Codec([Open]).encode(value)))
    with pytest.raises(Exception, match="_hidden") as caught:
        project(Codec([Open]).encode(value), ("_hidden",))
    assert not isinstance(caught.value, UnprojectableError)


class Slotted:
    kept: int
    __slots__ = ("__secret", "kept")

    def __init__(self) -> None:
        self.__secret = 1
        self.kept = 2

    def secret(self) -> int:
        return self.__secret


@dataclass
class Child(Slotted):
    n: int

    def __post_init__(self) -> None:
        super().__init__()
        self.n += 1


@dataclass(slots=True)
class Tight(Slotted):
    n: int
    twice: int = field(init=False, default=0)


def test_the_slots_of_a_base_travel() -> None:
    child, tight = Child(1), Tight(1)
    child.kept = 5
    again = through(child)
    assert (again.n, again.kept, again.secret()) == (2, 5, 1)
    assert not hasattr(through(tight), "kept")
    tight.kept, tight.twice = 9, 4  # type: ignore[misc] # its base has the slot
    assert (through(tight).kept, through(tight).twice) == (9, 4)


def test_a_slot_that_cannot_travel_is_refused_by_its_path() -> None:
    child = Child(1)
    child.kept = threading.Lock()  # type: ignore[assignment]
    with pytest.raises(EncodeError) as caught:
        Codec([Child]).encode(child)
    assert caught.value.path == "result.kept"


def test_an_attribute_with_a_special_name_is_refused_by_name() -> None:
    child = Child(1)
    child.__odd__ = 1  # type: ignore[attr-defined]
    with pytest.raises(EncodeError, match="'__odd__' would be lost"):
        Codec([Child]).encode(child)


@dataclass
class Stamped:
    n: int

    @cached_property
    def number(self) -> int:
        return next(NUMBERS)


def test_what_a_dataclass_computed_once_is_not_computed_again() -> None:
    value = Stamped(1)
    number = value.number
    assert through(value).number == number
    assert "number" not in vars(through(Stamped(1)))


def test_only_cached_properties_may_arrive_as_such() -> None:
    payload = Codec().encode([f"{Stamped.__module__}.Stamped", {"n": 1}, {}, [["run", 1]]])
    with pytest.raises(DecodeError, match="'run'"):
        Codec([Stamped]).decode(whole_ext(Code.DATACLASS, payload))


class Doubling:
    """A descriptor that keeps its values apart and changes each value that is set."""

    def __init__(self) -> None:
        self.kept: dict[int, Any] = {}

    def __get__(self, instance: Any, owner: type) -> Any:
        return 1 if instance is None else self.kept[id(instance)]

    def __set__(self, instance: Any, value: Any) -> None:
        self.kept[id(instance)] = value * 2


@dataclass
class Doubled:
    n: int = Doubling()  # type: ignore[assignment]


@dataclass
class Cleaned:
    name: str

    @property  # type: ignore[no-redef]
    def name(self) -> str:
        return self._name

    @name.setter
    def name(self, value: str) -> None:
        self._name = value.strip()


def test_a_field_that_setting_it_again_would_change_is_refused_by_name() -> None:
    with pytest.raises(EncodeError, match="setting its field 'n' again changes it"):
        Codec([Doubled]).encode(Doubled(3))
    assert through(Cleaned(" a ")).name == "a"


def test_the_private_attributes_of_a_root_model_travel() -> None:
    class Rows(RootModel[list[int]]):
        _seen: int = PrivateAttr(default=0)

    rows = Rows([1])
    rows._seen = 7
    again = through(rows, Rows)
    assert (again.root, again._seen) == ([1], 7)


# --- enums ------------------------------------------------------------------------------------


class Status(StrEnum):
    OK = "ok"

    @classmethod
    def _missing_(cls, value: object) -> Any:
        made = str.__new__(cls, str(value))
        made._name_, made._value_ = "UNKNOWN", str(value)
        return made


class Lost(Enum):
    A = 1

    @classmethod
    def _missing_(cls, value: object) -> Any:
        made = object.__new__(cls)
        made._name_, made._value_ = "B", value  # type: ignore[assignment] # as users write it
        return made


class Bits(IntFlag):
    A = 1


class Kinds(Flag):
    A = 1
    B = 2


def test_a_member_that_an_open_enum_made_comes_back_equal() -> None:
    status = Status("brand_new")
    again = through([status, Status.OK], Status)
    assert again == [status, Status.OK]
    assert (type(again[0]), again[0].name, again[0].value) == (Status, "UNKNOWN", "brand_new")
    assert again[1] is Status.OK


def test_a_member_that_its_enum_would_not_make_again_is_refused_where_it_is_returned() -> None:
    with pytest.raises(EncodeError, match="would not make it again; send its value"):
        Codec([Lost]).encode(Lost(7))
    assert through(Lost.A) is Lost.A


def test_a_member_that_only_the_sender_has_is_refused_by_name() -> None:
    other = StrEnum("Status", {"NEW": "new"}, module=__name__, qualname="Status")  # type: ignore[misc] # of one name
    with pytest.raises(DecodeError, match="'NEW'"):
        Codec([Status]).decode(Codec([other]).encode(other["NEW"]))


def test_flags_with_bits_that_have_no_name_travel() -> None:
    for flag in (Bits(1), Bits(5), Bits(0), ~Bits.A, Kinds.A | Kinds.B, Kinds(0)):
        again = through(flag)
        assert (type(again), again) == (type(flag), flag)


@dataclass
class ShownDouble:
    n: int
    note: str = "-"

    def __getattribute__(self, name: str) -> Any:
        found = object.__getattribute__(self, name)
        return 2 * found if name == "n" else found


def test_a_dataclass_travels_with_its_stored_values_and_not_those_that_its_class_shows() -> None:
    again = through(ShownDouble(3))
    assert (again.n, vars(again)) == (6, {"n": 3, "note": "-"})


@dataclass
class Emptied:
    n: int
    rows: list[int] = field(default_factory=list)
    later: int = field(init=False)


@pytest.mark.parametrize("name", ["n", "rows"])
def test_a_dataclass_without_one_of_its_fields_is_refused_by_the_sender(name: str) -> None:
    value = Emptied(1)
    assert not hasattr(through(value), "later")
    delattr(value, name)
    with pytest.raises(EncodeError, match=f"lacks its field {name!r}"):
        through(value)
