"""Finds dead workers and the entries they still hold; any coordinator may do it, for any run.

A worker is dead when it has no live lease. Consumers are searched as well as lapsed leases: after
the server lost its last writes, a consumer may own entries although its worker has no lease.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from astrum.protocol.keys import GROUP, Keys
from astrum.protocol.process_end import decode_process_end
from astrum.protocol.records import Holder, LastWord
from astrum.protocol.status import decode_status
from astrum.redis import worker_scripts
from astrum.redis.client import Client
from astrum.redis.entries import Entry, leases_of, names_of, pairs, read_entry, server_ms
from astrum.redis.records import DeadClaim
from astrum.redis.scripts import MAX_ITEMS, STREAMS_PER_PART, chunks

_LAST_WORDS = ("lz", "status", "ended", "beat")
"""The length of its lease, what it said, how its process ended and when it last beat (ms)."""

Consumer = tuple[str, str]
"""A stream and a worker that has a consumer there."""


async def dead_claims(client: Client, keys: Keys) -> list[DeadClaim]:
    """Return what dead workers hold, at most 500 entries per worker and stream.

    Entries whose data is gone are acknowledged on the way.
    """
    _, consumers = await census(client, keys)
    busy = [consumer for consumer, pending in consumers.items() if pending]
    time, *held = await client.pipeline(
        [
            ("TIME",),
            *(
                ("XPENDING", stream, GROUP, "-", "+", MAX_ITEMS, worker_id)
                for stream, worker_id in busy
            ),
        ],
        tolerant=True,
    )
    entries = [
        _PendingEntry(*consumer, row[0].decode(), _claimed_at(time, row))
        for consumer, rows in zip(busy, held, strict=True)
        if isinstance(rows, list)
        for row in rows
    ]
    return await _with_data(client, entries)


async def holders(client: Client, stream: str, entry_ids: Sequence[str]) -> dict[str, Holder]:
    """Return who holds which of these entries; those that are not claimed are left out."""
    time, *replies = await client.pipeline(
        [("TIME",), *(("XPENDING", stream, GROUP, one, one, 1) for one in entry_ids)],
        tolerant=True,
    )
    return {
        row[0].decode(): Holder(row[1].decode("utf-8", "replace"), _claimed_at(time, row))
        for rows in replies
        if isinstance(rows, list)
        for row in rows
    }


class _PendingEntry(NamedTuple):
    stream: str
    worker_id: str
    entry_id: str
    claimed_at: float


def _claimed_at(time: Sequence[bytes], row: Sequence[Any]) -> float:
    """Return when the entry of a row of XPENDING was delivered; no entry is ever claimed again."""
    return (server_ms(time) - int(row[2])) / 1000


async def last_words(client: Client, keys: Keys, worker_ids: Sequence[str]) -> dict[str, LastWord]:
    """Return what is known of the last heartbeats of these workers."""
    time, *replies = await client.pipeline(
        [
            ("TIME",),
            *(("ZSCORE", keys.leases, worker_id) for worker_id in worker_ids),
            *(("HMGET", keys.worker(worker_id), *_LAST_WORDS) for worker_id in worker_ids),
        ],
        tolerant=True,
    )
    count, now = len(worker_ids), server_ms(time)
    return {
        worker_id: _last_word(now, lease_end, fields)
        for worker_id, lease_end, fields in zip(
            worker_ids, replies[:count], replies[count:], strict=True
        )
    }


def _last_word(now_ms: int, lease_end: Any, fields: Any) -> LastWord:
    if not isinstance(fields, list):
        return LastWord()
    length, status, ended, beat = fields
    age_s = None
    with suppress(TypeError, ValueError, OverflowError):  # a lease that is gone, or not a number
        beat_ms = float(lease_end) - int(length) if float(lease_end) > 0 else int(beat)
        age_s = max(now_ms - beat_ms, 0.0) / 1000
    told = decode_status(status or b"")
    said = {(one.run_id, one.task, one.attempt): one.said for one in told.running if one.said}
    return LastWord(age_s, told.rss_bytes, said, decode_process_end(ended or b""))


async def dead_workers(client: Client, keys: Keys) -> list[str]:
    """Return the ids of the dead workers that hold nothing any more."""
    lapsed, consumers = await census(client, keys)
    busy = {worker_id for (_, worker_id), pending in consumers.items() if pending}
    idle = {worker_id for _, worker_id in consumers} - busy
    return sorted((lapsed - busy) | idle)


async def census(client: Client, keys: Keys) -> tuple[set[str], dict[Consumer, int]]:
    """Return the workers whose lease lapsed, and each dead consumer with its pending count."""
    # Consumers first. A worker takes its lease before it first claims. So if a worker registers
    # between the two queries, the second one still finds its lease, and it does not count as dead.
    consumers = await _consumers(client, await streams_of(client, keys))
    time, leases = await client.pipeline([("TIME",), ("ZRANGE", keys.leases, 0, -1, "WITHSCORES")])
    now = server_ms(time)
    ends = leases_of(leases)
    lapsed = {worker_id for worker_id, end in ends.items() if end <= now}
    dead = {
        consumer: pending
        for consumer, pending in consumers.items()
        if consumer[1] in lapsed or consumer[1] not in ends
    }
    return lapsed, dead


async def drop(client: Client, keys: Keys, worker_id: str, *, leaves: bool) -> bool:
    """Forget a worker; ``False`` if it still holds something or, unless it leaves, is alive."""
    parts = list(chunks(await streams_of(client, keys), STREAMS_PER_PART)) or [()]
    held = 0
    for number, part in enumerate(parts, start=1):
        is_last = number == len(parts)
        call = worker_scripts.drop(keys, worker_id, part, leaves=leaves, is_last=is_last, held=held)
        held = int(await client.call(call))
        if held < 0:
            return False
    return held == 0


async def streams_of(client: Client, keys: Keys) -> list[str]:
    """Return the keys of all streams that attempts are dispatched to."""
    names = names_of(await client.execute("SMEMBERS", keys.queues))
    return sorted(name for name in names if keys.is_queue(name))


async def _consumers(client: Client, streams: Sequence[str]) -> dict[Consumer, int]:
    replies = await client.pipeline(
        [("XINFO", "CONSUMERS", stream, GROUP) for stream in streams], tolerant=True
    )
    found: dict[Consumer, int] = {}
    for stream, rows in zip(streams, replies, strict=True):
        if isinstance(rows, list):  # else the stream vanished, and its consumers with it
            for row in rows:
                info: Mapping[bytes, Any] = pairs(row)
                for worker_id in names_of([info[b"name"]]):
                    found[stream, worker_id] = int(info[b"pending"])
    return found


async def _with_data(client: Client, entries: Sequence[_PendingEntry]) -> list[DeadClaim]:
    replies = await client.pipeline(
        [("XRANGE", place.stream, place.entry_id, place.entry_id) for place in entries]
    )
    claims = []
    empty = []
    for (stream, worker_id, entry_id, claimed_at), rows in zip(entries, replies, strict=True):
        entry = read_entry(stream, rows[0]) if rows else None
        if entry is None or entry.data is None:
            empty.append((stream, entry_id))
        else:
            found = (entry.entry_id, entry.data, entry.signature, claimed_at)
            claims.append(DeadClaim(stream, worker_id, *found))
    await forget(client, empty)
    return claims


async def forget(client: Client, entries: Iterable[tuple[str, str]]) -> None:
    """Acknowledge and delete entries (stream, entry id) that are not needed any more."""
    await client.pipeline(
        [
            command
            for stream, entry_id in entries
            for command in (("XACK", stream, GROUP, entry_id), ("XDEL", stream, entry_id))
        ]
    )


async def own_entries(client: Client, stream: str, worker_id: str) -> list[Entry]:
    """Return all that a worker holds in one stream; empty if stream or group is gone."""
    found: list[Entry] = []
    cursor = "-"
    while True:
        [rows] = await client.pipeline(
            [("XPENDING", stream, GROUP, cursor, "+", MAX_ITEMS, worker_id)], tolerant=True
        )
        if not isinstance(rows, list) or not rows:
            return found
        ids = [row[0].decode() for row in rows]
        replies = await client.pipeline([("XRANGE", stream, one, one) for one in ids])
        for one, reply in zip(ids, replies, strict=True):
            found.append(read_entry(stream, reply[0]) if reply else Entry(stream, one, None, b""))
        cursor = f"({ids[-1]}"
