"""The arguments of a task message: encoded values under parameter names, spliced and cut apart.

They travel as one flat msgpack array of name, value, name, value, each value as the byte string
that its reader decodes: so joining and cutting are one step of msgpack.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgpack

from astrum.errors import DecodeError
from astrum.values.unpacking import unpack

_MAX_PACKED_ARGUMENTS = 0xFFFF
NO_ARGUMENTS = b"\x90"
"""The result of `pack_arguments` without arguments."""


def pack_arguments(arguments: Iterable[tuple[str | int, bytes]]) -> bytes:
    """Join (parameter name or position, encoded value), decoding nothing.

    >>> pack_arguments([("n", b"\\x07"), (0, b"\\xc0")]).hex(" ")
    '94 a1 6e c4 01 07 00 c4 01 c0'
    """
    flat = [part for pair in arguments for part in pair]
    if len(flat) > 2 * _MAX_PACKED_ARGUMENTS:
        raise ValueError(f"a task cannot have {len(flat) // 2} arguments")
    packed: bytes = msgpack.packb(flat)
    return packed


def unpack_arguments(data: bytes) -> dict[str | int, bytes]:
    """Return the bytes of each value, undecoded; raises `DecodeError` for any other bytes.

    >>> unpack_arguments(bytes.fromhex("94 a1 6e c4 01 07 00 c4 01 c0"))
    {'n': b'\\x07', 0: b'\\xc0'}
    """
    flat = unpack(data)
    if type(flat) is not list or len(flat) % 2 or len(flat) > 2 * _MAX_PACKED_ARGUMENTS:
        raise DecodeError("the arguments of a task must be an array of names and values")
    names, values = flat[::2], flat[1::2]
    if not {type(name) for name in names} <= {str, int}:
        raise DecodeError("an argument's name must be a string or a position")
    if not {type(value) for value in values} <= {bytes}:
        raise DecodeError("an argument's value must be a byte string")
    arguments = dict(zip(names, values, strict=True))
    if len(arguments) != len(names):
        twice = next(name for place, name in enumerate(names) if name in names[:place])
        raise DecodeError(f"the argument {twice!r} arrived twice")
    return arguments
