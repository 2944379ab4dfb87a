"""Reads raw stream replies."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from astrum.protocol.keys import FIELD, SIGNATURE_FIELD

_DATA = FIELD.encode()
_SIGNATURE = SIGNATURE_FIELD.encode()


class Entry(NamedTuple):
    """A stream entry; ``data`` is ``None`` if it was deleted while it was pending.

    An entry of another program, without our field, has the data ``b""``, which is not a message.
    """

    stream: str
    entry_id: str
    data: bytes | None
    signature: bytes


def read_streams(reply: Sequence[Any] | None) -> Iterator[Entry]:
    """Yield the entries of a raw XREAD or XREADGROUP reply."""
    for stream, rows in reply or ():
        for row in rows:
            yield read_entry(stream.decode(), row)


def read_entry(stream: str, row: Sequence[Any]) -> Entry:
    """Read one raw entry: its id and the flat list of its fields.

    >>> read_entry("q", [b"1-0", [b"d", b"x"]])
    Entry(stream='q', entry_id='1-0', data=b'x', signature=b'')
    """
    entry_id, flat = row
    if flat and len(flat) == 2 and flat[0] == _DATA:  # without keys all are
        return Entry(stream, entry_id.decode(), flat[1], b"")
    if not flat:
        return Entry(stream, entry_id.decode(), None, b"")
    fields = pairs(flat)
    return Entry(stream, entry_id.decode(), fields.get(_DATA, b""), fields.get(_SIGNATURE, b""))


def is_after(entry_id: str, other: str) -> bool:
    """Return whether an entry was added to its stream after another one.

    >>> [is_after("10-0", "9-5"), is_after("9-5", "9-5"), is_after("9-10", "9-9")]
    [True, False, True]
    """
    return _position(entry_id) > _position(other)


def _position(entry_id: str) -> tuple[int, int]:
    ms, _, sequence = entry_id.partition("-")
    return int(ms), int(sequence or 0)


def pairs(flat: Sequence[bytes]) -> dict[bytes, Any]:
    """Return the mapping of a flat reply.

    >>> pairs([b"a", b"1"])
    {b'a': b'1'}
    """
    return dict(zip(flat[::2], flat[1::2], strict=True))


def texts(fields: dict[bytes, bytes], prefix: bytes) -> dict[str, str]:
    """Return the fields that begin with ``prefix``, without it, as text, damaged or not."""
    start = len(prefix)
    return {
        name[start:].decode("utf-8", "replace"): value.decode("utf-8", "replace")
        for name, value in fields.items()
        if name.startswith(prefix)
    }


def names_of(replies: Iterable[bytes]) -> list[str]:
    """Return the names among these bytes, without those that are not text: they are not Astrum's.

    >>> names_of([b"a", b"\\xff"])
    ['a']
    """
    found = []
    for name in replies:
        with suppress(UnicodeDecodeError):
            found.append(name.decode())
    return found


def leases_of(flat: Sequence[bytes]) -> dict[str, float]:
    """Return the ends of leases, in ms, of a raw reply with scores, by worker.

    Names and ends that Astrum cannot have written are left out.
    """
    ends = {name: float(end) for name, end in pairs(flat).items()}
    return {
        worker_id: ends[name]
        for name in ends
        for worker_id in names_of([name])
        if math.isfinite(ends[name])
    }


def server_ms(reply: Sequence[bytes]) -> int:
    """Return the milliseconds of a raw TIME reply."""
    return int(reply[0]) * 1000 + int(reply[1]) // 1000
