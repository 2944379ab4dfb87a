"""Reading msgpack that anybody may have written: its size and its counts are checked first."""

from __future__ import annotations

from typing import Any

import msgpack

from astrum.errors import DecodeError
from astrum.wire.walk import check_complete

MAX_MESSAGE_BYTES = 64 * 1024 * 1024

_UNCHECKED_BYTES = 1024
"""Below this, false counts in headers can make msgpack reserve only little memory."""


def unpack(data: bytes, *, max_bytes: int | None = None) -> Any:
    """Return what is encoded, nested at most 1024 deep; raises `DecodeError` for anything else.

    >>> unpack(bytes.fromhex("92 01 a1 78"))
    [1, 'x']
    """
    limit = MAX_MESSAGE_BYTES if max_bytes is None else max_bytes
    if len(data) > limit:
        raise DecodeError(f"{len(data)} bytes are more than the limit of {limit}")
    if len(data) > _UNCHECKED_BYTES:
        check_complete(data)
    try:
        return msgpack.unpackb(data, strict_map_key=True)
    except Exception as error:  # msgpack raises many kinds for hostile bytes
        raise DecodeError(f"the bytes are no msgpack message: {type(error).__name__}") from None
