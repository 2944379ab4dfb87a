"""What operators do to a pool: pause parts of it, drain workers, read dead letters, delete runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from astrum.errors import RunError, RunNotFoundError
from astrum.protocol.drains import DrainRequest, encode_drain
from astrum.protocol.keys import FIELD, SIGNATURE_FIELD
from astrum.protocol.pauses import Pause, Pauses, PauseTarget, decode_pauses, encode_pause
from astrum.protocol.records import DeadLetter
from astrum.redis import operating_scripts
from astrum.redis.entries import pairs
from astrum.redis.queries import QueryStore
from astrum.redis.scripts import chunks

_FIRST_PART = b"0"
"""The cursor before the first part, and after the last."""
_LETTERS = 50
"""Dead letters in one reply: each may have some hundred KiB."""
_TEXTS = (b"stream", b"entry", b"reason")


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

    # --- dead letters --------------------------------------------------------------------------

    async def dead_letters(self) -> list[DeadLetter]:
        """Return all dead letters, oldest first."""
        found: list[DeadLetter] = []
        begin = "-"
        while True:
            command = ("XRANGE", self.keys.dead_letters, begin, "+", "COUNT", _LETTERS)
            reply = await self.bulk.execute(*command)
            found += [_letter(entry_id.decode(), pairs(flat or [])) for entry_id, flat in reply]
            if len(reply) < _LETTERS:
                return found
            begin = f"({found[-1].letter_id}"

    async def clear_dead_letters(self, letter_ids: Sequence[str]) -> int:
        """Delete these dead letters; return how many there were."""
        key = self.keys.dead_letters
        commands = [("XDEL", key, *part) for part in chunks(letter_ids)]
        return sum(await self.client.pipeline(commands))

    # --- runs ----------------------------------------------------------------------------------

    async def forget(self, run_id: str) -> None:
        """Delete an ended run with its values and all its keys; repeatable while it is there.

        Raises `RunNotFoundError`, and `RunError` for an open run.
        """
        cursor = _FIRST_PART
        while True:
            cursor = await self.client.call(operating_scripts.forget(self.keys, run_id, cursor))
            if cursor == b"OPEN":
                raise RunError(f"run {run_id!r} is open: cancel it first, then forget it")
            if cursor == b"GONE":
                raise RunNotFoundError(f"no run has the id {run_id!r}, or its record has expired")
            if cursor == _FIRST_PART:
                return

    async def reopen(
        self, run_id: str, entry: bytes, state: str, final_tasks: Iterable[int] = ()
    ) -> bool:
        """Open a run that ended in ``state``, without a leader; ``entry`` goes to its journal.

        ``final_tasks`` had succeeded and run again. ``False``: the run is in another state, for
        example open since a moment ago. Raises `RunNotFoundError`, also if a part of the run has
        expired. The caller has to prolong its values next (`RunStore.prolong`).
        """
        call = operating_scripts.reopen(self.keys, run_id, entry, state, final_tasks)
        reply = await self.client.call(call)
        if reply == -1:
            raise RunNotFoundError(f"no run has the id {run_id!r}, or its record has expired")
        if reply == -2:
            raise RunNotFoundError(
                f"a part of run {run_id!r} has expired, so it cannot be tried again: start a new "
                "run, and keep such runs longer with --result-ttl"
            )
        return bool(reply)


def _letter(letter_id: str, fields: dict[bytes, bytes]) -> DeadLetter:
    stream, entry_id, reason = (fields.get(name, b"").decode("utf-8", "replace") for name in _TEXTS)
    data, signature = fields.get(FIELD.encode(), b""), fields.get(SIGNATURE_FIELD.encode(), b"")
    return DeadLetter(letter_id, stream, entry_id, reason, data, signature)
