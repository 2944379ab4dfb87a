"""Lists runs, workers and queues, for people and for the coordinator's checks."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from astrum.errors import StoreError
from astrum.protocol.drains import decode_drain
from astrum.protocol.keys import DRAIN_FIELD, GROUP, LATE_FIELD, OUTSTANDING_FIELD, Keys, is_run_id
from astrum.protocol.messages import LATEST_S
from astrum.protocol.records import (
    WORKER_DETAILS,
    CoordinatorInfo,
    RunInfo,
    WorkerInfo,
    damaged,
    decode_counts,
)
from astrum.protocol.status import decode_coordinator_status, decode_status
from astrum.redis.client import Client
from astrum.redis.entries import leases_of, names_of, pairs, server_ms, texts
from astrum.redis.reaping import streams_of

_TIME_MS = re.compile(rb"[0-9]{1,18}")
_LEAST_RUNS = 20
"""The fewest runs asked for at once: some of them may have expired."""
_RECORDS_PER_CALL, _IDS_PER_CALL = 500, 10_000
"""Limits, so that no call blocks the server for long."""


class Backlog(NamedTuple):
    """The numbers of attempts of a stream that wait for a worker, and that are with one."""

    waiting: int
    running: int


async def run_info(client: Client, keys: Keys, run_id: str) -> RunInfo | None:
    """Return what is known of a run, ``None`` if there is none; `StoreError` if it is damaged."""
    for record in await _records(client, keys, [run_id]):
        return _read_run(record)
    return None


class Adopted(NamedTuple):
    """A run whose leadership was acquired, as it is from then on.

    ``server_s`` was the server's time then. A run without history has no entry in its
    journal, and its fence names no task.
    """

    info: RunInfo
    has_history: bool
    server_s: float


def read_adopted(
    run_id: str, time_ms: int, row: Any, lease_s: float
) -> Adopted | StoreError | None:
    """Return a run from its row in the reply of `scripts.adopt`, or the error of a damaged one."""
    if not isinstance(row, list):
        return damaged(run_id, row.decode("utf-8", "replace")) if row else None
    _, fields, counts, history = row
    record = RawRun(run_id, time_ms, fields, counts, time_ms + 1000 * lease_s)
    try:
        info = _read_run(record)
    except StoreError as error:
        return error
    return Adopted(info, bool(history), time_ms / 1000)


class Orphans(NamedTuple):
    """Open runs without a leader, those longest without one first.

    The ``fresh`` are new or were given back. Within ``next_s`` no lease ends and no delayed run
    begins; `None`: there is none.
    """

    run_ids: list[str]
    fresh: frozenset[str]
    next_s: float | None


def read_orphans(reply: Sequence[Any]) -> Orphans:
    """Return the runs in a reply of `scripts.orphans`, without names that cannot be runs'."""
    next_ms, *rows = reply
    ids = [run_id.decode("utf-8", "replace") for run_id in rows[::2]]
    scores = {run_id: float(at) for run_id, at in zip(ids, rows[1::2], strict=True)}
    known = [run_id for run_id in scores if is_run_id(run_id)]
    fresh = frozenset(run_id for run_id in known if not scores[run_id])
    return Orphans(known, fresh, None if next_ms < 0 else next_ms / 1000)


async def run_ids(client: Client, keys: Keys) -> list[str]:
    """Return the ids of all runs, newest first; some of their records may have expired."""
    found: dict[str, None] = {}
    start = 0
    while True:
        reply = await client.execute("ZREVRANGE", keys.index, start, start + _IDS_PER_CALL - 1)
        found |= dict.fromkeys(filter(is_run_id, names_of(reply)))
        if len(reply) < _IDS_PER_CALL:
            return list(found)
        start += _IDS_PER_CALL


async def each_run(client: Client, keys: Keys, at_once: int) -> AsyncIterator[RunInfo]:
    """Yield all runs, newest first, each once; damaged records are left out.

    The first ``at_once`` are read together, then larger parts.
    """
    yielded: set[str] = set()
    start, size = 0, max(at_once, _LEAST_RUNS)
    while True:
        reply = await client.execute("ZREVRANGE", keys.index, start, start + size - 1)
        for record in await _records(client, keys, list(filter(is_run_id, names_of(reply)))):
            if record.run_id in yielded:  # a new run moves all others on
                continue
            yielded.add(record.run_id)
            with suppress(StoreError):
                yield _read_run(record)
        if len(reply) < size:
            return
        start, size = start + size, _RECORDS_PER_CALL


class RawRun(NamedTuple):
    """The server's reply about a run at a time (in ms); any part of it may be damaged."""

    run_id: str
    time: int
    fields: Any
    counts: Any
    lease_end: Any


async def _records(client: Client, keys: Keys, run_ids: Sequence[str]) -> list[RawRun]:
    commands: list[tuple[str, ...]] = [("TIME",)]
    for run_id in run_ids:
        commands.append(("HGETALL", keys.run(run_id)))
        commands.append(("HMGET", keys.attempts(run_id), OUTSTANDING_FIELD, LATE_FIELD))
        commands.append(("ZSCORE", keys.runs, run_id))
    time, *replies = await client.pipeline(commands, tolerant=True)
    now = server_ms(time)
    rows = zip(run_ids, replies[::3], replies[1::3], replies[2::3], strict=True)
    return [RawRun(run_id, now, *row) for run_id, *row in rows if row[0]]


def _read_run(record: RawRun) -> RunInfo:
    for reply in record:
        if isinstance(reply, Exception):
            raise damaged(record.run_id, reply)
    try:
        return _run_info_of(record, pairs(record.fields))
    except (KeyError, ValueError) as error:
        raise damaged(record.run_id, error) from None


def _run_info_of(record: RawRun, fields: dict[bytes, bytes]) -> RunInfo:
    ended, released = fields.get(b"end"), fields.get(b"ra")
    lease_end = float(record.lease_end or 0)
    start_at = _seconds(fields[b"sa"]) if b"sa" in fields else None
    # A run that waits for its time is not among the other open ones.
    waits = fields[b"st"] == b"open" and record.lease_end is None
    is_early = start_at is not None and 1000 * start_at > record.time
    outstanding, late_ends = (int(count or 0) for count in record.counts)
    released_at = None if released is None else _seconds(released)
    created_at, epoch = _seconds(fields[b"at"]), int(fields[b"ep"])
    is_unled = fields[b"st"] == b"open" and lease_end <= record.time and not (waits and is_early)
    # An epoch is at least the time at which it began; a run has a new one when it is reopened.
    latest = max(lease_end / 1000, start_at or created_at, released_at or 0.0, epoch / 1000)
    return RunInfo(
        run_id=record.run_id,
        state=fields[b"st"].decode(),
        epoch=epoch,
        owner=fields[b"ow"].decode(),
        lease_s=max(0.0, lease_end - record.time) / 1000,
        created_at=created_at,
        ended_at=None if ended is None else _seconds(ended),
        outstanding=outstanding,
        late_ends=late_ends,
        details=texts(fields, b"f:"),
        counts=decode_counts(fields.get(b"n", b"")),
        released_at=released_at,
        released_by=fields.get(b"rb", b"").decode(),
        start_at=start_at,
        waits_until=start_at if waits and is_early else None,
        unled_since=min(latest, record.time / 1000) if is_unled else None,
        plan_digest=fields.get(b"pd", b"").decode(),
        header=fields.get(b"hd", b""),
    )


def _seconds(ms: bytes) -> float:
    seconds = float(ms) / 1000
    if not 0 <= seconds <= LATEST_S:
        raise ValueError(f"{ms.decode()} is not a time")
    return seconds


class RunTotals(NamedTuple):
    """How many live workers there are, and how many runs in each state."""

    workers: int
    open: int
    delayed: int
    ended: int


async def run_totals(client: Client, keys: Keys) -> RunTotals:
    """Return how many workers and runs there are; nothing is read of any of them."""
    now = server_ms(await client.execute("TIME"))
    counts = await client.pipeline(
        [
            ("ZCOUNT", keys.leases, f"({now:.0f}", "+inf"),
            *(("ZCARD", key) for key in (keys.runs, keys.delayed, keys.history)),
        ],
        tolerant=True,
    )
    return RunTotals(*(count if isinstance(count, int) else 0 for count in counts))


async def workers(client: Client, keys: Keys) -> list[WorkerInfo]:
    """Return the live workers by id; those whose record is of a foreign type are left out."""
    time, leases = await client.pipeline([("TIME",), ("ZRANGE", keys.leases, 0, -1, "WITHSCORES")])
    now = server_ms(time)
    left = {worker_id: (end - now) / 1000 for worker_id, end in sorted(leases_of(leases).items())}
    live = [worker_id for worker_id, lease_s in left.items() if lease_s > 0]
    # Not the whole record: what a worker serves may be large, and is asked for once.
    asked = ("status", DRAIN_FIELD, *(f"f:{name}" for name in WORKER_DETAILS))
    replies = await client.pipeline(
        [("HMGET", keys.worker(worker_id), *asked) for worker_id in live], tolerant=True
    )
    return [
        _read_worker(worker_id, left[worker_id], values)
        for worker_id, values in zip(live, replies, strict=True)
        if isinstance(values, list)
    ]


def _read_worker(worker_id: str, lease_s: float, values: Sequence[bytes | None]) -> WorkerInfo:
    status, drain, *details = values
    told = zip(WORKER_DETAILS, details, strict=True)
    return WorkerInfo(
        worker_id=worker_id,
        lease_s=lease_s,
        details={name: text.decode("utf-8", "replace") for name, text in told if text is not None},
        status=decode_status(status or b""),
        drain=decode_drain(drain or b""),
    )


async def coordinators(client: Client, keys: Keys) -> list[CoordinatorInfo]:
    """Return the coordinators that were heard of in the last seconds, by owner id."""
    time, names = await client.pipeline([("TIME",), ("ZRANGE", keys.coordinators, 0, -1)])
    now, owners = server_ms(time), sorted(names_of(names))
    replies = await client.pipeline(
        [("HGETALL", keys.coordinator(owner)) for owner in owners], tolerant=True
    )
    return [
        _read_coordinator(owner, now, pairs(flat))
        for owner, flat in zip(owners, replies, strict=True)
        if isinstance(flat, list) and flat  # else it has expired
    ]


def _read_coordinator(owner: str, now: int, fields: dict[bytes, bytes]) -> CoordinatorInfo:
    said_at = fields.get(b"at", b"")
    return CoordinatorInfo(
        owner=owner,
        age_s=max(now - int(said_at), 0) / 1000 if _TIME_MS.fullmatch(said_at) else 0.0,
        details=texts(fields, b"f:"),
        status=decode_coordinator_status(fields.get(b"status", b"")),
    )


async def backlog(client: Client, keys: Keys) -> dict[str, Backlog]:
    """Return how many attempts wait and run, by stream."""
    return await backlog_of(client, await streams_of(client, keys))


async def backlog_of(client: Client, streams: Sequence[str]) -> dict[str, Backlog]:
    """Return how many attempts wait and run in these streams."""
    commands: list[tuple[str, ...]] = []
    for stream in streams:
        commands += [("XLEN", stream), ("XPENDING", stream, GROUP)]
    replies = await client.pipeline(commands, tolerant=True)
    return {
        stream: _read_backlog(length, pending)
        for stream, length, pending in zip(streams, replies[::2], replies[1::2], strict=True)
    }


def _read_backlog(length: Any, pending: Any) -> Backlog:
    entries = length if isinstance(length, int) else 0
    running = int(pending[0]) if isinstance(pending, list) else 0
    return Backlog(max(0, entries - running), running)
