"""The arguments of a task message: encoded values under parameter names, spliced and cut apart."""

from __future__ import annotations

from collections.abc import Iterable

import msgpack

from astrum.errors import DecodeError
from astrum.wire.unpacking import unpack
from astrum.wire.walk import Kind, entries, item_at

_MAX_PACKED_ARGUMENTS = 0xFFFF


def pack_arguments(arguments: Iterable[tuple[str | int, bytes]]) -> bytes:
    """Join (parameter name or position, encoded value) to one map, decoding nothing.

    >>> pack_arguments([("n", b"\\x07"), (0, b"\\xc0")]).hex(" ")
    '82 a1 6e 07 00 c0'
    """
    parts = [msgpack.packb(name) + value for name, value in arguments]
    if len(parts) > _MAX_PACKED_ARGUMENTS:
        raise ValueError(f"a task cannot have {len(parts)} arguments")
    return _map_header(len(parts)) + b"".join(parts)


def _map_header(count: int) -> bytes:
    return bytes((0x80 | count,)) if count < 16 else b"\xde" + count.to_bytes(2, "big")


def unpack_arguments(data: bytes) -> dict[str | int, bytes]:
    """Return the bytes of each value, undecoded; raises `DecodeError` for anything but such a map.

    >>> unpack_arguments(bytes.fromhex("82 a1 6e 07 00 c0"))
    {'n': b'\\x07', 0: b'\\xc0'}
    """
    item = item_at(data, 0)
    if item.kind is not Kind.MAP:
        raise DecodeError("the arguments of a task must be a msgpack map")
    arguments: dict[str | int, bytes] = {}
    end = item.start
    for start, middle, end in entries(data, item):
        name = _name(data[start:middle])
        if name in arguments:
            raise DecodeError(f"the argument {name!r} arrived twice")
        arguments[name] = data[middle:end]
    if end != len(data):
        raise DecodeError(f"{len(data) - end} bytes follow the arguments")
    return arguments


def _name(data: bytes) -> str | int:
    name: object = None
    if len(data) <= _MAX_PACKED_ARGUMENTS:
        try:
            name = unpack(data)
        except DecodeError as error:
            raise DecodeError(f"an argument's name is damaged: {error}") from None
    if type(name) is not str and type(name) is not int:
        raise DecodeError("an argument's name must be a text or a position")
    return name
