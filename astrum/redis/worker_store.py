"""A worker's access to the store: register, claim, settle, leave."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence

from astrum.errors import StoreError
from astrum.protocol.keys import GROUP, LANE_SUFFIX
from astrum.protocol.streams import Stream
from astrum.redis import scripts, worker_scripts
from astrum.redis.client import Client
from astrum.redis.entries import Entry, read_streams
from astrum.redis.listing import backlog_of
from astrum.redis.reaping import drop, forget, own_entries, streams_of
from astrum.redis.records import Claim, EntryKey
from astrum.redis.script_library import ScriptLibrary
from astrum.redis.scripts import chunks
from astrum.redis.server_clock import ServerClock
from astrum.redis.settings import RedisSettings
from astrum.redis.settlement import Settlement, StoredLog, Verdict
from astrum.redis.store import Store, block_option

LOG_TIMEOUT_S = 2.0
LEFT_OUT = 2
"""The reply about a log that is not stored because of the limit of its run."""


class WorkerStore(Store):
    """One worker's side of the store. Its id, never used before, is also its consumer name.

    ``clock`` knows the server's time from the registration on.
    """

    waits = tuple(LANE_SUFFIX)

    def __init__(
        self, settings: RedisSettings, worker_id: str, *, library: ScriptLibrary | None = None
    ) -> None:
        super().__init__(settings, library=library)
        self.worker_id = worker_id
        self.clock = ServerClock()
        self._logs = Client(
            settings,
            read_timeout_s=LOG_TIMEOUT_S,
            loss_detector=self.loss,
            library=self.library,
        )
        self._known: set[str] = set()
        self._asked: dict[str, Client] = {}

    async def register(self, details: Mapping[str, str], served: bytes, lease_s: float) -> None:
        """Store the worker's identity and what it serves, and take its lease, in one step.

        Register before the first claim, and again when a beat returns ``False``.
        """
        asked_at = time.time()
        call = worker_scripts.register(self.keys, self.worker_id, details, served, lease_s)
        now_ms = await self.client.call(call)
        self.clock.learn(asked_at, int(now_ms) / 1000, time.time())

    async def set_status(self, status: bytes) -> bool:
        """Store the worker's status; ``False`` if it is not registered (any more)."""
        call = worker_scripts.status(self.keys, self.worker_id, status)
        return bool(await self.client.call(call))

    async def claim(
        self,
        lane: str,
        streams: Sequence[Stream],
        count: int,
        *,
        block_s: float | None,
    ) -> list[Claim]:
        """Claim up to ``count`` attempts from streams of a lane, those of the earlier ones first.

        Waits up to ``block_s`` (at most 30) for the first, or not at all if ``None``; one call
        per lane at a time. If ``count`` is smaller than the number of streams, attempts that come
        just before it waits may be more than ``count``, at most one of each stream. A missing group
        is created again, from the beginning of its stream. If it had been there before, ``loss``
        is suspected, unless its stream was idle for long and was dropped.
        """
        keys = [self.keys.queue(stream) for stream in streams]
        if count < 1 or not keys:
            return []
        # The read that waits takes an equal share of each stream. Only the script knows an order,
        # and can give less than one of each.
        kinds = {(one.queue, one.urgent) for one in streams}
        looks_first = len(kinds) > 1 or count < len(streams)
        try:
            entries = await self._claim(lane, keys, count, block_s, looks_first)
        except StoreError as error:
            if "NOGROUP" not in str(error):
                raise
            await self._make_groups(keys)
            entries = await self._claim(lane, keys, count, block_s, looks_first)
        # After a claim that gave something, the later streams may never have been looked at.
        self._known.update([entry.stream for entry in entries] or keys)
        return await self._readable(entries)

    def silent_s(self, lane: str) -> float:
        """Return the seconds since anything arrived for the latest claim of a lane."""
        asked = self._asked.get(lane)
        return math.inf if asked is None else asked.silent_s

    async def used_among(self, streams: Sequence[Stream]) -> list[Stream]:
        """Return those of these streams to which attempts were dispatched lately."""
        keys = [self.keys.queue(stream) for stream in streams]
        marks = await self.client.execute("SMISMEMBER", self.keys.queues, *keys) if keys else ()
        return [stream for stream, is_used in zip(streams, marks, strict=True) if is_used]

    async def waiting_alone(self, streams: Sequence[Stream]) -> int:
        """Return how many exclusive attempts in these streams wait, without claiming any."""
        keys = [self.keys.queue(stream) for stream in streams]
        marks = await self.client.execute("SMISMEMBER", self.keys.alone, *keys)
        if not any(marks):  # as nearly always
            return 0
        held = [key for key, holds in zip(keys, marks, strict=True) if holds]
        found = await backlog_of(self.client, held)
        return sum(backlog.waiting for backlog in found.values())

    async def acquire_exclusive(self, for_s: float) -> bool:
        """Ask to claim nothing else for so long, to make room for an exclusive attempt.

        Only a few workers may do so at a time; ask again before the time is over.
        """
        call = worker_scripts.exclusive(self.keys, self.worker_id, for_s)
        return bool(await self.client.call(call))

    async def release_exclusive(self) -> None:
        """Give the permission back, so that another worker can get it."""
        await self.client.call(worker_scripts.exclusive(self.keys, self.worker_id, 0))

    async def own_claims(self, streams: Iterable[str]) -> list[Claim]:
        """Return all claims of the worker in these streams, by the server's records.

        A claim whose reply was lost is among them; compare them with the running attempts.
        """
        entries = [
            entry
            for stream in streams
            for entry in await own_entries(self.client, stream, self.worker_id)
        ]
        return await self._readable(entries)

    async def streams(self) -> list[str]:
        """Return the keys of all streams that attempts are dispatched to."""
        return await streams_of(self.client, self.keys)

    async def keep_queues(self, streams: Iterable[str]) -> None:
        """Let the queues that the worker serves, and the leases, live on without a coordinator."""
        kept = (*streams, self.keys.queues, self.keys.leases)
        await self.client.pipeline(
            [("PEXPIRE", key, scripts.queue_ttl_ms()) for key in kept], tolerant=True
        )

    async def settle(
        self, run_id: str, stream: str, settlements: Sequence[Settlement]
    ) -> list[Verdict]:
        """Record how attempts of one run ended; repeat it whole if the reply was lost.

        Works while the server's memory is full. A run that is gone fences all.
        """
        verdicts: list[Verdict] = []
        for part in chunks(settlements):
            call = scripts.settle(self.keys, "w", self.worker_id, run_id, stream, part)
            reply = await self.client.call(call)
            verdicts += scripts.read_verdicts(run_id, self.worker_id, reply, len(part))
        return verdicts

    async def put_logs(self, logs: Sequence[StoredLog]) -> list[StoredLog]:
        """Store logs of attempts in one trip, each for as long as its run lives; repeatable.

        Returns those that are left out: the logs of their runs have reached their limit.

        They have a connection of their own, which is opened for the first one: a slow transfer
        delays nothing else. One whose run is gone is dropped.
        """
        if not logs:
            return []
        calls = [worker_scripts.put_log(self.keys, log) for log in logs]
        replies = await self._logs.call_all(calls)
        return [log for log, reply in zip(logs, replies, strict=True) if reply == LEFT_OUT]

    async def close(self) -> None:
        """Drop all connections; harmless when repeated."""
        await self._logs.close()
        await super().close()

    async def are_still_held(
        self, run_id: str, items: Sequence[tuple[int, int, EntryKey]]
    ) -> list[bool]:
        """Return for each (task, attempt, (stream, entry id)) whether it is still outstanding."""
        answers: list[bool] = []
        for part in chunks(items):
            tasks = [task for task, _, _ in part]
            states = await self.client.execute("HMGET", self.keys.attempts(run_id), *tasks)
            answers += [
                state == self.keys.outstanding(attempt, entry_id, stream).encode()
                for state, (_, attempt, (stream, entry_id)) in zip(states, part, strict=True)
            ]
        return answers

    async def set_aside(self, claim: Claim, reason: str) -> None:
        """Move a claim that cannot be read to the dead letters, which are bounded."""
        await self.client.call(
            worker_scripts.set_aside(
                self.keys, claim.stream, claim.entry_id, claim.data, claim.signature, reason
            )
        )

    async def leave(self) -> None:
        """End the lease and forget the worker; what it still holds is lost at once."""
        await drop(self.client, self.keys, self.worker_id, leaves=True)

    async def _claim(
        self,
        lane: str,
        streams: Sequence[str],
        count: int,
        block_s: float | None,
        looks_first: bool,
    ) -> list[Entry]:
        self._asked[lane] = self.client
        if looks_first or block_s is None:
            reply = await self.client.call(worker_scripts.claim(streams, self.worker_id, count))
            if reply or block_s is None:
                return list(read_streams(reply))
        share = max(1, count // len(streams))  # COUNT is per stream
        command = _read_group(streams, self.worker_id, share, block_s)
        self._asked[lane] = self._readers[lane].client
        return list(read_streams(await self._read(lane, block_s, *command)))

    async def _make_groups(self, streams: Sequence[str]) -> None:
        for stream in streams:
            was_lost = await self.client.call(scripts.group(self.keys, [stream]))
            if was_lost and stream in self._known:
                self.loss.suspect()

    async def _readable(self, entries: Iterable[Entry]) -> list[Claim]:
        """Return the entries as claims; those whose data is gone are acknowledged."""
        claims = []
        empty = []
        for entry in entries:
            if entry.data is None:
                empty.append((entry.stream, entry.entry_id))
            else:
                claims.append(Claim(entry.stream, entry.entry_id, entry.data, entry.signature))
        await forget(self.client, empty)
        return claims


def _read_group(
    streams: Sequence[str], worker_id: str, count: int, block_s: float
) -> list[str | int]:
    return [
        "XREADGROUP",
        "GROUP",
        GROUP,
        worker_id,
        "COUNT",
        count,
        *block_option(block_s),
        "STREAMS",
        *streams,
        *([">"] * len(streams)),
    ]
