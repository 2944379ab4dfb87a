"""Listens for hints of leaders; the next heartbeat finds what a missed one would have said."""

from __future__ import annotations

from contextlib import aclosing

from astrum.errors import DecodeError
from astrum.protocol.hints import Hint
from astrum.runtime.service import Service
from astrum_worker.context import WorkerContext
from astrum_worker.running.attempts import Attempts


class Hints(Service):
    """Cancels attempts as soon as their leader revokes them, and reads new streams at once."""

    name = "hints"

    def __init__(self, context: WorkerContext, attempts: Attempts) -> None:
        super().__init__()
        self._store = store = context.store
        self._attempts = attempts
        self._seal = context.seal
        self._context = context
        self._rare_streams = {
            store.keys.stream_name(store.keys.queue(stream)): stream
            for stream in context.unknown_streams()
        }

    async def run_once(self) -> None:
        """Listen until the connection ends."""
        # Once the subscription holds: until then hints may have been missed.
        opened = self._store.hints(self._context.look_for_rare_streams)
        async with aclosing(opened) as hints:  # type: ignore[type-var]
            async for data in hints:
                try:
                    hint = self._seal.open_hint(data)
                except DecodeError:
                    continue  # from another version or another application
                await self._obey(hint)

    async def _obey(self, hint: Hint) -> None:
        self._attempts.revoke(hint.run_id, hint.attempts)
        rare = [self._rare_streams[name] for name in hint.streams if name in self._rare_streams]
        await self._context.read_rare(rare)
