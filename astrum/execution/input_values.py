"""Converts one value that is given for an input to the type that tasks declare for it.

From Python values are checked as strictly as `Ref` values. From text and JSON they are converted
by pydantic, which is imported late.
"""

from __future__ import annotations

import json
from contextlib import suppress
from decimal import Decimal
from functools import lru_cache
from typing import Any

from astrum.data_transport import fitted
from astrum.data_transport.types.class_fields import members, type_name
from astrum.data_transport.types.misfit import got
from astrum.errors import InjectionError

_MAX_PROBLEMS = 3
_NONE = type(None)


def value_from_text(text: str, kind: Any) -> Any:
    """Return the value of type ``kind`` that stands on a command line.

    A string stays as it is. For any other type the text is JSON if it can be read as that, else
    the text itself, which pydantic converts: ``2026-11-28`` to a date. Raises `InjectionError`.
    """
    if kind is str:
        return text
    if kind is Any:
        return _json_or_text(text)
    adapter = _adapter(kind)
    if adapter is None:
        return fitted(_json_or_text(text), kind)
    if {*members(kind)} - {_NONE} == {Decimal}:  # JSON would make it a float, which is not exact
        with suppress(ValueError):
            return adapter.validate_python(text)
    if _has_decimals(adapter):
        with suppress(ValueError):
            return fitted(adapter.validate_python(exact_json(text)), kind)
    try:
        value = adapter.validate_json(text)
    except ValueError as error:
        problem = error
    else:
        return fitted(value, kind)
    try:
        return fitted(adapter.validate_python(text), kind)
    except ValueError as error:
        problem = problem if _is_json(text) else error
        raise _refused(text, kind, problem) from None


def exact_json(text: str | bytes) -> Any:
    """Return what JSON says, with a `Decimal` for each number that has a fraction."""
    return json.loads(text, parse_float=Decimal)


def value_from_json(value: Any, kind: Any) -> Any:
    """Return the value of type ``kind`` that a value from `exact_json` means.

    A decimal number keeps its digits if the type has a `Decimal` there. Raises `InjectionError`.
    """
    adapter = None if kind is Any else _adapter(kind)
    if adapter is not None and _has_decimals(adapter):
        with suppress(ValueError):
            return fitted(adapter.validate_python(value), kind)
    return _from_plain_json(_with_floats(value), kind, adapter)


def _from_plain_json(value: Any, kind: Any, adapter: Any) -> Any:
    if adapter is None:
        return fitted(value, kind)
    try:
        return fitted(adapter.validate_json(json.dumps(value)), kind)
    except ValueError as error:
        raise _refused(value, kind, error) from None


def _with_floats(value: Any) -> Any:
    """Return a value from `exact_json` as plain JSON gives it."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, list):
        return [_with_floats(item) for item in value]
    if isinstance(value, dict):
        return {name: _with_floats(item) for name, item in value.items()}
    return value


def _has_decimals(adapter: Any) -> bool:
    """Tell whether some part of a type is a `Decimal`."""
    return "'type': 'decimal'" in repr(adapter.core_schema)


def value_fitted(value: Any, kind: Any) -> Any:
    """Return a value that was sent without its type, such as the dict of a model, as ``kind``.

    Raises `InjectionError`, as `fitted` does, if it cannot be converted either.
    """
    try:
        return fitted(value, kind)
    except InjectionError:
        try:
            return _from_plain_json(value, kind, None if kind is Any else _adapter(kind))
        except (InjectionError, TypeError, ValueError):  # it holds more than JSON has
            pass
        raise


@lru_cache(maxsize=256)
def _cached_adapter(kind: Any) -> Any:
    from pydantic import TypeAdapter

    try:
        return TypeAdapter(kind)
    except Exception:  # of a class that pydantic does not know
        return None


def _adapter(kind: Any) -> Any:
    """Return what converts to a type, None for a type that pydantic does not know."""
    try:
        return _cached_adapter(kind)
    except TypeError:  # a type that cannot be hashed
        return _cached_adapter.__wrapped__(kind)


def _json_or_text(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _refused(value: Any, kind: Any, error: ValueError) -> InjectionError:
    return InjectionError(f"expected {type_name(kind)}, got {got(value)}{_problems(error)}")


def _problems(error: Any) -> str:
    """Return what pydantic says of each part, without the values."""
    if not hasattr(error, "errors"):
        return ""
    found = [
        f"{row['msg'][:1].lower()}{row['msg'][1:]}{_place(row['loc'])}"
        for row in error.errors(include_url=False, include_input=False, include_context=False)
    ]
    more = f" and {len(found) - _MAX_PROBLEMS} more" if len(found) > _MAX_PROBLEMS else ""
    return f": {'; '.join(found[:_MAX_PROBLEMS])}{more}"


def _place(location: tuple[str | int, ...]) -> str:
    return " at " + "".join(f"[{step!r}]" for step in location) if location else ""
