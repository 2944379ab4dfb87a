"""Types and strategies of values for tests of the codec, and an equality that compares types."""

from __future__ import annotations

import struct
from collections import Counter, OrderedDict, defaultdict, deque
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, Flag, IntEnum, StrEnum, auto
from fractions import Fraction
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, PrivateAttr, SecretStr

from astrum.values import Codec, Extension


class Color(Enum):
    RED = (255, 0, 0)
    GREEN = "green"


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class Word(StrEnum):
    YES = "yes"
    NO = "no"


class Right(Flag):
    READ = auto()
    WRITE = auto()


class Point(NamedTuple):
    x: Any
    y: Any = 0


@dataclass
class Order:
    id: Any
    lines: Any = field(default_factory=list)
    total: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self.total = 7


@dataclass(frozen=True, slots=True, order=True)
class Key:
    name: str
    number: int = 0


class Customer(BaseModel):
    name: str
    data: Any = None
    _visits: int = PrivateAttr(default=0)


class Loose(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True)
    number: int = 1


def fraction_to_bytes(value: Fraction) -> bytes:
    return f"{value.numerator}/{value.denominator}".encode()


def fraction_from_bytes(data: bytes) -> Fraction:
    return Fraction(data.decode())


class Stocked(BaseModel):
    name: str
    _count: Any = PrivateAttr(default=0)


class Slotted:
    __slots__ = ("kept",)
    kept: Any


@dataclass
class Heir(Slotted):
    id: Any = 0


def stocked(name: str, count: Any) -> Stocked:
    made = Stocked(name=name)
    made._count = count
    return made


def heir(kept: Any, more: Any) -> Heir:
    made = Heir()
    made.kept, made.more = kept, more  # type: ignore[attr-defined]
    return made


FRACTION = Extension("fraction", Fraction, fraction_to_bytes, fraction_from_bytes)
TYPES = (Color, Level, Word, Right, Point, Order, Key, Customer, Loose, Stocked, Heir)
CODEC = Codec(TYPES, extensions=[FRACTION])

ZONES = (
    None,
    ZoneInfo("Europe/Berlin"),
    ZoneInfo("America/New_York"),
    UTC,
    timezone(timedelta(hours=-3, minutes=-30)),
    timezone(timedelta(seconds=3601), "odd"),
)
_zones = st.sampled_from(ZONES)
_folds = st.integers(0, 1)
_texts = st.text(max_size=12)

moments = st.builds(
    lambda moment, zone, fold: moment.replace(tzinfo=zone, fold=fold),
    st.datetimes(),
    _zones,
    _folds,
)
clocks = st.builds(
    lambda clock, zone, fold: clock.replace(tzinfo=zone, fold=fold), st.times(), _zones, _folds
)
paths = st.builds(
    lambda cls, parts: cls(*parts),
    st.sampled_from([Path, PurePosixPath, PureWindowsPath]),
    st.lists(st.text("abc./ \udc80", max_size=5), max_size=3),
).filter(lambda path: type(path)(str(path)) == path)  # others are refused
members = st.sampled_from([*Color, *Level, *Word, *Right, Right.READ | Right.WRITE, Right(0)])
plain_keys = st.one_of(_texts, st.integers(-5, 5), st.booleans())
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(2**200), 2**200),
    st.sampled_from([2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 2**64 - 1, 2**64, -(2**64)]),
    st.floats(),
    st.complex_numbers(),
    _texts,
    st.binary(max_size=20),
    moments,
    clocks,
    st.dates(),
    st.timedeltas(),
    st.decimals(allow_nan=False) | st.sampled_from([Decimal("NaN12"), Decimal("-0E+5")]),
    st.uuids(),
    st.ip_addresses(),
    st.text("ab", max_size=3).map(SecretStr),
    st.fractions(),
    paths,
    members,
    st.builds(Key, _texts, st.integers()),
)
hashables = st.recursive(
    scalars,
    lambda parts: st.one_of(
        st.lists(parts, max_size=3).map(tuple),
        st.frozensets(parts, max_size=3),
        st.builds(Point, parts, parts),
    ),
    max_leaves=4,
)


def _containers(parts: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    dicts = st.dictionaries(hashables, parts, max_size=4)
    return st.one_of(
        st.lists(parts, max_size=4),
        st.lists(parts, max_size=4).map(tuple),
        st.sets(hashables, max_size=4),
        st.frozensets(hashables, max_size=4),
        dicts,
        dicts.map(OrderedDict),
        dicts.map(lambda items: defaultdict(list, items)),
        st.dictionaries(hashables, st.integers(), max_size=4).map(Counter),
        st.builds(Point, parts, parts),
        st.builds(Order, parts, parts),
        st.builds(Customer, name=_texts, data=parts),
        st.builds(Loose, number=st.integers(), more=parts),
        st.builds(Loose),
        st.builds(stocked, _texts, parts),
        st.builds(heir, parts, parts),
        st.lists(parts, max_size=3).map(lambda items: deque(items, maxlen=4)),
    )


values = st.recursive(scalars | st.binary(max_size=9).map(bytearray), _containers, max_leaves=12)


def exact(value: Any) -> Any:
    """Return plain data that is equal for two values only if they agree in all types too."""
    name = type(value).__name__
    if isinstance(value, float):
        return name, struct.pack(">d", value) if value == value else "nan"
    if isinstance(value, complex):
        return name, exact(value.real), exact(value.imag)
    if isinstance(value, (datetime, time)):
        return name, repr(value), value.fold, type(value.tzinfo)
    if isinstance(value, defaultdict):
        return name, value.default_factory, exact(dict(value))
    if isinstance(value, dict):
        return name, [(exact(key), exact(part)) for key, part in value.items()]
    if isinstance(value, (set, frozenset)):
        return name, sorted(repr(exact(part)) for part in value)
    if isinstance(value, (list, tuple)):
        return name, [exact(part) for part in value]
    if isinstance(value, BaseModel):
        private = exact(value.__pydantic_private__ or {})
        return name, exact(dict(value)), sorted(value.model_fields_set), private
    if isinstance(value, Order):
        return name, exact(vars(value))
    if isinstance(value, Heir):
        return name, exact(vars(value)), exact(value.kept)
    if isinstance(value, deque):
        return name, value.maxlen, exact(list(value))
    if isinstance(value, date):
        return name, value.isoformat()
    if isinstance(value, SecretStr):
        return name, value.get_secret_value()
    return name, repr(value)
