"""Replies as the protocol of the server spells them."""

from __future__ import annotations

from typing import Any


class Refused(Exception):
    """An error reply."""


class NilArray:
    """What a blocking read replies when nothing came."""


def encode(reply: Any) -> bytes:
    """Return a reply as RESP2."""
    if isinstance(reply, NilArray):
        return b"*-1\r\n"
    if reply is None:
        return b"$-1\r\n"
    if isinstance(reply, Refused):
        return f"-{reply}\r\n".encode()
    if isinstance(reply, int):
        return b":%d\r\n" % reply
    if isinstance(reply, (list, tuple)):
        return b"*%d\r\n" % len(reply) + b"".join(map(encode, reply))
    data = reply if isinstance(reply, bytes) else str(reply).encode()
    return b"$%d\r\n%b\r\n" % (len(data), data)
