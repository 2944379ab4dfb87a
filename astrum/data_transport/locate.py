"""Find a part of a result by locators, on live objects; `astrum.wire` does the same on bytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from astrum.errors import LocateError, TransportError

_SHOWN = 10


def locate(value: Any, path: tuple[str | int, ...]) -> Any:
    """Follow ``path`` from ``value``: text is a dict key or attribute, a number an index.

    Raises `LocateError`, which says what the value had instead.

    >>> locate({"rows": [1, 2]}, ("rows", -1))
    2
    """
    for locator in path:
        value = _step(value, locator)
    return value


def _step(value: Any, locator: str | int) -> Any:
    if isinstance(value, Mapping):
        if locator in value:
            return value[locator]
    elif isinstance(locator, str):
        try:
            return getattr(value, locator)
        except AttributeError:
            pass
    elif isinstance(value, (list, tuple)):
        try:
            return value[locator]
        except IndexError:
            pass
    raise LocateError(locator, describe(value))


def describe(value: Any) -> str:
    """Say in a few words what could be located in ``value``.

    >>> describe({"id": 1, "name": "x"})
    "a dict with the keys 'id', 'name'"
    """
    name = type(value).__name__
    if isinstance(value, Mapping):
        return f"a {name} with the keys {_listed(value)}" if value else f"an empty {name}"
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return f"a {name} with the fields {_listed(value._fields)}"
    if isinstance(value, (list, tuple)):
        return f"a {name} of length {len(value)}"
    fields = getattr(type(value), "__dataclass_fields__", None) or getattr(
        type(value), "model_fields", None
    )
    if fields:
        return f"a {name} with the fields {_listed(fields)}"
    return "None" if value is None else f"a value of type {name}"


def _listed(names: Any) -> str:
    names = list(names)
    shown = ", ".join(repr(name) for name in names[:_SHOWN])
    return shown + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


def binding_error(
    task_id: str, parameter: str | int, source: str, error: LocateError
) -> TransportError:
    """Return the error of a parameter whose upstream result lacks what it asks for."""
    return TransportError(
        f"task {task_id!r}, parameter {parameter!r}: in the result of {source!r}, {error}"
    )
