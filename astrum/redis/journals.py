"""Reads and writes the journals of runs, and waits for news of runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

from astrum.errors import LeadershipLostError, StoreError
from astrum.protocol.keys import SERVERS, is_run_id
from astrum.redis import scripts
from astrum.redis.client import Client
from astrum.redis.entries import Entry, is_after, names_of, read_entry, read_streams
from astrum.redis.queries import QueryStore
from astrum.redis.records import JournalEntry
from astrum.redis.script_library import ScriptLibrary
from astrum.redis.settings import RedisSettings
from astrum.redis.store import block_option

BEGINNING = "0-0"
"""The cursor of a stream that was not read yet."""

JOURNAL_BYTES = 1024 * 1024
"""The approximate number of a journal's bytes in one reply."""
WAKES_TTL_MS = 7 * 86_400_000
WAITING_READ_ENTRIES = 64
"""The most entries, of up to some 256 KiB each, in the reply of a read that waits."""


class News(NamedTuple):
    """The result of a waiting read.

    ``ended`` are the runs that have ended, up to the cursor ``done``. With ``has_gap`` others may
    have ended that are not named any more: ask for each.
    """

    entries: list[JournalEntry]
    ended: list[str]
    done: str | None = None
    has_gap: bool = False


class JournalStore(QueryStore):
    """A store that reads and extends journals.

    The end of a run is not an entry of its journal: one stream names all runs that end. So a
    process that only waits for ends reads nothing else of its runs.
    """

    waits = ("journal", "wake")

    def __init__(self, settings: RedisSettings, *, library: ScriptLibrary | None = None) -> None:
        super().__init__(settings, library=library)
        # Renewals must not wait behind a long journal, so that it has a connection of its own.
        self._replay = Client(settings, loss_detector=self.loss, library=self.library)

    async def close(self) -> None:
        """Drop all connections; harmless when repeated."""
        await self._replay.close()
        await super().close()

    async def append_event(
        self, run_id: str, data: bytes, *, epoch: int | None = None, begins: bool = False
    ) -> bool:
        """Append an entry (`astrum.protocol.messages.encode_entry`) to the journal of an open run.

        ``False``: the run is over or gone. With ``epoch`` only its leader may; raises
        `LeadershipLostError` then. ``begins``: a delayed run begins by it, before its time.
        """
        call = scripts.append(self.keys, run_id, data, epoch, begins=begins)
        reply = await self.client.call(call)
        if reply == -1:
            raise LeadershipLostError(f"run {run_id!r} is not led under epoch {epoch} any more")
        return bool(reply)

    async def read_journal(
        self, cursors: Mapping[str, str], *, block_s: float | None, count: int
    ) -> list[JournalEntry]:
        """Return up to ``count`` entries per run after the cursors (run id to last entry id).

        There may be more than are returned: a reply is bounded by its bytes, too.
        `BEGINNING` is the first cursor. For ``block_s`` see `wait_for_news`; `None`: not at all.
        """
        if block_s is not None:
            return (await self.wait_for_news(cursors, None, block_s=block_s, count=count)).entries
        found = []
        for run_id, cursor in cursors.items():
            call = scripts.read(self.keys, run_id, cursor, count, JOURNAL_BYTES)
            for row in await self._replay.call(call):
                entry = read_entry("", row)
                found.append(JournalEntry(run_id, entry.entry_id, entry.data or b""))
        return found

    async def join_servers(self) -> None:
        """Make sure that there is a stream of wakes, with the group of the processes that serve."""
        create = ("XGROUP", "CREATE", self.keys.wake, SERVERS, "$", "MKSTREAM")
        with suppress(StoreError):  # there is one already
            await self.client.execute(*create)
        await self.client.execute("PEXPIRE", self.keys.wake, WAKES_TTL_MS)

    async def wait_for_wakes(self, *, block_s: float, count: int) -> list[str]:
        """Return runs that wait for a leader, each given to one of the processes that serve.

        Waits at most ``block_s`` for the first. Raises `StoreError` before `join_servers`.
        """
        command = ("GROUP", SERVERS, SERVERS, "COUNT", count, *block_option(block_s), "NOACK")
        reply = await self._read(
            "wake", block_s, "XREADGROUP", *command, "STREAMS", self.keys.wake, ">"
        )
        found = names_of(entry.data or b"" for entry in read_streams(reply))
        return [run_id for run_id in found if is_run_id(run_id)]

    async def done_cursor(self) -> str:
        """Return the cursor after which `wait_for_news` names the runs that end from now on."""
        latest = await self.client.execute("XREVRANGE", self.keys.done, "+", "-", "COUNT", 1)
        return latest[0][0].decode() if latest else BEGINNING

    async def wait_for_news(
        self,
        journals: Mapping[str, str],
        done: str | None,
        *,
        block_s: float | None,
        count: int,
    ) -> News:
        """Wait for journal entries, each after a cursor by run id, and for ends of any runs.

        The ends are those after the cursor ``done``; `None`: not wanted.
        At most ``block_s`` (at most 30), or not at all if ``None``; `unblock` ends the wait. One
        waiting call at a time.
        """
        streams = {self.keys.journal(run_id): run_id for run_id in journals}
        cursors = list(journals.values())
        names = list(streams)
        if done is not None:
            names.append(self.keys.done)
            cursors.append(done)
        if not names:
            return News([], [])
        most = max(1, min(count, WAITING_READ_ENTRIES // max(1, len(streams))))
        command = ["COUNT", most, *block_option(block_s), "STREAMS", *names, *cursors]
        reply = await self._read("journal", block_s, "XREAD", *command)
        return await self._news(streams, list(read_streams(reply)), done, most)

    async def _news(
        self, streams: Mapping[str, str], found: Sequence[Entry], done: str | None, most: int
    ) -> News:
        entries = [
            JournalEntry(streams[entry.stream], entry.entry_id, entry.data or b"")
            for entry in found
            if entry.stream in streams
        ]
        ends = [entry for entry in found if entry.stream not in streams]
        if not ends:
            return News(entries, [], done)
        ended = names_of(entry.data or b"" for entry in ends)
        # The stream is much longer than one reply, so who reads less than is there has lost none.
        has_gap = len(ends) == most and await self._begins_with(ends[0].entry_id)
        return News(entries, ended, ends[-1].entry_id, has_gap)

    async def _begins_with(self, entry_id: str) -> bool:
        """Return whether no earlier end is there any more: some after the cursor may be gone."""
        first = await self.client.execute("XRANGE", self.keys.done, "-", "+", "COUNT", 1)
        return not first or not is_after(entry_id, first[0][0].decode())
