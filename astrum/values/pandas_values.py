"""Single values of pandas: timestamps, durations, periods and the marks of what is missing.

Imported without pandas; see `astrum.values.foreign_types`.
"""

from __future__ import annotations

from datetime import UTC, tzinfo
from typing import Any

from astrum.errors import DecodeError
from astrum.values.builtin_types import Carrier, Pack, Unpack, zone_from, zone_parts
from astrum.values.codes import Code
from astrum.values.refusals import Refusal

_UNITS = ("s", "ms", "us", "ns")


def value_carrier(cls: type) -> Carrier | None:
    """Return how single values of pandas travel, None for its other types."""
    import pandas

    known = (pandas.Timestamp, pandas.Timedelta, pandas.Period, type(pandas.NaT), type(pandas.NA))
    return Carrier(Code.PANDAS_VALUE, _write, read_value) if cls in known else None


def _write(value: Any, pack: Pack) -> bytes:
    parts = _parts(value)
    try:
        again = _made(parts)
    except Exception as error:  # pandas raises many kinds
        raise Refusal(value, f"pandas cannot make it again ({error}); {_ADVICE}") from error
    if not _is_same(again, value):
        raise Refusal(value, f"pandas would make another value of it; {_ADVICE}")
    return pack(parts)


_ADVICE = "convert it to a plain datetime or to a string"


def _parts(value: Any) -> list[Any]:
    import pandas

    if value is pandas.NaT:
        return ["NaT"]
    if value is pandas.NA:
        return ["NA"]
    if isinstance(value, pandas.Period):
        return ["Period", value.ordinal, value.freqstr]
    if isinstance(value, pandas.Timedelta):
        return ["Timedelta", int(value.asm8.astype("i8")), value.unit]
    wall = value.tz_convert("UTC").tz_localize(None) if value.tz is not None else value
    return ["Timestamp", int(wall.asm8.astype("i8")), value.unit, _zone(value), value.fold]


def _zone(value: Any) -> Any:
    try:
        return zone_parts(value.tz)
    except ValueError as error:
        raise Refusal(value, str(error)) from None


def _is_same(again: Any, value: Any) -> bool:
    same_text = type(again) is type(value) and repr(again) == repr(value)
    zones = getattr(again, "tz", None), getattr(value, "tz", None)
    return same_text and type(zones[0]) is type(zones[1]) and hash(again) == hash(value)


def read_value(payload: bytes, unpack: Unpack) -> Any:
    """Return a single value of pandas."""
    try:
        import pandas  # noqa: F401
    except ImportError:
        raise DecodeError("a value holds a pandas value: install pandas here too") from None
    return _made(unpack(payload))


def _made(parts: Any) -> Any:
    import pandas

    kind, *held = parts
    if kind == "NaT":
        return pandas.NaT
    if kind == "NA":
        return pandas.NA
    if kind == "Period":
        ordinal, freq = held
        return pandas.Period(ordinal=int(ordinal), freq=str(freq))
    if kind == "Timedelta":
        return pandas.Timedelta(_counted("timedelta64", *held))
    if kind != "Timestamp":
        raise DecodeError(f"a value holds the unknown pandas type {kind!r}")
    count, unit, zone, fold = held
    return _timestamp(_counted("datetime64", count, unit), zone_from(zone), fold)


def _counted(kind: str, count: int, unit: str) -> Any:
    import numpy

    if unit not in _UNITS:
        raise DecodeError(f"a pandas value has the unknown unit {unit!r}")
    return numpy.array(int(count), "i8").view(f"{kind}[{unit}]")[()]


def _timestamp(wall: Any, zone: tzinfo | None, fold: int) -> Any:
    import pandas

    moment = pandas.Timestamp(wall)
    if zone is not None:
        return moment.tz_localize(UTC).tz_convert(zone)
    return moment.replace(fold=fold) if fold else moment
