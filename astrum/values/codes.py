"""The numbers of Astrum's msgpack extension types, and the bytes in front of one.

The numbers are the wire format: never reuse or change one.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple


class Code(IntEnum):
    """The kinds of extension items. Those from COMPRESSED on are whole values only."""

    TUPLE = 1
    SET = 2
    FROZENSET = 3
    BYTEARRAY = 4
    BIG_INT = 5
    COMPLEX = 6
    DATETIME = 7
    DATE = 8
    TIME = 9
    TIMEDELTA = 10
    DECIMAL = 11
    UUID = 12
    PATH = 13
    ORDERED_DICT = 14
    DEFAULT_DICT = 15
    COUNTER = 16
    STANDARD = 17
    ABSENT = 18
    ENUM = 20
    DATACLASS = 21
    NAMED_TUPLE = 22
    MODEL = 23
    EXTENSION = 24
    NUMPY_ARRAY = 30
    NUMPY_SCALAR = 31
    DATA_FRAME = 32
    SERIES = 33
    ARROW_TABLE = 34
    PANDAS_VALUE = 35
    POLARS_TABLE = 36
    COMPRESSED = 40
    REFERENCE = 41
    UNSENT = 42


class ExtHeader(NamedTuple):
    """An extension item's code, and where its payload starts and ends."""

    code: int
    start: int
    end: int


_FIXED_SIZES = {0xD4: 1, 0xD5: 2, 0xD6: 4, 0xD7: 8, 0xD8: 16}
_LENGTH_WIDTHS = {0xC7: 1, 0xC8: 2, 0xC9: 4}


def ext_header(data: bytes | memoryview, at: int = 0) -> ExtHeader | None:
    """Read the extension item that starts at ``at``; None if another kind of item does.

    The end may lie beyond ``data`` if that is cut short.
    """
    first = data[at] if at < len(data) else 0
    if first in _FIXED_SIZES and at + 1 < len(data):
        return ExtHeader(data[at + 1], at + 2, at + 2 + _FIXED_SIZES[first])
    width = _LENGTH_WIDTHS.get(first)
    if width is None or at + 1 + width >= len(data):
        return None
    size = int.from_bytes(data[at + 1 : at + 1 + width], "big")
    start = at + 2 + width
    return ExtHeader(data[start - 1], start, start + size)


def whole_ext(code: Code, payload: bytes) -> bytes:
    """Return ``payload`` as one extension item with a header of fixed width."""
    return b"\xc9" + len(payload).to_bytes(4, "big") + bytes((code,)) + payload
