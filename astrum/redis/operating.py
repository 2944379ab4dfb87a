"""What operators do to a pool: pause parts of it, drain workers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from astrum.protocol.drains import DrainRequest, encode_drain
from astrum.protocol.pauses import Pause, Pauses, PauseTarget, decode_pauses, encode_pause
from astrum.redis import operating_scripts
from astrum.redis.entries import pairs
from astrum.redis.queries import QueryStore


class OperatingStore(QueryStore):
    """A store that carries out the requests of operators."""

    # --- pauses --------------------------------------------------------------------------------

    async def paused(self) -> Pauses:
        """Return what is paused now."""
        return decode_pauses(pairs(await self.client.execute("HGETALL", self.keys.paused)))

    async def pause(self, targets: Iterable[PauseTarget], *, by: str, reason: str = "") -> None:
        """Let nothing new of these targets be dispatched until `unpause`; repeatable.

        A pause lives for a week, and longer while any coordinator leads or serves.
        """
        at = await self.server_time()
        pauses = [Pause(target, by, at, reason) for target in targets]
        data = [(pause.target.field, encode_pause(pause)) for pause in pauses]
        await self.client.call(operating_scripts.pause(self.keys, data))

    async def unpause(self, targets: Sequence[PauseTarget]) -> list[PauseTarget]:
        """End the pauses of these targets; return those that were paused."""
        commands = [("HDEL", self.keys.paused, target.field) for target in targets]
        replies = await self.client.pipeline(commands)
        return [target for target, ended in zip(targets, replies, strict=True) if ended]

    async def keep_pauses(self) -> None:
        """Let all pauses live on."""
        await self.client.execute("PEXPIRE", self.keys.paused, operating_scripts.PAUSES_TTL_MS)

    # --- workers -------------------------------------------------------------------------------

    async def drain(self, worker_id: str, request: DrainRequest) -> bool:
        """Ask a worker to drain, at its next heartbeat; `False` if it is not alive."""
        call = operating_scripts.drain(self.keys, worker_id, encode_drain(request))
        return bool(await self.client.call(call))
