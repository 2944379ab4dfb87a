"""Hints on the control channel: short messages that may be lost, since all can be found later."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgpack

from astrum.errors import DecodeError
from astrum.protocol.rows import PROTOCOL_VERSION
from astrum.values.unpacking import unpack


class Hint(NamedTuple):
    """A hint to workers that they may look now and not only later; it may be lost or late.

    ``attempts``, pairs of task and attempt, need not continue. To ``streams``, named as in the
    fence, the run begins to send: workers read those of exact runs only once there are some.
    """

    run_id: str
    attempts: Sequence[tuple[int, int]] = ()
    streams: Sequence[str] = ()


def encode_hint(hint: Hint) -> bytes:
    """Return the bytes of a hint for the control channel."""
    packed: bytes = msgpack.packb((PROTOCOL_VERSION, *hint))
    return packed


def decode_hint(data: bytes) -> Hint:
    """Read a hint; raises `DecodeError` for anything else."""
    try:
        version, run_id, attempts, *more = unpack(data)
        pairs = [(int(task), int(attempt)) for task, attempt, *_ in attempts]
        streams = tuple(more[0]) if more else ()
    except (TypeError, ValueError) as error:
        raise DecodeError(f"a hint is malformed: {error}") from None
    is_valid = isinstance(run_id, str) and all(isinstance(name, str) for name in streams)
    if version != PROTOCOL_VERSION or not is_valid:
        raise DecodeError("a hint has another protocol version, or parts of the wrong type")
    return Hint(run_id, pairs, streams)
