"""Reads msgpack from untrusted writers: its size and its counts are checked first."""

from __future__ import annotations

from typing import Any

import msgpack

from astrum.errors import DecodeError
from astrum.values.walk import check_complete

MAX_MESSAGE_BYTES = 64 * 1024 * 1024

_FEW_ITEMS = 1000
"""While no list may be longer, false counts in headers make msgpack reserve 8 MB at most: that of
lists inside each other, 1024 deep."""


def unpack(data: bytes, *, max_bytes: int | None = None) -> Any:
    """Return what is encoded, nested at most 1024 deep; raises `DecodeError` for anything else.

    >>> unpack(bytes.fromhex("92 01 a1 78"))
    [1, 'x']
    """
    limit = MAX_MESSAGE_BYTES if max_bytes is None else max_bytes
    if len(data) > limit:
        raise DecodeError(f"{len(data)} bytes are more than the limit of {limit}")
    try:
        return msgpack.unpackb(
            data, strict_map_key=True, max_array_len=_FEW_ITEMS, max_map_len=_FEW_ITEMS
        )
    except ValueError as error:
        if "exceeds max_" not in str(error):
            raise _no_message(error) from None
    except Exception as error:  # msgpack raises many kinds for hostile bytes
        raise _no_message(error) from None
    # There are longer lists: every item that the headers claim must be there.
    check_complete(data)
    try:
        return msgpack.unpackb(data, strict_map_key=True)
    except Exception as error:
        raise _no_message(error) from None


def _no_message(error: Exception) -> DecodeError:
    return DecodeError(f"the bytes are not a msgpack message: {type(error).__name__}")
