"""msgpack with nested extension items, to a bounded depth and without state per call."""

from __future__ import annotations

import gc
import re
from collections.abc import Mapping
from types import NoneType
from typing import Any

import msgpack

from astrum.errors import DecodeError
from astrum.values.builtin_types import Reader, Writer
from astrum.values.codes import Code
from astrum.values.foreign_types import foreign_carrier
from astrum.values.refusals import Refusal, refuse
from astrum.values.walk import check_complete

MAX_DEPTH = 64
"""Extension items inside each other: a dataclass in a tuple makes two.

Decoding takes some 43 KiB of C stack per level; threads have 8 MiB on most systems.
"""

_FREE_LEVELS = 4
_MAX_LISTS_BELOW = 32
"""Lists and dicts inside each other within one level, below the first ones.

msgpack allows 1024 and takes some 430 bytes of C stack for each: too much for 64 levels.
"""
_SMALL_BYTES = 512
_KEPT_PACKER_BYTES = 64 * 1024
_UNCHECKED_BYTES = 1024
"""Below this size, false counts in headers make msgpack reserve less than 3 MB for lists."""

_SCALARS = frozenset({NoneType, bool, int, float, str, bytes})
_STRINGS = frozenset({0xC4, 0xC5, 0xC6, 0xD9, 0xDA, 0xDB})
"""The first bytes of long strings and byte strings, in which no count can be false."""

# msgpack packs these types by itself, and they would be decoded as others.
_MISTAKEN = frozenset({bytearray, memoryview, msgpack.ExtType, msgpack.Timestamp})
_MARKS = tuple(bytes((first,)) for first in (*range(0xC4, 0xCA), *range(0xD4, 0xD9)))
_find_mark = re.compile(b"[\xc4-\xc9\xd4-\xd8]").search
_TO_DATETIME = 3
"""For timestamps that other writers of msgpack made; the codec writes none."""

_BYTEARRAY = int(Code.BYTEARRAY)

KnownWriters = dict[type, tuple[int, Writer]]
KnownReaders = Mapping[int, Reader]


class TooDeepError(ValueError):
    """Extension items inside each other beyond the limit (msgpack's own is a ValueError too)."""


class Level:
    """Encodes and decodes what lies inside a given number of extension items.

    Each level passes the payload of an extension item to the next, and the last level refuses it.
    So nothing has to be counted per call, and threads can share a codec: a packer is taken from a
    list and put back.
    """

    def __init__(self, writers: KnownWriters, readers: KnownReaders, depth: int = 0) -> None:
        self._writers = writers
        self._readers = readers
        self._packers: list[msgpack.Packer] = []
        self._is_low = depth > _FREE_LEVELS
        self._next = Level(writers, readers, depth + 1) if depth < MAX_DEPTH else None

    def pack(self, value: object) -> bytes:
        """Encode; raises `Refusal`, `TooDeepError` or what msgpack raises."""
        if type(value) in _SCALARS:
            return self._pack(value)
        if self._is_low and _nests_deeper(value, _MAX_LISTS_BELOW):
            raise TooDeepError
        packed = self._pack(value)
        if _may_be_mistaken(packed) and _is_mistaken(value):
            return self._pack(_corrected(value))
        return packed

    def _pack(self, value: object) -> bytes:
        try:
            packer = self._packers.pop()
        except IndexError:
            packer = msgpack.Packer(default=self._default, strict_types=True, buf_size=1024)
        packed: bytes = packer.pack(value)
        if len(packed) <= _KEPT_PACKER_BYTES:  # neither a huge buffer nor a packer that raised
            self._packers.append(packer)
        return packed

    def _default(self, value: object) -> msgpack.ExtType:
        code, write = self._writers.get(type(value)) or self._find_writer(value)
        if self._next is None:
            raise TooDeepError
        return msgpack.ExtType(code, write(value, self._next.pack))

    def _find_writer(self, value: object) -> tuple[int, Writer]:
        carrier = foreign_carrier(type(value))
        if carrier is None:
            raise refuse(value)
        self._writers[type(value)] = found = int(carrier.code), carrier.write
        return found

    def unpack(self, data: bytes | memoryview) -> Any:
        """Decode; raises `DecodeError` or what msgpack raises."""
        if len(data) > _UNCHECKED_BYTES and data[0] not in _STRINGS:
            check_complete(bytes(data))
        return msgpack.unpackb(
            data, ext_hook=self._hook, strict_map_key=False, timestamp=_TO_DATETIME
        )

    def _hook(self, code: int, payload: bytes) -> object:
        read = self._readers.get(code)
        if read is None:
            raise DecodeError(_no_reader(code))
        if self._next is None:
            raise DecodeError("the encoded value is nested too deep")
        try:
            return read(payload, self._next.unpack)
        except DecodeError:
            raise
        except Exception as error:  # readers meet hostile bytes, and run the user's code
            name = Code(code).name.lower()
            raise DecodeError(f"a {name} is damaged: {type(error).__name__}: {error}") from error


def _no_reader(code: int) -> str:
    if code == Code.REFERENCE:
        return "a reference to a big value must be fetched before it is decoded"
    if code == Code.COMPRESSED:
        return "a compressed value may not stand inside another value"
    return f"the value holds the unknown extension {code}: run the same Astrum version everywhere"


def _nests_deeper(value: object, limit: int) -> bool:
    level = [value] if type(value) is list or type(value) is dict else []
    for _ in range(limit):
        if not level:
            return False
        parts = gc.get_referents(*level)
        inner = {id(part): part for part in parts if type(part) is list or type(part) is dict}
        level = list(inner.values())
    return True


def _may_be_mistaken(packed: bytes) -> bool:
    if len(packed) <= _SMALL_BYTES:
        return _find_mark(packed) is not None
    return any(mark in packed for mark in _MARKS)


def _is_mistaken(value: object) -> bool:
    # In C, level by level: this runs for all values whose bytes may hold such an item.
    level = [value]
    while level:
        parts = gc.get_referents(*level)
        types = set(map(type, parts))
        if not _MISTAKEN.isdisjoint(types) or type(level[0]) in _MISTAKEN:
            return True
        if list not in types and dict not in types:
            return False
        level = [part for part in parts if type(part) is list or type(part) is dict]
    return False


def _corrected(value: Any) -> Any:
    cls = type(value)
    if cls is bytearray:
        return msgpack.ExtType(_BYTEARRAY, bytes(value))
    if cls in _MISTAKEN:
        raise refuse(value) if cls is memoryview else Refusal(value, "it is a type of msgpack's")
    if cls is list:
        return [_corrected(part) for part in value]
    if cls is dict:
        return {_corrected(key): _corrected(part) for key, part in value.items()}
    return value
