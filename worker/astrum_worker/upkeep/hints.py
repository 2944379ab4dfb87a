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
        self._exact_streams = {
            store.keys.stream_name(store.keys.queue(stream)) for stream in context.exact_streams()
        }

    async def run_once(self) -> None:
        """Listen until the connection ends."""
        await self._context.look_for_exact_runs()  # a hint may have been missed until now
        async with aclosing(self._store.hints()) as hints:  # type: ignore[type-var]
            async for data in hints:
                try:
                    hint = self._seal.open_hint(data)
                except DecodeError:
                    continue  # from another version or another application
                await self._obey(hint)

    async def _obey(self, hint: Hint) -> None:
        self._attempts.revoke(hint.run_id, hint.attempts)
        exact_runs = self._context.exact_runs
        if not exact_runs.are_known and not self._exact_streams.isdisjoint(hint.streams):
            exact_runs.are_known = True
            await self._store.unblock()  # the reads under way do not include these streams
