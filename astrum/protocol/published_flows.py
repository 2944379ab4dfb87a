"""Published flows: what services may start by name, without the code."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgpack

from astrum.errors import DecodeError
from astrum.values.unpacking import unpack

FLOW_VERSION = 1


class PublishedFlow(NamedTuple):
    """A flow that was published under the name of its namespace.

    ``targets`` are the tasks at its end whose results a run gives. ``published_at`` is in seconds
    since the epoch; ``version`` is that of Astrum, ``modules`` where the tasks come from.
    """

    name: str
    plan_digest: str
    targets: tuple[str, ...]
    published_at: float = 0.0
    by: str = ""
    version: str = ""
    modules: str = ""


_TYPES: tuple[Any, ...] = (str, list, (int, float), str, str, str)


def encode_flow(flow: PublishedFlow) -> bytes:
    """Return a published flow as bytes, without its name."""
    data: bytes = msgpack.packb((FLOW_VERSION, *flow[1:]))
    return data


def decode_flow(name: str, data: bytes) -> PublishedFlow:
    """Read a published flow; raises `DecodeError` for bytes that are not one."""
    fields: Any = unpack(data)
    if not isinstance(fields, list) or not fields:
        raise DecodeError(f"the published flow {name!r} is not a list of fields")
    if fields[0] != FLOW_VERSION:
        raise DecodeError(
            f"the published flow {name!r} has version {fields[0]!r}, this process reads "
            f"{FLOW_VERSION}: run the same Astrum version on all hosts"
        )
    parts = fields[1 : 1 + len(_TYPES)]
    is_sound = len(parts) == len(_TYPES) and all(map(isinstance, parts, _TYPES))
    if not is_sound or not all(isinstance(target, str) for target in parts[1]):
        raise DecodeError(f"the published flow {name!r} has missing or damaged fields")
    digest, targets, *rest = parts
    return PublishedFlow(name, digest, tuple(targets), *rest)
