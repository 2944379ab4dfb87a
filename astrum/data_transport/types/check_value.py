"""Checks that a value fits a declared type, and rebuilds it where needed.

A type is compiled once to a check, so that the common case costs one comparison. Plain types are
strict: nothing is converted. A bool fits int and an int fits float, but a bool does not fit float.
A dict of fields is made an instance where a dataclass, NamedTuple or pydantic model is declared.
"""

from __future__ import annotations

import collections
import collections.abc
import typing
from collections.abc import Callable, Mapping
from functools import lru_cache
from operator import is_
from typing import Any, Literal

from astrum.data_transport.type_kinds import UNION_ORIGINS, is_alias
from astrum.data_transport.types.class_fields import (
    Shape,
    generic_origin,
    is_unknown,
    members,
    shape_of,
    stripped,
    type_name,
)
from astrum.data_transport.types.misfit import Misfit, got, misfit_of
from astrum.data_transport.types.rebuild import rebuilt
from astrum.errors import InjectionError

Check = Callable[[Any], Any]
"""Returns the value, the same object if nothing had to be rebuilt; raises `Misfit`."""


def fitted(value: Any, expected: Any) -> Any:
    """Return ``value``, rebuilt where needed, as ``expected``.

    >>> fitted([1, 2], list[int])
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
    # An alias may name itself, so its value is compiled when the first value is checked.
    def check(value: Any) -> Any:
        inner = check_for(alias.__value__)
        return value if inner is None else inner(value)

    return check


def _class(cls: type) -> Check | None:
    shape = shape_of(cls)
    if shape is not None:
        return _typed_dict(cls, shape) if shape.kind == "typed_dict" else _fields(cls, shape)
    accepted = WIDER.get(cls, cls)
    if not _can_test(cls):
        return None

    def check(value: Any) -> Any:
        if isinstance(value, accepted) and (type(value) is not bool or cls not in _NOT_OF_BOOL):
            return value
        raise misfit_of(value, cls)

    return check


NUMBERS = (int, float, complex)
_NOT_OF_BOOL = (float, complex)
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
        raise Misfit(" or ".join(map(repr, choices)), got(value))

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
        raise misfit_of(value, union)

    return check


def _typed_dict(cls: type, shape: Shape) -> Check:
    def check(value: Any) -> Any:
        if not isinstance(value, dict):
            raise misfit_of(value, cls)
        fitted = fit_fields(value, shape, cls)
        return value if all(fitted[k] is v for k, v in value.items()) else fitted

    return check


def _fields(cls: Any, shape: Shape) -> Check:
    rebuild = _validate_model if shape.kind == "model" else _construct

    origin = generic_origin(cls)

    def check(value: Any) -> Any:
        if isinstance(value, cls):
            return value
        if origin is not None and isinstance(value, origin):
            return _fit_generic(cls, shape, value)
        if not isinstance(value, dict):
            raise misfit_of(value, cls)
        return rebuild(cls, shape, value)

    return check


def _fit_generic(cls: Any, shape: Shape, value: Any) -> Any:
    """Fit a model that was made without the parameters: ``Page(...)`` as ``Page[int]``."""
    held = {name: part for name, part in value.__dict__.items() if name in shape.fields}
    fitted = fit_fields(held, shape, cls)
    changed = {name: part for name, part in fitted.items() if part is not held[name]}
    return value.model_copy(update=changed) if changed else value


def _validate_model(cls: Any, shape: Shape, value: dict[str, Any]) -> Any:
    from pydantic import ValidationError

    try:
        return cls.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = "".join(f"[{step!r}]" for step in first["loc"])
        raise Misfit(f"a {cls.__name__}", f"a dict ({first['msg']})", place) from None


def _construct(cls: Any, shape: Shape, value: dict[str, Any]) -> Any:
    return rebuilt(cls, shape, fit_fields(value, shape, cls))


def fit_fields(value: Mapping[str, Any], shape: Shape, cls: Any) -> dict[str, Any]:
    """Return the fields of ``value``, each fitted to its type; other keys stay unchanged.

    Field types are compiled when the first value comes: a class may contain itself.
    """
    missing = shape.required.difference(value)
    if missing:
        raise Misfit(type_name(cls), f"a dict without the field {min(missing)!r}")
    fitted = dict(value)
    for declared in (shape.fields, shape.computed, shape.inputs):
        for name, expected in declared.items():
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
        return _mapping(outer, *arguments)
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
        # Anything else may be readable only once, or is not a plain container.
        if not isinstance(value, _WALKED) or set(map(type, value)) <= exact:
            return value
        return _fit_items(inner, value)

    return check


def _fit_items(check: Check, value: Any) -> Any:
    number = 0
    try:
        fitted = []
        for item in value:
            fitted.append(check(item))
            number += 1
    except Misfit as misfit:
        raise misfit.inside(number) from None
    if all(map(is_, fitted, value)):
        return value
    kind = next(kind for kind in _WALKED if isinstance(value, kind))
    return kind(fitted)


def _mapping(outer: Check, key: Any = Any, item: Any = Any) -> Check:
    checks = check_for(key), check_for(item)
    if checks == (None, None):
        return outer
    exact = {stripped(key)}, {stripped(item)}

    def check(value: Any) -> Any:
        outer(value)
        if not isinstance(value, dict):
            return value
        keys = None if set(map(type, value)) <= exact[0] else checks[0]
        items = None if set(map(type, value.values())) <= exact[1] else checks[1]
        return value if keys is None and items is None else _fit_entries(keys, items, value)

    return check


def _fit_entries(keys: Check | None, items: Check | None, value: Any) -> Any:
    key: Any = None
    fitted = {}
    try:
        for key, part in value.items():
            fitted[key if keys is None else keys(key)] = part if items is None else items(part)
    except Misfit as misfit:
        raise misfit.inside(key) from None
    return value if _same_items(fitted, value) else fitted


def _same_items(first: dict[Any, Any], second: dict[Any, Any]) -> bool:
    same_values = all(map(is_, first.values(), second.values()))
    return same_values and len(first) == len(second) and all(map(is_, first, second))


def _tuple(expected: Any, arguments: tuple[Any, ...]) -> Check:
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        return _collection(typing.cast(Check, _class(tuple)), arguments[0])
    checks = [check_for(argument) for argument in arguments]
    exact = tuple(map(stripped, arguments))

    def check(value: Any) -> Any:
        if type(value) is tuple and tuple(map(type, value)) == exact:
            return value
        if not isinstance(value, tuple) or len(value) != len(checks):
            raise misfit_of(value, expected)
        fitted = tuple(
            part if inner is None else _fit_part(inner, part, number)
            for number, (inner, part) in enumerate(zip(checks, value, strict=True))
        )
        changed = any(new is not old for new, old in zip(fitted, value, strict=True))
        return fitted if changed else value

    return check
