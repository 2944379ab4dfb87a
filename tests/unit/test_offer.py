"""The offer of a namespace: what its tasks take and give, whatever their code is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, Optional

import pytest

from astrum.planning.fingerprint import fingerprint
from astrum.planning.offer import OfferedTask, offer


class Order:
    pass


def name_of(function: Callable[..., Any], task_id: str = "t", lane: str = "async") -> str:
    return offer([OfferedTask(task_id, lane, function, fingerprint(function))])


def plain(a: int, b: list[Order]) -> str:
    return "one"


def same(a: int, b: list[Order]) -> str:
    return "another body"


def adding(number: int) -> Callable[[int], int]:
    def add(a: int) -> int:
        return a + number

    return add


def other_name(a: int, c: list[Order]) -> str:
    return "one"


def other_type(a: int, b: list[int]) -> str:
    return "one"


def other_result(a: int, b: list[Order]) -> bytes:
    return b""


def one_more(a: int, b: list[Order], *rest: int) -> str:
    return "one"


def a_default(a: int, b: list[Order] = []) -> str:  # noqa: B006
    return "one"


def test_another_body_is_the_same_offer() -> None:
    assert fingerprint(plain) != fingerprint(same)
    assert name_of(plain) == name_of(same)
    assert len(name_of(plain)) == 16


@pytest.mark.parametrize("function", [other_name, other_type, other_result, one_more, a_default])
def test_other_parameters_types_results_and_data_are_another_offer(
    function: Callable[..., Any],
) -> None:
    assert name_of(function) != name_of(plain)


def test_ids_lanes_and_closures_count() -> None:
    names = [name_of(plain), name_of(plain, "u"), name_of(plain, lane="thread")]
    assert len(set(names)) == 3
    assert name_of(adding(1)) == name_of(adding(1))
    assert name_of(adding(1)) != name_of(adding(2))


def test_the_order_of_tasks_does_not_count_but_each_task_does() -> None:
    rows = [OfferedTask(f"t{n}", "async", plain, "") for n in range(3)]
    assert offer(rows) == offer(rows[::-1])
    assert offer(rows) != offer(rows[:2])


def test_one_type_has_one_text_however_it_is_written() -> None:
    def old(a: Optional[int], b: Literal["x", "y"]) -> None: ...  # noqa: UP045

    def new(a: int | None, b: Literal["y", "x"]) -> None: ...

    assert name_of(old) == name_of(new)


def test_types_that_are_not_there_are_taken_as_they_are_written() -> None:
    def unknown(a: "Missing") -> None: ...  # type: ignore[name-defined]  # noqa: F821, UP037

    assert name_of(unknown) == name_of(unknown)
