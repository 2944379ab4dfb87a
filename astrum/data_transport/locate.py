"""Find a part of a result by locators, on live objects; `astrum.values` does the same on bytes."""

from __future__ import annotations

import inspect
import types
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cached_property
from itertools import islice
from typing import Any

from astrum.data_transport.bindings import Binding
from astrum.data_transport.type_kinds import is_model
from astrum.errors import LocateError, TransportError

MAX_SHOWN = 10
MAX_SHOWN_KEY = 200
LONG_KEY = "<a long key>"
FIELDS_ADVICE = "only fields travel to workers: make it one, or let a task return it"
_NONE: Any = object()
_METHODS = (types.MethodType, types.BuiltinMethodType, types.MethodWrapperType)
_TABLES = ("numpy", "pandas", "polars", "pyarrow")
_PLAIN = (str, bytes, bytearray, bool, int, float, complex, list, tuple, set, frozenset)


def locate(value: Any, path: tuple[str | int, ...]) -> Any:
    """Follow ``path`` from ``value``: a string is a dict key or attribute, a number an index.

    Only data is read, never a method. Plain values, arrays and frames have no attributes here:
    reading one would give a method or a property, and a column only if nothing else has its name.

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
        found = _attribute(value, locator)
        if found is not _NONE:
            return found
    elif isinstance(value, (list, tuple)):
        try:
            return value[locator]
        except IndexError:
            pass
    is_plain = value is None or type(value) in _PLAIN or isinstance(value, Mapping)
    advice = "" if is_plain else fields_advice(locator)
    raise LocateError(locator, describe(value) + advice, is_absent=_may_have(value, locator))


def _may_have(value: Any, locator: str | int) -> bool:
    """Return whether values of this kind can have such a part."""
    if value is None or isinstance(value, Mapping):
        return True
    if isinstance(locator, int):
        return isinstance(value, (list, tuple))
    is_table = type(value).__module__.partition(".")[0] in _TABLES
    return _fields_of(value) is not None or (hasattr(value, "__dict__") and not is_table)


def _attribute(value: Any, name: str) -> Any:
    kind = type(value)
    if kind in _PLAIN or kind.__module__.partition(".")[0] in _TABLES:
        return _NONE
    if _is_made_of_fields(kind) and not _is_held_or_computed(value, name):
        return _NONE
    found = getattr(value, name, _NONE)
    if not callable(found):
        return found
    if isinstance(found, _METHODS) and getattr(found, "__self__", None) in (value, kind):
        return _NONE
    # A function stored in the object is data; one that its class has is a static method.
    held = isinstance(inspect.getattr_static(value, name, None), (staticmethod, classmethod))
    return _NONE if held else found


def _is_made_of_fields(kind: Any) -> bool:
    is_record = issubclass(kind, tuple) and hasattr(kind, "_fields")
    return is_record or is_dataclass(kind) or is_model(kind)


def _is_held_or_computed(value: Any, name: str) -> bool:
    """Return whether a value that is made of fields holds ``name``, or has a property of that name.

    Constants of its class, and what its ``__getattr__`` returns, do not travel with it.
    """
    if name.startswith("__"):
        return False
    kind: Any = type(value)
    if isinstance(value, tuple):
        held: Any = kind._fields
    else:
        held = getattr(value, "__dict__", ())
    if name in held or name in (getattr(value, "__pydantic_extra__", None) or ()):
        return True
    if is_dataclass(kind) and any(field.name == name for field in fields(kind)):
        return True
    found = inspect.getattr_static(kind, name, None)
    return isinstance(found, (types.MemberDescriptorType, property, cached_property))


def describe(value: Any) -> str:
    """Describe in a few words what can be located in ``value``.

    >>> describe({"id": 1, "name": "x"})
    "a dict with the keys 'id', 'name'"
    """
    if value is None:
        return "None"
    name = type(value).__name__
    if isinstance(value, Mapping):
        keys = [_shown(key) for key in islice(value, MAX_SHOWN)]
        return with_names(name, "key", keys, len(value))
    names = _fields_of(value)
    if names is not None:
        return with_names(name, "field", [repr(field) for field in names], len(names))
    if isinstance(value, (list, tuple)):
        return with_length(name, len(value))
    if isinstance(value, (set, frozenset)):
        return without_order(name, len(value))
    return with_article(name)


def _fields_of(value: Any) -> list[str] | None:
    cls = type(value)
    if isinstance(value, tuple):
        return list(value._fields) if hasattr(value, "_fields") else None
    if is_dataclass(cls):
        own = [field.name for field in fields(cls) if hasattr(value, field.name)]
        return list(dict.fromkeys((*own, *_other_attributes(value))))
    if is_model(cls):
        return [*cls.model_fields, *(value.__pydantic_extra__ or ())]
    return None


def _other_attributes(value: Any) -> list[str]:
    """Return the attributes beside its fields that a dataclass's value holds and that travel."""
    cls = type(value)
    names = [name for name in getattr(value, "__dict__", {}) if not name.startswith("__")]
    return [n for n in names if not isinstance(getattr(cls, n, None), cached_property)]


def _shown(key: object) -> str:
    if isinstance(key, Enum):
        return "<enum>"
    if key is not None and type(key) not in (str, bytes, bool, int, float):
        return f"<{type(key).__name__}>"
    if type(key) is int and not -(2**63) <= key < 2**64:
        return "<int>"
    is_long = isinstance(key, (str, bytes)) and len(key) > MAX_SHOWN_KEY
    return LONG_KEY if is_long else repr(key)


# --- wording shared with `astrum.values`, which does the same on bytes ---


def with_article(name: str) -> str:
    """Put the article in front of a type's name.

    >>> with_article("int"), with_article("str"), with_article("bytes")
    ('an int', 'a str', 'bytes')
    """
    return name if name == "bytes" else f"{'an' if name[:1] in tuple('aeioAEIO') else 'a'} {name}"


def with_names(type_name: str, word: str, shown: Sequence[str], total: int) -> str:
    """Return which keys or fields something has; of many, ``shown`` are the first.

    >>> with_names("dict", "key", ["'a'", "'b'"], 5)
    "a dict with the keys 'a', 'b' and 3 more"
    """
    what = with_article(type_name)
    if not total:
        return f"{what} without {word}s"
    shown = shown[:MAX_SHOWN]
    more = f" and {total - len(shown)} more" if total > len(shown) else ""
    return f"{what} with the {word}{'s' if total > 1 else ''} {', '.join(shown)}{more}"


def fields_advice(locator: str | int) -> str:
    """Return what to do about an attribute that is not a field, for a string ``locator``."""
    return f" ({FIELDS_ADVICE})" if isinstance(locator, str) else ""


def with_length(type_name: str, length: int) -> str:
    """Return the description of a list or tuple with its length."""
    return f"{with_article(type_name)} of length {length}"


def without_order(type_name: str, size: int) -> str:
    """Return the description of a set with its size."""
    return f"{with_article(type_name)} of {size}, without order"


def shown_path(path: tuple[str | int, ...], whole: str = "") -> str:
    """Return where a part of a result is, as an expression.

    >>> shown_path(("rows", 0), "result")
    "result['rows'][0]"
    """
    return whole + "".join(f"[{step!r}]" for step in path)


def binding_error(task_id: str, binding: Binding, error: LocateError) -> TransportError:
    """Return the error of a parameter whose source lacks what it asks for.

    Of an input it does not say what is there instead: the input may be secret.
    """
    source, place = binding.source, f"task {task_id!r}, parameter {binding.parameter!r}"
    if binding.origin == "input":
        return TransportError(f"{place}: the input {source!r} has no part {error.locator!r}")
    default = f"F({source!r}, {error.locator!r}, default=None)"
    advice = f"; if it may be absent, say what stands for it: {default}" if error.is_absent else ""
    return TransportError(f"{place}, from {source!r}: {error}{advice}")
