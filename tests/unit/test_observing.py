"""What a run depends on of a result is observed where the result is, or fails its task by name."""

from __future__ import annotations

import enum
from collections import deque
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from astrum.errors import ObservationError
from astrum.execution.observing import MAX_KEY_CHARS, keys_of, observe
from astrum.planning.axes import Watch


class Kind(enum.Enum):
    REFUND = "refund"
    SALE = "sale"


class Word(enum.StrEnum):
    REFUND = "refund"


class Point(NamedTuple):
    x: int


@dataclass
class Order:
    id: str
    lines: list[int]


def seen(value: Any, *watches: Watch) -> tuple[int, ...]:
    return observe(value, watches, "load", 10)


def refusal(value: Any, *watches: Watch) -> str:
    with pytest.raises(ObservationError) as caught:
        seen(value, *watches)
    return str(caught.value)


def test_every_watch_sees_its_part_in_order() -> None:
    value = {"rows": [1, 2, 3], "ok": True, "kind": "b"}
    watches = (
        Watch("choice", ("kind",), ("a", "b")),
        Watch("length", ("rows",)),
        Watch("truth", ("ok",)),
    )
    assert seen(value, *watches) == (1, 3, 1)
    assert seen(value) == ()


@pytest.mark.parametrize("value", [[], (), [1, 2], (1, 2)])
def test_a_list_or_tuple_has_a_length(value: Any) -> None:
    assert seen(value, Watch("length")) == (len(value),)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ({1, 2}, "a set of 2, without order"),
        ({"a": 1}, "a dict with the key 'a'"),
        ("text", "a str"),
        (b"xx", "bytes"),
        (None, "None"),
        (deque([1]), "a deque"),
        (range(3), "a range"),
        (np.arange(3), "a ndarray"),
        (Point(1), "a Point with the field 'x'"),
        ((n for n in (1, 2)), "a generator"),
    ],
)
def test_what_is_not_a_list_fails_its_task_by_name(value: Any, found: str) -> None:
    assert refusal({"rows": value}, Watch("length", ("rows",))) == (
        f"the result of task 'load'['rows'] is {found}; other tasks run once for each element of a "
        "list there, so return a list or a tuple"
    )


def test_a_part_that_is_not_there_fails_its_task_by_name() -> None:
    text = refusal({"lines": []}, Watch("length", ("rows",)))
    assert text.startswith(
        "the result of task 'load' has no field 'rows'; it is a dict with the key"
    )
    assert "other tasks run once for each element" in text
    assert "depends on a bool there" in refusal(None, Watch("truth", ("ok",)))
    assert "which other tasks run" in refusal({}, Watch("choice", ("kind",), ("a",)))


def test_too_many_children_fail_their_producer_with_both_numbers() -> None:
    assert seen([0] * 10, Watch("length")) == (10,)
    text = refusal([0] * 11, Watch("length"))
    assert "task 'load' has 11 elements, and a task may have 10 children" in text


# --- keys -------------------------------------------------------------------------------------


def test_keys_are_strings_and_integers_of_the_elements() -> None:
    orders = [Order("A-17", []), Order("B-1", [])]
    assert seen(orders, Watch("length", key=("id",))) == (2,)
    assert keys_of(orders, ("id",), "it") == ["A-17", "B-1"]
    assert keys_of([{"id": 7}, {"id": -1}], ("id",), "it") == ["7", "-1"]
    assert keys_of(["a", 1], (), "it") == ["a", "1"]


@given(st.lists(st.integers(0, 9), unique=True, max_size=9))
def test_the_keys_are_in_the_order_of_the_elements(ids: list[int]) -> None:
    assert keys_of([{"id": number} for number in ids], ("id",), "it") == [str(n) for n in ids]


@pytest.mark.parametrize("ids", [("a", "b", "a"), ("1", "2", 1)])
def test_a_key_that_comes_twice_is_named_with_both_places(ids: Any) -> None:
    text = refusal([{"id": one} for one in ids], Watch("length", key=("id",)))
    assert text == (
        f"the result of task 'load' has the key {str(ids[0])!r} twice, in the elements 0 and 2: a "
        "key names one child, so it must be unique in its list"
    )


@pytest.mark.parametrize(
    ("key", "found"),
    [
        (1.5, "is a float; the key of a child must be a str or an int"),
        (True, "is a bool; the key of a child must be a str or an int"),
        (None, "is None; the key of a child must be a str or an int"),
        (Word.REFUND, "is a Word; the key of a child must be a str or an int"),
        ("", "is ''; the key of a child must have 1 to 200 printable characters"),
        ("a\n", "is 'a\\n'; the key of a child must have 1 to 200 printable characters"),
        ("x" * (MAX_KEY_CHARS + 1), "is a str of 201 characters; the key of a child must have"),
    ],
)
def test_a_key_that_cannot_name_a_child_is_named_with_its_place(key: Any, found: str) -> None:
    text = refusal([{"id": "a"}, {"id": key}], Watch("length", key=("id",)))
    assert text.startswith(f"['id'] of element 1 of the result of task 'load' {found}")


def test_an_element_without_its_key_is_named_with_its_place() -> None:
    text = refusal([{"id": "a"}, {"no": 1}], Watch("length", key=("id",)))
    assert text.startswith("element 1 of the result of task 'load' has no field 'id'")
    assert text.endswith("that part is the key that names the child")


# --- conditions -------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [1, 0, "yes", None, [], np.bool_(True)])
def test_a_condition_reads_a_bool_and_nothing_that_is_true_or_false(value: Any) -> None:
    assert seen(True, Watch("truth")) == (1,)
    assert seen(False, Watch("truth")) == (0,)
    assert "so return True or False" in refusal(value, Watch("truth"))


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ("a", 0),
        (1, 1),
        (True, 2),
        (None, 3),
        ("REFUND", 4),
        (Kind.REFUND, 4),
        (Word.REFUND, 4),
        (Kind.SALE, -1),
        ("b", -1),
        (0, -1),
        (False, -1),
    ],
)
def test_a_choice_is_found_by_its_value_and_type_and_a_member_by_its_name(
    value: Any, place: int
) -> None:
    choices = ("a", 1, True, None, "REFUND")
    assert seen({"kind": value}, Watch("choice", ("kind",), choices)) == (place,)


def test_a_member_that_equals_its_value_is_found_by_that_too() -> None:
    assert seen(Word.REFUND, Watch("choice", (), ("sale", "refund"))) == (1,)
    assert seen(Kind.REFUND, Watch("choice", (), ("sale", "refund"))) == (-1,)


@pytest.mark.parametrize("value", [1.5, [], {}, b"a"])
def test_what_no_condition_can_compare_fails_its_task_by_name(value: Any) -> None:
    text = refusal({"kind": value}, Watch("choice", ("kind",), ("a",)))
    assert text.startswith("the result of task 'load'['kind'] is ")
    assert "so return a str, an int, a bool, None or an enum's member" in text


def test_a_watch_of_a_later_version_is_not_taken_for_another() -> None:
    later: Any = "digest"
    assert "run the same Astrum version" in refusal([1], Watch(later))
