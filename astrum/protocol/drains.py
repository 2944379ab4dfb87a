"""The request that a worker drains: kept in its record until it has ended."""

from __future__ import annotations

from typing import NamedTuple

_LEAVE, _REPLACE = "leave", "replace"


class DrainRequest(NamedTuple):
    """By whom a worker is asked to drain, and whether a new process takes its place."""

    by: str = ""
    replace: bool = False


def encode_drain(request: DrainRequest) -> str:
    """Return a request as it is stored.

    >>> decode_drain(encode_drain(DrainRequest("ann", True)).encode())
    DrainRequest(by='ann', replace=True)
    """
    return f"{_REPLACE if request.replace else _LEAVE} {request.by}"


def decode_drain(data: bytes) -> DrainRequest | None:
    """Return a stored request, `None` if there is none; an unknown kind is a plain drain."""
    if not data:
        return None
    kind, _, by = data.decode("utf-8", "backslashreplace").partition(" ")
    return DrainRequest(by, kind == _REPLACE)
