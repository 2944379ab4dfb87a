"""Instances rebuilt from a dict of fields, generic models, and misfits of awkward values."""

from __future__ import annotations

import time
from dataclasses import InitVar, asdict, dataclass, field
from typing import Any, Generic, TypeVar

import numpy as np
import pytest
from pydantic import BaseModel, PrivateAttr

from astrum.data_transport import fitted
from astrum.data_transport.locate import describe
from astrum.data_transport.types.assignability import could_fit
from astrum.data_transport.types.class_fields import named_types
from astrum.errors import InjectionError

Content = TypeVar("Content")


class Page(BaseModel, Generic[Content]):
    items: list[Content]


class Inner(BaseModel):
    n: int


@dataclass
class Place:
    x: int


@dataclass
class Computed:
    n: int
    twice: int = field(init=False)
    where: Place = field(init=False)
    scale: InitVar[int] = 1

    def __post_init__(self, scale: int) -> None:
        self.n *= scale
        self.twice = 2 * self.n
        self.where = Place(self.n)


@dataclass
class Cents:
    cents: int
    name: str = ""

    def __post_init__(self) -> None:
        self.cents *= 100


@dataclass
class Clean:
    name: str
    tags: Any = ()

    def __post_init__(self) -> None:
        self.name = self.name.strip()
        self.tags = np.asarray(self.tags)


def test_a_dataclass_with_computed_fields_is_rebuilt_equal() -> None:
    value = Computed(2, scale=3)
    value.twice = 99
    assert fitted(asdict(value), Computed).twice == 99
    assert fitted({"n": 6, "twice": 99, "where": Place(1)}, Computed).where == Place(1)


def test_arguments_that_a_constructor_does_not_keep_are_taken_from_the_dict() -> None:
    assert fitted({"scale": 10, "n": 3}, Computed).n == 30
    with pytest.raises(InjectionError, match="unknown field 'scales'"):
        fitted({"scales": 10, "n": 3}, Computed)
    with pytest.raises(InjectionError, match=r"\['scale'\]"):
        fitted({"scale": "x", "n": 3}, Computed)
    with pytest.raises(InjectionError, match=r"\['twice'\]"):
        fitted({"n": 3, "twice": "x"}, Computed)


def test_a_constructor_that_would_change_its_own_result_is_refused_with_advice() -> None:
    with pytest.raises(InjectionError, match=r"changes 'cents' each time.*return the Cents itself"):
        fitted(asdict(Cents(3)), Cents)
    assert fitted(Cents(3), Cents).cents == 300


def test_a_constructor_that_tidies_its_fields_is_fine() -> None:
    rebuilt = fitted({"name": " a ", "tags": [1, 2]}, Clean)
    assert (rebuilt.name, rebuilt.tags.tolist()) == ("a", [1, 2])


def test_a_generic_model_fits_made_with_or_without_its_parameters() -> None:
    loose = Page(items=[1])
    assert fitted(loose, Page[int]) is loose
    assert fitted(Page[int](items=[1]), Page[int]).items == [1]
    assert fitted(Page[Any](items=[1]), Page[int]).items == [1]
    assert fitted(Page(items=[{"n": 1}]), Page[Inner]).items == [Inner(n=1)]
    with pytest.raises(InjectionError, match=r"instead of int at \['items'\]\[0\]"):
        fitted(Page(items=["a"]), Page[int])
    assert could_fit(Page, Page[int])
    assert could_fit(Page[Any], Page[int])
    assert not could_fit(Page[str], Page[int])


class Holder(BaseModel):
    _place: Place = PrivateAttr(default=Place(1))


def test_the_types_of_what_travels_without_being_a_field_are_known() -> None:
    assert {Holder, Place} <= set(named_types(Holder))
    assert {Computed, Place} <= set(named_types(Computed))
    assert {Page[int], Page} <= set(named_types(Page[int]))


@pytest.mark.parametrize(
    ("value", "expected", "way"),
    [
        (np.int64(3), int, "int(...)"),
        (np.bool_(True), bool, "bool(...)"),
        (np.float32(1), float, "float(...)"),
        (np.int64(3), int | None, ".item()"),
    ],
)
def test_a_numpy_number_is_refused_with_advice(value: Any, expected: Any, way: str) -> None:
    with pytest.raises(InjectionError) as caught:
        fitted(value, expected)
    assert way in str(caught.value)


def test_an_integer_too_long_to_print_is_a_misfit_like_any_other() -> None:
    huge = 10**5000
    with pytest.raises(InjectionError, match=r"got int of about 5,001 digits"):
        fitted(huge, str)
    with pytest.raises(InjectionError, match=r"at \[int of about 5,001 digits\]"):
        fitted({huge: "a"}, dict[int, int])
    assert describe({huge: 1}) == "a dict with the key <int>"


def test_a_key_whose_repr_raises_does_not_hide_the_misfit() -> None:
    class Odd:
        def __repr__(self) -> str:
            raise RuntimeError

    with pytest.raises(InjectionError, match="a Odd"):
        fitted({Odd(): "a"}, dict[Odd, int])


def test_many_plain_rows_are_checked_in_a_fraction_of_a_microsecond_each() -> None:
    rows = [(number, "x") for number in range(100_000)]
    kind = list[tuple[int, str]]
    fitted(rows[:1], kind)
    fastest = min(_timed(lambda: fitted(rows, kind)) for _ in range(3))
    # Compared with as much work of the same kind, for machines and their loads differ.
    base = min(_timed(lambda: [tuple(map(type, row)) for row in rows]) for _ in range(3))
    assert fastest < 8 * base


def _timed(work: Any) -> float:
    started_at = time.perf_counter()
    work()
    return time.perf_counter() - started_at
