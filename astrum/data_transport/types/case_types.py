"""Whether a condition can hold by the declared type of what it reads."""

from __future__ import annotations

import typing
from collections.abc import Iterable
from enum import Enum
from typing import Any, Literal

from astrum.data_transport.types.class_fields import is_unknown, members, type_name
from astrum.errors import nearest_choice

IS_TRUE: Any = object()
"""Marks a condition that reads a bool."""
CASE_TYPES = (str, int, bool, type(None))
"""The classes of values that a condition compares with, beside enums."""
_MAX_SHOWN = 8


class NoSuchCase(Exception):
    """A condition that no value of the declared type fulfils; the message says what it has."""


def plain_choice(equals: Any) -> str | int | bool | None:
    """Return what a condition compares with: of an enum the name of its member."""
    if isinstance(equals, Enum):
        return equals.name
    return equals  # type: ignore[no-any-return]


def choice_in(given: Any, equals: Any) -> str | int | bool | None:
    """Return what a value of the type ``given`` is compared with.

    The value of a member of an enum becomes its name. Raises `NoSuchCase`.

    >>> choice_in(Literal["refund", "sale"], "sale")
    'sale'
    """
    known: list[Any] = []
    for member in members(given):
        if is_unknown(member):
            return plain_choice(equals)
        values = _values_of(member)
        if values is None:
            if _is_of(member, equals):
                return plain_choice(equals)
            continue
        known += values
        for value in values:
            if _is_same(value, equals):
                return plain_choice(value)
    raise NoSuchCase(_what_there_is(given, known, equals))


def check_truth(given: Any) -> None:
    """Raise `NoSuchCase` if no value of the type is a bool."""
    for member in members(given):
        values = _values_of(member)
        if is_unknown(member) or any(type(value) is bool for value in values or ()):
            return
    raise NoSuchCase(f"is {type_name(given)}")


def _values_of(member: Any) -> list[Any] | None:
    """Return all values of a type, None if it has too many."""
    if typing.get_origin(member) is Literal:
        return list(typing.get_args(member))
    if member is bool:
        return [True, False]
    if isinstance(member, type) and issubclass(member, Enum):
        return list(member)
    return [None] if member is type(None) else None


def _is_of(member: Any, equals: Any) -> bool:
    if not isinstance(member, type) or isinstance(equals, Enum):
        return False
    return type(equals) is member if member in (int, float) else isinstance(equals, member)


def _is_same(value: Any, equals: Any) -> bool:
    if isinstance(value, Enum) and not isinstance(equals, Enum):
        return equals == value.name or (type(equals) is type(value.value) and equals == value.value)
    return type(value) is type(equals) and bool(value == equals)


def _what_there_is(given: Any, known: Iterable[Any], equals: Any) -> str:
    values = [plain_choice(value) for value in known]
    if not values:
        return f"is {type_name(given)}"
    shown = ", ".join(map(repr, values[:_MAX_SHOWN]))
    more = f" and {len(values) - _MAX_SHOWN} more" if len(values) > _MAX_SHOWN else ""
    names = [value for value in values if isinstance(value, str)]
    return f"can be {shown}{more}{nearest_choice(plain_choice(equals), names)}"
