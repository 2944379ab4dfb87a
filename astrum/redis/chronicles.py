"""Keeps the chronicles of ended runs, which outlive their records."""

from __future__ import annotations

from astrum.errors import StoreConfigurationError
from astrum.redis import blobs
from astrum.redis.script_library import Argument, ScriptCall
from astrum.redis.store import Store

KEPT, NO_RUN, NO_ROOM = 1, 0, -1


class ChronicleStore(Store):
    """A store that knows the chronicles of runs; they are sealed."""

    async def keep_chronicle(
        self, run_id: str, data: bytes, *, life_s: float, max_bytes: int
    ) -> int:
        """Keep the chronicle of an ended run for ``life_s``, in place of an earlier one.

        All chronicles together have ``max_bytes`` at most; the oldest are dropped first. Returns
        `KEPT`, `NO_RUN` if the run is open or gone, or `NO_ROOM`.
        """
        keys = self.keys
        names = [keys.run(run_id), keys.chronicle(run_id), keys.chronicles, keys.chronicle_sizes]
        life_ms = max(round(life_s * 1000), 1)
        arguments: list[Argument] = [run_id, data, life_ms, max_bytes, keys.chronicle("")]
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

    async def drop_chronicle(self, run_id: str) -> bool:
        """Delete the chronicle of a run; ``False`` if there was none."""
        keys = self.keys
        names = [keys.chronicle(run_id), keys.chronicles, keys.chronicle_sizes]
        return bool(await self.client.call(ScriptCall("drop_chronicle", names, [run_id])))


_BIG_BYTES = 64 * 1024
"""Bigger ones have their own connection, so that nothing waits behind them."""
