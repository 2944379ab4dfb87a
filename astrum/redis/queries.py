"""Queries of runs and queues that read only what the answer needs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

import msgpack

from astrum.protocol.records import CoordinatorInfo, RunInfo, StreamSize, WorkerInfo
from astrum.redis import listing, scripts
from astrum.redis.entries import leases_of, server_ms
from astrum.redis.reaping import streams_of
from astrum.redis.records import JournalEntry, JournalPart
from astrum.redis.store import Store

_STREAMS_PER_CALL = 100
"""A limit, so that no call blocks the server for long."""


class QueryStore(Store):
    """A store that answers queries of people and dashboards; it changes nothing."""

    async def run_info(self, run_id: str) -> RunInfo | None:
        """Return the record of a run, ``None`` if there is none."""
        return await listing.run_info(self.client, self.keys, run_id)

    async def run_state(self, run_id: str) -> str | None:
        """Return a run's state, "open" or how it ended; ``None`` if there is no such run."""
        state = await self.client.execute("HGET", self.keys.run(run_id), "st")
        return None if state is None else state.decode("utf-8", "replace")

    async def run_states(self, run_ids: Sequence[str]) -> dict[str, str]:
        """Return the states of these runs, as `run_state`, without those that are not there."""
        found: dict[str, str] = {}
        for part in scripts.chunks(run_ids):
            replies: list[Any] = await self.client.pipeline(
                [("HGET", self.keys.run(run_id), "st") for run_id in part], tolerant=True
            )
            states = zip(part, replies, strict=True)
            found |= {
                run_id: state.decode("utf-8", "replace")
                for run_id, state in states
                if isinstance(state, bytes)  # neither missing nor an error
            }
        return found

    async def run_ids(self) -> list[str]:
        """Return the ids of all runs, newest first; the records of some may have expired."""
        return await listing.run_ids(self.client, self.keys)

    async def list_runs(self, limit: int = 100) -> list[RunInfo]:
        """Return the latest runs, open or ended within their result's life, newest first."""
        found: list[RunInfo] = []
        async for info in self.each_run(limit):
            found.append(info)
            if len(found) >= limit:
                break
        return found

    def each_run(self, at_once: int) -> AsyncIterator[RunInfo]:
        """Yield all runs, newest first; the first ``at_once`` are read together."""
        return listing.each_run(self.client, self.keys, at_once)

    async def workers(self) -> list[WorkerInfo]:
        """Return the live workers."""
        return await listing.workers(self.client, self.keys)

    async def lease_ends(self) -> dict[str, float]:
        """Return when the leases of the workers end that are live or have just died, by worker.

        In ms on the server's clock; 0 if its process is known to have ended.
        """
        return leases_of(await self.client.execute("ZRANGE", self.keys.leases, 0, -1, "WITHSCORES"))

    async def coordinators(self) -> list[CoordinatorInfo]:
        """Return the coordinators that were heard of in the last seconds."""
        return await listing.coordinators(self.client, self.keys)

    async def live_coordinators(self) -> frozenset[str]:
        """Return the owner ids of the coordinators that live."""
        asked = [("TIME",), ("ZRANGE", self.keys.coordinators, 0, -1, "WITHSCORES")]
        time, ends = await self.client.pipeline(asked)
        now = server_ms(time)
        return frozenset(owner for owner, end in leases_of(ends).items() if end > now)

    async def served(self, worker_id: str) -> bytes:
        """Return the tasks that a worker serves; ``b""`` if it is gone."""
        data = await self.client.execute("HGET", self.keys.worker(worker_id), "served")
        return bytes(data or b"")

    async def backlog(self) -> dict[str, listing.Backlog]:
        """Return how many attempts wait and run, by stream."""
        return await listing.backlog(self.client, self.keys)

    async def queue_sizes(self, streams: Sequence[str] | None = None) -> dict[str, StreamSize]:
        """Return how much waits and is held, and since when, by stream (default: all there are)."""
        if streams is None:
            streams = await streams_of(self.client, self.keys)
        found: dict[str, StreamSize] = {}
        for part in scripts.chunks(streams, _STREAMS_PER_CALL):
            reply = await self.client.call(scripts.queue_sizes(part))
            now_s = await self.server_time()
            rows = zip(part, reply[::3], reply[1::3], reply[2::3], strict=True)
            for stream, waiting, held, oldest in rows:
                found[stream] = StreamSize(int(waiting), int(held), _age_s(oldest, now_s))
        return found

    async def read_outline(
        self, run_id: str, cursor: str, *, tasks: Iterable[int] = ()
    ) -> JournalPart:
        """Return the next journal entries after ``cursor`` without values, but those of ``tasks``.

        Never waits. The entries cannot be verified if they are signed: a signature is over the
        whole.
        """
        kept = [msgpack.packb(task) for task in tasks]
        goes_on, *rows = await self.client.call(scripts.outline(self.keys, run_id, cursor, kept))
        entries = [
            JournalEntry(run_id, entry_id.decode(), data)
            for entry_id, data in zip(rows[::2], rows[1::2], strict=True)
        ]
        return JournalPart(entries, bool(goes_on))

    async def served_by(self, worker_ids: Iterable[str]) -> dict[str, bytes]:
        """Return the tasks that each of these workers serves; ``b""`` for one that is gone."""
        asked = list(worker_ids)
        replies: list[Any] = await self.client.pipeline(
            [("HGET", self.keys.worker(worker_id), "served") for worker_id in asked],
            tolerant=True,
        )
        return {
            worker_id: data if isinstance(data, bytes) else b""
            for worker_id, data in zip(asked, replies, strict=True)
        }


def _age_s(entry_id: bytes, now_s: float) -> float | None:
    """Return how long ago an entry was added, `None` if there is none; both by the server."""
    if not entry_id:
        return None
    return max(0.0, now_s - int(entry_id.partition(b"-")[0]) / 1000)
