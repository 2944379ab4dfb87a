"""Listens for hints that attempts were revoked; the next heartbeat finds a missed one."""

from __future__ import annotations

from contextlib import aclosing

from astrum.errors import DecodeError
from astrum.protocol.sealing import Seal
from astrum.redis import WorkerStore
from astrum.runtime.service import Service
from astrum_worker.running.attempts import Attempts


class Revocations(Service):
    """Cancels attempts as soon as their leader revokes them."""

    name = "hints"

    def __init__(self, store: WorkerStore, attempts: Attempts, seal: Seal) -> None:
        super().__init__()
        self._store = store
        self._attempts = attempts
        self._seal = seal

    async def run_once(self) -> None:
        """Listen until the connection ends."""
        async with aclosing(self._store.hints()) as hints:  # type: ignore[type-var]
            async for data in hints:
                self._obey(data)

    def _obey(self, data: bytes) -> None:
        try:
            hint = self._seal.open_hint(data)
        except DecodeError:
            return  # from another version or another application
        self._attempts.revoke(hint.run_id, hint.attempts)
