"""Reports and any other values as values for JSON."""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import math
from collections import deque
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    from astrum.machine import ExecutionReport

MAX_DEPTH = 50
MAX_REPR_CHARS = 2_000


def report_to_json(report: ExecutionReport) -> dict[str, Any]:
    """Return a report without logs as a value for JSON; see `to_json` for the results."""
    fields = {
        field.name: getattr(report, field.name)
        for field in dataclasses.fields(report)
        if field.name not in ("run_id", "logs")
    }
    return {"run_id": report.run_id, **{name: to_json(value) for name, value in fields.items()}}


def to_json(value: Any, depth: int = 0) -> Any:
    """Convert any value to a value for JSON: readable, but it cannot be converted back.

    Dataclasses, named tuples and pydantic models become objects, dates ISO strings, bytes base64,
    numbers that JSON lacks strings; any other object becomes its ``repr``. Keys become
    strings. A dict of which two keys would become the same string becomes a list of pairs.

    >>> to_json({"at": dt.date(2026, 1, 2), "of": (1, {b"x"})})
    {'at': '2026-01-02', 'of': [1, ['eA==']]}
    >>> to_json({1: "a", 2: "b"}), to_json({1: "a", "1": "b"})
    ({'1': 'a', '2': 'b'}, [[1, 'a'], ['1', 'b']])
    """
    if depth > MAX_DEPTH:
        return _repr(value)
    try:
        return _to_json(value, depth)
    except Exception:  # a value of the user's own class may raise at any access
        return _repr(value)


def _to_json(value: Any, depth: int) -> Any:
    if isinstance(value, Enum):
        return to_json(value.value, depth + 1)
    if value is None or isinstance(value, (bool, int, str)):
        return value if type(value) in (bool, str, type(None)) else _plain(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(float(value))
    parts = parts_of(value)
    if isinstance(parts, Mapping):
        return _mapping(parts, depth)
    if parts is not None:
        return [to_json(item, depth + 1) for item in parts]
    shown = _of_opaque(value)
    return _text(value) if shown is None else to_json(shown, depth + 1)


def _of_opaque(value: Any) -> Any:
    """Return the parts of a value whose type is not here, `None` for others."""
    from astrum.values.opaque import Opaque  # it imports the codec, which is slow

    if not isinstance(value, Opaque):
        return None
    if not value.is_member:
        return value.fields
    plain = value.fields.get("value")
    return value.fields["name"] if plain is None else plain


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return str.__str__(value)
    number = int(value)
    try:
        str(number)
    except ValueError:  # Python writes, and reads, only so many digits
        return hex(number)
    return number


def _mapping(parts: Mapping[Any, Any], depth: int) -> Any:
    items = [(key, to_json(item, depth + 1)) for key, item in parts.items()]
    named = {_key(key): item for key, item in items}
    if len(named) == len(items):
        return named
    return [[to_json(key, depth + 1), item] for key, item in items]


def parts_of(value: Any) -> Mapping[Any, Any] | Iterable[Any] | None:
    """Return the parts of a value, `None` if it has none."""
    if isinstance(value, Mapping):
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in dataclasses.fields(value)]
        return {name: getattr(value, name, None) for name in names}
    if hasattr(type(value), "model_fields") and hasattr(value, "__dict__"):
        return {**value.__dict__, **(getattr(value, "__pydantic_extra__", None) or {})}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return dict(value._asdict())
    if isinstance(value, (list, tuple, deque)):
        return value
    if isinstance(value, AbstractSet):
        return sorted(value, key=_repr)
    return None


def _key(key: Any) -> str:
    return key if type(key) is str else str(to_json(key))


def _text(value: Any) -> str:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, (dt.datetime, dt.date, dt.time)):
        return value.isoformat()
    if isinstance(value, (Decimal, UUID, PurePath)):
        return str(value)
    return _repr(value)


def _repr(value: Any) -> str:
    try:
        text = repr(value)
    except Exception as error:  # the user's __repr__ may raise anything
        return f"<{type(value).__name__}, its __repr__ raised {type(error).__name__}>"
    return text if len(text) <= MAX_REPR_CHARS else text[:MAX_REPR_CHARS] + "..."
