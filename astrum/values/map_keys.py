"""Compares keys of encoded dicts with locators, as if the keys were decoded."""

from __future__ import annotations

import struct
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

import msgpack

from astrum.errors import DecodeError
from astrum.values.arrays import plain_scalar
from astrum.values.codes import Code
from astrum.values.walk import Kind, item_at

UNEQUAL: Final = object()
"""Replaces a key that no string and no integer equals."""
_LOOSE_FIRST_BYTES = frozenset(
    (0xC2, 0xC3, 0xCA, 0xCB, *range(0xC7, 0xCA), *range(0xD4, 0xD9)),
)
_COMPARABLE = (bool, int, float, complex, str, Decimal, Fraction)


def encoded_key(locator: str | int) -> bytes:
    """Return the bytes that a plain key has, ``b""`` if a key like this is not plain msgpack."""
    try:
        encoded: bytes = msgpack.packb(locator)
    except (OverflowError, UnicodeEncodeError):
        return b""
    return encoded


def is_loose(data: bytes, start: int) -> bool:
    """Return, by its first byte, whether a key may equal a locator that has other bytes."""
    return data[start] in _LOOSE_FIRST_BYTES


def plain_key(key: bytes) -> Any:
    """Return the string or number that an encoded loose key equals, else `UNEQUAL`."""
    item = item_at(key, 0)
    read = _READERS.get(item.code)
    if read is not None:
        found = read(key[item.start :])
    elif item.kind is Kind.SCALAR:
        found = unpacked(key)
    else:
        return UNEQUAL
    # A signalling NaN has no hash.
    is_fit = type(found) in _COMPARABLE and not (isinstance(found, Decimal) and found.is_nan())
    return found if is_fit else UNEQUAL


def unpacked(data: bytes) -> Any:
    """Return plain msgpack, with a stand-in for each extension item; raises `DecodeError`."""
    try:
        return msgpack.unpackb(data, ext_hook=Unnamed)
    except Exception as error:  # msgpack raises many kinds for hostile bytes
        raise DecodeError(f"the bytes are not an encoded value: {type(error).__name__}") from None


class Unnamed:
    """Replaces an extension item where only its kind matters."""

    def __init__(self, code: int, payload: bytes = b"") -> None:
        self.code = code

    def __repr__(self) -> str:
        return f"<{code_name(self.code)}>"


_NAMES: dict[int, str] = {Code.BIG_INT: "int", Code.DECIMAL: "Decimal", Code.UUID: "UUID"}
_CODES = frozenset(Code)


def code_name(code: int) -> str:
    """Return what an extension item is called in messages."""
    if code in _NAMES:
        return _NAMES[code]
    return Code(code).name.lower().replace("_", " ") if code in _CODES else f"extension {code}"


def _member(payload: bytes) -> Any:
    member = unpacked(payload)
    if type(member) is not list or len(member) < 2:
        raise DecodeError("the bytes are not an encoded value: an enum's member is damaged")
    *_, value, equal = member
    return value if equal is True else UNEQUAL


def _big_int(payload: bytes) -> int:
    return int.from_bytes(payload, "big", signed=True)


def _decimal(payload: bytes) -> Decimal:
    return Decimal(payload.decode("ascii"))


def _complex(payload: bytes) -> complex:
    return complex(*struct.unpack(">dd", payload))


def _standard(payload: bytes) -> Any:
    name, *parts = unpacked(payload)
    is_fraction = name == "Fraction" and [type(part) for part in parts] == [int, int]
    return Fraction(*parts) if is_fraction else UNEQUAL


def _tolerant(read: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    def tolerant(payload: bytes) -> Any:
        try:
            return read(payload)
        except DecodeError:
            raise
        except Exception as error:  # hostile bytes
            reason = f"the bytes are not an encoded value: {type(error).__name__}"
            raise DecodeError(reason) from None

    return tolerant


_READERS: dict[int, Callable[[bytes], Any]] = {
    Code.ENUM: _tolerant(_member),
    Code.BIG_INT: _big_int,
    Code.DECIMAL: _tolerant(_decimal),
    Code.COMPLEX: _tolerant(_complex),
    Code.STANDARD: _tolerant(_standard),
    Code.NUMPY_SCALAR: _tolerant(plain_scalar),
}
