"""A short name for data, the same in every process and for every order of sets and dicts.

Only data counts: plain values, containers of them, enums, dataclasses, NamedTuples, models, arrays
and frames. None of the user's code is called, and a value that holds anything else has no name.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import uuid
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import is_dataclass
from decimal import Decimal
from enum import Enum
from functools import cached_property
from pathlib import PurePath
from types import MemberDescriptorType
from typing import Any
from zoneinfo import ZoneInfo

from astrum.data_transport.types.class_fields import is_model

MAX_DEPTH = 100
_SCALARS = (type(None), bool, int, float, str)


class _NoDataError(Exception):
    """The value holds something that is not data."""


def data_digest(value: object) -> str:
    """Return 8 hex digits that name ``value``, "" if it is not data.

    >>> data_digest({"a", "b"}) == data_digest({"b", "a"}), data_digest(1) == data_digest(True)
    (True, False)
    """
    try:
        token = _scalar(value, type(value)) if type(value) in _SCALARS else _token(value, 0)
    except (_NoDataError, RuntimeError):  # RuntimeError: a container that another thread changes
        return ""
    return hashlib.blake2b(token, digest_size=4).hexdigest()


def _token(value: Any, depth: int) -> bytes:
    kind = type(value)
    if kind in _SCALARS:
        return _scalar(value, kind)
    if depth > MAX_DEPTH:
        raise _NoDataError
    write = _WRITERS.get(kind)
    if write is None:
        write = _writer_by_kind(kind)
    name = b"" if kind in _WRITERS else kind.__qualname__.encode(errors="surrogatepass")
    return _sized(kind.__name__.encode(errors="surrogatepass"), name + write(value, depth + 1))


def _scalar(value: Any, kind: type) -> bytes:
    if kind is str:
        return _sized(b"s", value.encode(errors="surrogatepass"))
    if kind is int:
        return b"i%x;" % value
    return b"%s;" % repr(value).encode()


def _sized(tag: bytes, payload: bytes) -> bytes:
    return b"%s%d:%s" % (tag, len(payload), payload)


# --- containers --------------------------------------------------------------------------


def _items(value: Iterable[Any], depth: int) -> bytes:
    return b"".join([_token(item, depth) for item in value])


def _unordered(value: Iterable[Any], depth: int) -> bytes:
    return b"".join(sorted(_token(item, depth) for item in value))


def _mapping(value: Any, depth: int) -> bytes:
    return b"".join(sorted(_token(k, depth) + _token(v, depth) for k, v in value.items()))


def _ordered(value: Any, depth: int) -> bytes:
    return b"".join(_token(k, depth) + _token(v, depth) for k, v in value.items())


# --- objects -----------------------------------------------------------------------------


def _writer_by_kind(kind: Any) -> Callable[[Any, int], bytes]:
    if issubclass(kind, Enum):
        return _member
    if issubclass(kind, tuple) and hasattr(kind, "_fields"):
        return _named_tuple
    if is_dataclass(kind):
        return _attributes
    if is_model(kind):
        return _model
    if issubclass(kind, PurePath) and kind.__module__.partition(".")[0] == "pathlib":
        return _path
    writer = _FOREIGN.get(kind.__module__.partition(".")[0])
    if writer is None:
        raise _NoDataError
    return writer


def _member(value: Any, depth: int) -> bytes:
    return _token(str.__str__(value._name_) if value._name_ else value._value_, depth)


def _named_tuple(value: Any, depth: int) -> bytes:
    return _items(tuple.__iter__(value), depth)


def _attributes(value: Any, depth: int) -> bytes:
    held: dict[str, Any] = {}
    for cls in reversed(type(value).__mro__):
        for name, attribute in vars(cls).items():
            if isinstance(attribute, MemberDescriptorType):  # a slot, perhaps an empty one
                with suppress(AttributeError):
                    held[name] = attribute.__get__(value)
    with suppress(AttributeError):
        held |= object.__getattribute__(value, "__dict__")
    computed = [name for name in held if isinstance(_in_class(value, name), cached_property)]
    return _mapping({name: held[name] for name in held if name not in computed}, depth)


def _in_class(value: Any, name: str) -> Any:
    return next((vars(cls)[name] for cls in type(value).__mro__ if name in vars(cls)), None)


def _model(value: Any, depth: int) -> bytes:
    extra = getattr(value, "__pydantic_extra__", None) or {}
    return _mapping({**value.__dict__, **extra}, depth)


def _path(value: PurePath, depth: int) -> bytes:
    return str(value).encode(errors="surrogatepass")


def _decimal(value: Decimal, depth: int) -> bytes:
    return str(value).encode()


def _moment(value: Any, depth: int) -> bytes:
    zone = getattr(value, "tzinfo", None)
    if zone is not None and type(zone) not in (dt.timezone, ZoneInfo):
        raise _NoDataError
    fold = getattr(value, "fold", 0)
    return f"{value.isoformat()} {zone} {fold}".encode()


def _span(value: dt.timedelta, depth: int) -> bytes:
    return f"{value.days} {value.seconds} {value.microseconds}".encode()


# --- other packages ----------------------------------------------------------------------


def _numpy(value: Any, depth: int) -> bytes:
    kind = type(value)
    if not hasattr(kind, "dtype") or value.dtype.hasobject or kind.__name__ == "MaskedArray":
        raise _NoDataError
    head = f"{value.dtype.descr} {getattr(value, 'shape', ())} ".encode()
    return head + bytes(value.tobytes())


def _pandas(value: Any, depth: int) -> bytes:
    if hasattr(value, "columns"):
        names = list(value.columns)
        parts = [value.iloc[:, place] for place in range(len(names))]
    elif hasattr(value, "index"):
        names, parts = [value.name], [value]
    else:
        raise _NoDataError
    cells = [_pandas_cells(part, depth) for part in (value.index, *parts)]
    return _token(names, depth) + b"".join(_sized(b"c", column) for column in cells)


def _pandas_cells(column: Any, depth: int) -> bytes:
    from pandas.util import hash_pandas_object

    kind = str(column.dtype).encode()
    if column.dtype == object:  # its cells may be of any class
        return _sized(kind, _items(list(column), depth))
    hashed = hash_pandas_object(column, index=False, categorize=False)
    return _sized(kind, bytes(hashed.to_numpy().tobytes()))


_FOREIGN: dict[str, Callable[[Any, int], bytes]] = {"numpy": _numpy, "pandas": _pandas}
_WRITERS: dict[type, Callable[[Any, int], bytes]] = {
    list: _items,
    tuple: _items,
    set: _unordered,
    frozenset: _unordered,
    dict: _mapping,
    defaultdict: _mapping,
    Counter: _mapping,
    OrderedDict: _ordered,
    bytes: lambda value, _: value,
    bytearray: lambda value, _: bytes(value),
    complex: lambda value, _: repr(value).encode(),
    Decimal: _decimal,
    uuid.UUID: lambda value, _: value.bytes,
    dt.datetime: _moment,
    dt.date: _moment,
    dt.time: _moment,
    dt.timedelta: _span,
}
