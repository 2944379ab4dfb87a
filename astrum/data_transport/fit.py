"""Whether a value fits a declared type, and the value rebuilt where that takes rebuilding.

A type is compiled once to a check, so that the common case costs one comparison. Plain types are
taken strictly: nothing is converted, an int will do for a float, and a bool is no int. What
travels as a dict of fields (a dataclass, a NamedTuple, a pydantic model) becomes an instance.
"""

from __future__ import annotations

import collections
import collections.abc
import typing
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Literal

from astrum.data_transport.shapes import (
    UNION_ORIGINS,
    Shape,
    is_alias,
    is_unknown,
    members,
    shape_of,
    stripped,
    type_name,
)
from astrum.errors import InjectionError

Check = Callable[[Any], Any]
"""Returns the value, itself if it fits as it is; raises `Misfit`."""


class Misfit(Exception):
    """A value or a part of it that does not fit; ``place`` is built from the inside out."""

    def __init__(self, expected: str, got: str, place: str = "") -> None:
        super().__init__(expected, got, place)
        self.expected = expected
        self.got = got
        self.place = place

    def inside(self, step: object) -> Misfit:
        return Misfit(self.expected, self.got, f"[{step!r}]{self.place}")


def fit(value: Any, expected: Any) -> Any:
    """Return ``value``, rebuilt where needed, as ``expected``.

    >>> fit([1, 2], list[int])
    [1, 2]

    Raises `InjectionError` when it does not fit.
    """
    if type(value) is expected:
        return value
    check = check_for(expected)
    if check is None:
        return value
    try:
        return check(value)
    except Misfit as misfit:
        raise InjectionError(_explained(misfit, expected)) from None


def _explained(misfit: Misfit, expected: Any) -> str:
    if not misfit.place:
        return f"expected {type_name(expected)}, got {misfit.got}"
    return (
        f"expected {type_name(expected)}, got {misfit.got} "
        f"instead of {misfit.expected} at {misfit.place}"
    )


def check_for(expected: Any) -> Check | None:
    """Return the check of a type, or None if any value fits; cached for hashable types."""
    try:
        return _cached_check(expected)
    except TypeError:
        return _compile(expected)


@lru_cache(maxsize=4096)
def _cached_check(expected: Any) -> Check | None:
    return _compile(expected)


def _compile(expected: Any) -> Check | None:
    plain = stripped(expected)
    if is_alias(plain):
        return _late(plain)
    if is_unknown(plain):
        return None
    origin = typing.get_origin(plain)
    if origin in UNION_ORIGINS:
        return _union(plain)
    if origin is Literal:
        return _literal(typing.get_args(plain))
    if origin is None:
        return _class(plain) if isinstance(plain, type) else None
    return _generic(plain, origin, typing.get_args(plain))


def _late(alias: Any) -> Check:
    # An alias may name itself, so what it stands for is compiled when the first value comes.
    def check(value: Any) -> Any:
        inner = check_for(alias.__value__)
        return value if inner is None else inner(value)

    return check


def _got(value: object) -> str:
    if value is None:
        return "None"
    text = repr(value) if isinstance(value, (str, int, float)) else ""
    name = type(value).__name__
    return f"{name} {text}" if text and len(text) <= 40 else name


def _misfit(value: object, expected: Any) -> Misfit:
    return Misfit(type_name(expected), _got(value))


def _class(cls: type) -> Check | None:
    shape = shape_of(cls)
    if shape is not None:
        return _typed_dict(cls, shape) if shape.kind == "typed_dict" else _fields(cls, shape)
    accepted = WIDER.get(cls, cls)
    if not _can_test(cls):
        return None

    def check(value: Any) -> Any:
        if isinstance(value, accepted) and (type(value) is not bool or cls not in NUMBERS):
            return value
        raise _misfit(value, cls)

    return check


NUMBERS = (int, float, complex)
WIDER: dict[type, tuple[type, ...]] = {float: (float, int), complex: (complex, float, int)}


def _can_test(cls: Any) -> bool:
    try:
        isinstance(None, cls)
    except TypeError:
        return False  # a protocol that is not checkable at run time
    return True


def _literal(choices: tuple[Any, ...]) -> Check:
    def check(value: Any) -> Any:
        if any(type(value) is type(choice) and value == choice for choice in choices):
            return value
        raise Misfit(" or ".join(map(repr, choices)), _got(value))

    return check


def _union(union: Any) -> Check | None:
    checks = [check_for(member) for member in members(union)]
    if None in checks:
        return None
    given = [check for check in checks if check is not None]

    def check(value: Any) -> Any:
        rebuilt = []
        for member in given:
            try:
                fitted = member(value)
            except Misfit:
                continue
            if fitted is value:
                return value
            rebuilt.append(fitted)
        if rebuilt:
            return rebuilt[0]
        raise _misfit(value, union)

    return check


def _typed_dict(cls: type, shape: Shape) -> Check:
    def check(value: Any) -> Any:
        if not isinstance(value, dict):
            raise _misfit(value, cls)
        fitted = fit_fields(value, shape, cls)
        return value if all(fitted[k] is v for k, v in value.items()) else fitted

    return check


def _fields(cls: Any, shape: Shape) -> Check:
    rebuild = _validate_model if shape.kind == "model" else _construct

    def check(value: Any) -> Any:
        if isinstance(value, cls):
            return value
        if not isinstance(value, dict):
            raise _misfit(value, cls)
        return rebuild(cls, shape, value)

    return check


def _validate_model(cls: Any, shape: Shape, value: dict[str, Any]) -> Any:
    from pydantic import ValidationError

    try:
        return cls.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = "".join(f"[{step!r}]" for step in first["loc"])
        raise Misfit(f"a {cls.__name__}", f"a dict ({first['msg']})", place) from None


def _construct(cls: Any, shape: Shape, value: dict[str, Any]) -> Any:
    unknown = [name for name in value if name not in shape.fields]
    if unknown:
        raise Misfit(type_name(cls), f"a dict with the unknown field {unknown[0]!r}")
    fitted = fit_fields(value, shape, cls)
    try:
        return cls(**fitted)
    except (TypeError, ValueError) as error:
        raise Misfit(type_name(cls), f"a dict that it refuses ({error})") from error


def fit_fields(value: Mapping[str, Any], shape: Shape, cls: Any) -> dict[str, Any]:
    """Return the fields of ``value``, each fitted to its type; keys beyond them stay as they are.

    Field types are compiled when the first value comes: a class may contain itself.
    """
    missing = shape.required.difference(value)
    if missing:
        raise Misfit(type_name(cls), f"a dict without the field {min(missing)!r}")
    fitted = dict(value)
    for name, expected in shape.fields.items():
        check = check_for(expected) if name in value else None
        if check is not None:
            fitted[name] = _fit_part(check, value[name], name)
    return fitted


def _fit_part(check: Check, value: Any, step: object) -> Any:
    try:
        return check(value)
    except Misfit as misfit:
        raise misfit.inside(step) from None


def _generic(expected: Any, origin: Any, arguments: tuple[Any, ...]) -> Check | None:
    if origin is type:
        return _class(type)
    if not isinstance(origin, type):
        return None
    outer = _class(origin)
    if outer is None or shape_of(origin) is not None:
        return outer
    if issubclass(origin, tuple):
        return _tuple(expected, arguments)
    if issubclass(origin, collections.abc.Mapping):
        return _mapping(outer, *map(check_for, arguments))
    if issubclass(origin, collections.abc.Iterable) and len(arguments) == 1:
        return _collection(outer, arguments[0])
    return outer


_WALKED = (list, tuple, set, frozenset, collections.deque)


def _collection(outer: Check, item_type: Any) -> Check:
    inner = check_for(item_type)
    if inner is None:
        return outer
    exact = {stripped(item_type)}

    def check(value: Any) -> Any:
        outer(value)
        # Anything else may be read only once, or is no plain container.
        if not isinstance(value, _WALKED) or set(map(type, value)) <= exact:
            return value
        return _fit_items(inner, value)

    return check


def _fit_items(check: Check, value: Any) -> Any:
    fitted = [_fit_part(check, item, number) for number, item in enumerate(value)]
    if all(new is old for new, old in zip(fitted, value, strict=True)):
        return value
    kind = next(kind for kind in _WALKED if isinstance(value, kind))
    return kind(fitted)


def _mapping(outer: Check, key: Check | None = None, item: Check | None = None) -> Check:
    if key is None and item is None:
        return outer

    def check(value: Any) -> Any:
        outer(value)
        if not isinstance(value, dict):
            return value
        fitted = {
            k if key is None else _fit_part(key, k, k): v if item is None else _fit_part(item, v, k)
            for k, v in value.items()
        }
        return value if _same_items(fitted, value) else fitted

    return check


def _same_items(first: dict[Any, Any], second: dict[Any, Any]) -> bool:
    pairs = zip(first.items(), second.items(), strict=True)
    return all(k is old_k and v is old_v for (k, v), (old_k, old_v) in pairs)


def _tuple(expected: Any, arguments: tuple[Any, ...]) -> Check:
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        return _collection(typing.cast(Check, _class(tuple)), arguments[0])
    checks = [check_for(argument) for argument in arguments]

    def check(value: Any) -> Any:
        if not isinstance(value, tuple) or len(value) != len(checks):
            raise _misfit(value, expected)
        fitted = tuple(
            part if inner is None else _fit_part(inner, part, number)
            for number, (inner, part) in enumerate(zip(checks, value, strict=True))
        )
        changed = any(new is not old for new, old in zip(fitted, value, strict=True))
        return fitted if changed else value

    return check
