"""Replaces results that cannot travel and that no task reads by the reason.

A task may be run for its effect and happen to return the result of its last call. The effect has
happened and other tasks only wait for it, so its attempt succeeded; the report says what was left
out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgpack

from astrum.errors import DecodeError, EncodeError
from astrum.values.codes import Code, ext_header, whole_ext
from astrum.values.read_once import check_read_often


@dataclass(frozen=True)
class Unsent:
    """Replaces in a report a result that could not travel and that no task reads."""

    type_name: str
    reason: str

    def __repr__(self) -> str:
        return f"<a result that was left out: {self.reason}>"


def encode_or_leave_out(encode: Callable[[Any], bytes], value: Any, *, is_wanted: bool) -> bytes:
    """Return the bytes of a result, or of its replacement if it cannot travel and is not needed.

    Raises `EncodeError` for others, and for a result that can be read only once: no report could
    show that.
    """
    try:
        return encode(value)
    except EncodeError as error:
        if is_wanted:
            raise
        check_read_often(value)
        return encode_unsent(error)


def encode_unsent(error: EncodeError) -> bytes:
    """Return the bytes that replace in the journal the value that ``error`` refused."""
    parts = [part.encode("utf-8", "backslashreplace") for part in (error.type_name, str(error))]
    payload: bytes = msgpack.packb([part.decode() for part in parts])
    return whole_ext(Code.UNSENT, payload)


def unsent_of(data: bytes | memoryview) -> Unsent | None:
    """Return the replacement of a value that was left out; None for a value itself.

    Raises `DecodeError` for a damaged one.
    """
    header = ext_header(data)
    if header is None or header.code != Code.UNSENT:
        return None
    try:
        parts: Any = msgpack.unpackb(data[header.start :])
        type_name, reason = parts
    except Exception as error:  # msgpack raises many kinds for hostile bytes
        raise DecodeError(f"a result that was left out is damaged: {error}") from None
    return Unsent(str(type_name), str(reason))


def refuse_unsent(data: bytes | memoryview) -> None:
    """Raise `DecodeError` for the replacement of a value, with the reason that its task gave."""
    found = unsent_of(data)
    if found is not None:
        raise DecodeError(
            f"it was left out where it was returned, since no task of the flow there reads it: "
            f"{found.reason}"
        )
