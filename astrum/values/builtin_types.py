"""Types of Python itself that msgpack does not know, each with its writer and reader.

A writer gets the value and a function that encodes parts of it; a reader gets the payload and a
function that decodes parts. Readers may raise any error on bytes that no writer made: the codec
turns it into a `DecodeError`.
"""

from __future__ import annotations

import re
import struct
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Collection, Iterable
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from pathlib import PosixPath, PurePosixPath, PureWindowsPath, WindowsPath
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import msgpack
from pydantic_core import TzInfo

from astrum.data_transport.absent import ABSENT, Absent
from astrum.values.codes import Code
from astrum.values.refusals import Refusal

Pack = Callable[[Any], bytes]
Unpack = Callable[[bytes], Any]
Writer = Callable[[Any, Pack], bytes]
Reader = Callable[[bytes, Unpack], Any]


class Carrier(NamedTuple):
    """The writer and the reader of one exact type."""

    code: Code
    write: Writer
    read: Reader


_PATHS = (PurePosixPath, PureWindowsPath, PosixPath, WindowsPath)
_FACTORIES: dict[str | None, Any] = {
    cls.__name__: cls
    for cls in (bool, bytes, complex, dict, float, frozenset, int, list, set, str, tuple)
}
_FACTORIES[None] = None
_ZONE_KEY = re.compile(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*")
_COMPLEX = struct.Struct(">dd")
_MICROSECOND = timedelta(microseconds=1)


def _write_items(items: Iterable[Any], pack: Pack) -> bytes:
    return pack(list(items))


def _write_set(items: Collection[Any], pack: Pack) -> bytes:
    """Write the items in the order of their bytes: equal sets are equal bytes in every process.

    Each item is encoded once; encoding it as a sort key and again in a list would double the work
    with every frozenset inside another.
    """
    header: bytes = msgpack.Packer().pack_array_header(len(items))
    return b"".join([header, *sorted(map(pack, items))])


def _reader_of(build: Callable[[Any], Any]) -> Reader:
    return lambda payload, unpack: build(unpack(payload))


def _write_int(value: int, pack: Pack) -> bytes:
    return value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True)


def _read_int(payload: bytes, unpack: Unpack) -> int:
    return int.from_bytes(payload, "big", signed=True)


def _write_complex(value: complex, pack: Pack) -> bytes:
    return _COMPLEX.pack(value.real, value.imag)


def _read_complex(payload: bytes, unpack: Unpack) -> complex:
    return complex(*_COMPLEX.unpack(payload))


ZoneParts = str | list[Any] | int | None


def zone_parts(zone: tzinfo | None) -> ZoneParts:
    """Return a time zone as plain data: a key, an offset, or pydantic's offset in whole seconds.

    Raises ``ValueError`` for a zone of another kind.
    """
    if zone is None:
        return None
    if type(zone) is ZoneInfo and zone.key and _ZONE_KEY.fullmatch(zone.key):
        return zone.key
    if type(zone) is timezone:
        offset = zone.utcoffset(None) // _MICROSECOND
        is_named = len(zone.__reduce__()[1]) > 1
        return [offset, zone.tzname(None)] if is_named else [offset]
    if type(zone) is TzInfo:
        return (zone.utcoffset(None) or timedelta()) // timedelta(seconds=1)
    raise ValueError(
        f"its time zone is a {type(zone).__qualname__}; use zoneinfo or datetime.timezone"
    )


def _zone_of(moment: datetime | time) -> ZoneParts:
    try:
        return zone_parts(moment.tzinfo)
    except ValueError as error:
        raise Refusal(moment, str(error)) from None


def zone_from(data: ZoneParts) -> tzinfo | None:
    """Return the time zone that `zone_parts` took apart."""
    if data is None:
        return None
    if isinstance(data, list):
        return timezone(timedelta(microseconds=data[0]), *data[1:])
    if isinstance(data, int):
        return TzInfo(data)
    if not _ZONE_KEY.fullmatch(data):
        raise ValueError(f"{data!r} is not a time zone key")
    return ZoneInfo(data)


def _write_datetime(value: datetime, pack: Pack) -> bytes:
    day = (value.year, value.month, value.day)
    clock = (value.hour, value.minute, value.second, value.microsecond)
    return pack([*day, *clock, value.fold, _zone_of(value)])


def _read_datetime(payload: bytes, unpack: Unpack) -> datetime:
    year, month, day, hour, minute, second, micros, fold, zone = unpack(payload)
    return datetime(int(year), month, day, hour, minute, second, micros, zone_from(zone), fold=fold)


def _write_time(value: time, pack: Pack) -> bytes:
    clock = (value.hour, value.minute, value.second, value.microsecond)
    return pack([*clock, value.fold, _zone_of(value)])


def _read_time(payload: bytes, unpack: Unpack) -> time:
    hour, minute, second, micros, fold, zone = unpack(payload)
    return time(int(hour), minute, second, micros, zone_from(zone), fold=fold)


def _write_date(value: date, pack: Pack) -> bytes:
    return pack([value.year, value.month, value.day])


def _read_date(payload: bytes, unpack: Unpack) -> date:
    year, month, day = unpack(payload)
    return date(int(year), month, day)


def _write_timedelta(value: timedelta, pack: Pack) -> bytes:
    return pack([value.days, value.seconds, value.microseconds])


def _read_timedelta(payload: bytes, unpack: Unpack) -> timedelta:
    days, seconds, microseconds = unpack(payload)
    return timedelta(days, seconds, microseconds)


def _write_path(value: Any, pack: Pack) -> bytes:
    if isinstance(value, PureWindowsPath) and type(value)(str(value)) != value:
        raise Refusal(value, "its text means another path; build it from a drive or a share")
    return bytes((_PATHS.index(type(value)),)) + str(value).encode("utf-8", "surrogatepass")


def _read_path(payload: bytes, unpack: Unpack) -> Any:
    return _PATHS[payload[0]](payload[1:].decode("utf-8", "surrogatepass"))


def _refuse_attributes(value: Any) -> None:
    if getattr(value, "__dict__", None):
        raise Refusal(value, "it has attributes of its own, which would be lost; use a dataclass")


def _write_dict(value: dict[Any, Any], pack: Pack) -> bytes:
    _refuse_attributes(value)
    return pack(dict(value))


def _read_counter(payload: bytes, unpack: Unpack) -> Counter[Any]:
    counter: Counter[Any] = Counter()
    dict.update(counter, unpack(payload))
    return counter


def _write_default_dict(value: defaultdict[Any, Any], pack: Pack) -> bytes:
    factory = value.default_factory
    name = getattr(factory, "__name__", None)
    if _FACTORIES.get(name, ...) is not factory:
        raise Refusal(value, "its default_factory is your own code; convert it with dict(...)")
    return pack([name, dict(value)])


def _read_default_dict(payload: bytes, unpack: Unpack) -> defaultdict[Any, Any]:
    name, items = unpack(payload)
    return defaultdict(_FACTORIES[name], items)


BUILTIN_TYPES: dict[type, Carrier] = {
    tuple: Carrier(Code.TUPLE, _write_items, _reader_of(tuple)),
    set: Carrier(Code.SET, _write_set, _reader_of(set)),
    frozenset: Carrier(Code.FROZENSET, _write_set, _reader_of(frozenset)),
    bytearray: Carrier(
        Code.BYTEARRAY, lambda value, _: bytes(value), lambda raw, _: bytearray(raw)
    ),
    int: Carrier(Code.BIG_INT, _write_int, _read_int),
    complex: Carrier(Code.COMPLEX, _write_complex, _read_complex),
    datetime: Carrier(Code.DATETIME, _write_datetime, _read_datetime),
    date: Carrier(Code.DATE, _write_date, _read_date),
    time: Carrier(Code.TIME, _write_time, _read_time),
    timedelta: Carrier(Code.TIMEDELTA, _write_timedelta, _read_timedelta),
    Decimal: Carrier(
        Code.DECIMAL, lambda value, _: str(value).encode(), lambda raw, _: Decimal(raw.decode())
    ),
    UUID: Carrier(Code.UUID, lambda value, _: value.bytes, lambda raw, _: UUID(bytes=raw)),
    **{path: Carrier(Code.PATH, _write_path, _read_path) for path in _PATHS},
    OrderedDict: Carrier(Code.ORDERED_DICT, _write_dict, _reader_of(OrderedDict)),
    defaultdict: Carrier(Code.DEFAULT_DICT, _write_default_dict, _read_default_dict),
    Counter: Carrier(Code.COUNTER, _write_dict, _read_counter),
    Absent: Carrier(Code.ABSENT, lambda *_: b"", lambda *_: ABSENT),
}
