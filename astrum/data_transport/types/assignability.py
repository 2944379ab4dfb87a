"""Checks whether any value of one declared type could fit another type."""

from __future__ import annotations

import collections.abc
import typing
from typing import Any, Literal

from astrum.data_transport.types.check_value import NUMBERS, WIDER, check_for
from astrum.data_transport.types.class_fields import (
    generic_arguments,
    generic_origin,
    is_unknown,
    members,
    shape_of,
)
from astrum.data_transport.types.misfit import Misfit


def could_fit(given: Any, expected: Any) -> bool:
    """Return whether some value declared as ``given`` may fit ``expected``.

    False means a certain mismatch; what a type does not show is left to the check at run time.

    >>> could_fit(int, float), could_fit(str, int), could_fit(int | None, int)
    (True, False, True)
    """
    if given is expected:
        return True
    wanted = members(expected)
    return any(_one_fits(one, other) for one in members(given) for other in wanted)


def _one_fits(given: Any, expected: Any) -> bool:
    if is_unknown(given) or is_unknown(expected):
        return True
    if typing.get_origin(given) is Literal:
        return any(_value_fits(value, expected) for value in typing.get_args(given))
    if typing.get_origin(expected) is Literal:
        return any(_value_fits(value, given) for value in typing.get_args(expected))
    one = typing.get_origin(given) or given
    other = typing.get_origin(expected) or expected
    if not isinstance(one, type) or not isinstance(other, type):
        return True
    origin = generic_origin(other)
    if origin is not None and issubclass(one, origin):
        ours, theirs = generic_arguments(one), generic_arguments(other)
        return not ours or not theirs or all(map(could_fit, ours, theirs))
    return _classes_fit(one, other) and _arguments_fit(given, expected, other)


def _value_fits(value: Any, expected: Any) -> bool:
    check = check_for(expected)
    try:
        if check is not None:
            check(value)
    except Misfit:
        return False
    return True


def _classes_fit(given: Any, expected: Any) -> bool:
    if type(None) in (given, expected):
        return given is expected
    if given is bool and expected in NUMBERS:
        return expected is int
    if expected is bool and given in NUMBERS:
        return False
    if getattr(expected, "_is_protocol", False):
        return True
    if shape_of(expected) is not None and issubclass(dict, _as_class(given)):
        return True  # rebuilt from its fields
    given, expected = _as_class(given), _as_class(expected)
    try:
        return issubclass(given, WIDER.get(expected, expected)) or issubclass(expected, given)
    except TypeError:
        return True


def _as_class(cls: Any) -> Any:
    return dict if typing.is_typeddict(cls) else cls


def _arguments_fit(given: Any, expected: Any, origin: type) -> bool:
    ours, theirs = typing.get_args(given), typing.get_args(expected)
    if not ours or not theirs or not issubclass(origin, collections.abc.Iterable):
        return True
    if issubclass(origin, tuple):
        return _items_fit(ours, theirs)
    if len(ours) != len(theirs):
        return True
    return all(could_fit(one, other) for one, other in zip(ours, theirs, strict=True))


def _items_fit(ours: tuple[Any, ...], theirs: tuple[Any, ...]) -> bool:
    if ours[-1] is Ellipsis:
        ours = (ours[0],) * (1 if theirs[-1] is Ellipsis else len(theirs))
    if theirs[-1] is Ellipsis:
        theirs = (theirs[0],) * len(ours)
    same = len(ours) == len(theirs)
    return same and all(could_fit(one, other) for one, other in zip(ours, theirs, strict=True))
