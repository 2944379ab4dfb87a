"""Keeps the chronicles of ended runs, which outlive their records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from astrum.errors import StoreConfigurationError
from astrum.protocol.keys import is_run_id
from astrum.protocol.records import NO_HISTORY
from astrum.redis import blobs
from astrum.redis.entries import names_of
from astrum.redis.script_library import Argument, ScriptCall
from astrum.redis.scripts import chunks
from astrum.redis.store import Store

KEPT, NO_RUN, NO_ROOM = 1, 0, -1


_ENDED = ("st", "ep", "ow", "pc", f"f:{NO_HISTORY}")


class Unkept(NamedTuple):
    """An ended run without a chronicle, and the owner id of the coordinator that led it last."""

    run_id: str
    owner: str


class ChronicleStore(Store):
    """A store that knows the chronicles of runs; they are sealed."""

    async def keep_chronicle(
        self, run_id: str, epoch: int, data: bytes, *, life_s: float, max_bytes: int
    ) -> int:
        """Keep the chronicle of a run that ended under ``epoch``, in place of an earlier one.

        It is kept for ``life_s``. All chronicles together have ``max_bytes`` at most; the oldest
        are dropped first. Returns `KEPT`, `NO_RUN` if the run is open, gone or was reopened, or
        `NO_ROOM`.
        """
        keys = self.keys
        names = [keys.run(run_id), keys.chronicle(run_id), keys.chronicles, keys.chronicle_sizes]
        life_ms = max(round(life_s * 1000), 1)
        arguments: list[Argument] = [run_id, data, life_ms, max_bytes, keys.chronicle(""), epoch]
        client = self.client if len(data) < _BIG_BYTES else self.bulk
        return int(await client.call(ScriptCall("keep_chronicle", names, arguments)))

    async def chronicle(self, run_id: str) -> bytes | None:
        """Return the chronicle of a run in its stored form, `None` if there is none."""
        return await blobs.read_bounded(self.bulk, self.keys.chronicle(run_id))

    async def has_chronicle(self, run_id: str) -> bool:
        """Return whether a run has a chronicle; ``False`` too if it may not be read."""
        try:
            return bool(await self.client.execute("GETRANGE", self.keys.chronicle(run_id), 0, 0))
        except StoreConfigurationError:  # access rules of an earlier version
            return False

    async def chronicle_ids(self, limit: int) -> list[str]:
        """Return the runs with a chronicle, at most ``limit``, those that expire last first.

        Nothing if the list may not be read.
        """
        now_ms = f"({await self.server_time() * 1000:.0f}"
        span = ("+inf", now_ms, "BYSCORE", "REV", "LIMIT", 0, limit)
        try:
            names = names_of(await self.client.execute("ZRANGE", self.keys.chronicles, *span))
        except StoreConfigurationError:  # access rules of an earlier version
            return []
        return list(filter(is_run_id, names))

    async def without_chronicle(self, from_s: float, to_s: float, limit: int) -> list[Unkept]:
        """Return the runs that ended in a time and of whose end no chronicle was made.

        The newest ``limit`` ended runs of that time are looked at, the newest first. Those whose
        leader is set to keep none are left out.
        """
        span = (f"{to_s * 1000:.0f}", f"{from_s * 1000:.0f}", "BYSCORE", "REV", "LIMIT", 0, limit)
        names = names_of(await self.client.execute("ZRANGE", self.keys.history, *span))
        return await self.unkept(list(filter(is_run_id, names)))

    async def unkept(self, run_ids: Sequence[str]) -> list[Unkept]:
        """Return those of these runs that have ended, and of whose end no chronicle was made."""
        found: list[Unkept] = []
        for part in chunks(run_ids):
            asked = [("HMGET", self.keys.run(run_id), *_ENDED) for run_id in part]
            rows = await self.client.pipeline(asked, tolerant=True)
            found += [
                Unkept(run_id, row[2].decode("utf-8", "replace") if row[2] else "")
                for run_id, row in zip(part, rows, strict=True)
                if isinstance(row, list) and _lacks_chronicle(row)
            ]
        return found

    async def drop_chronicle(self, run_id: str) -> bool:
        """Delete the chronicle of a run; ``False`` if there was none."""
        keys = self.keys
        names = [keys.chronicle(run_id), keys.chronicles, keys.chronicle_sizes]
        return bool(await self.client.call(ScriptCall("drop_chronicle", names, [run_id])))


def _lacks_chronicle(row: Sequence[bytes | None]) -> bool:
    state, epoch, _, kept, unwanted = row
    return state not in (None, b"open") and epoch not in (kept, unwanted)


_BIG_BYTES = 64 * 1024
"""Bigger ones have their own connection, so that nothing waits behind them."""
