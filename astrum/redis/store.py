"""The common part of both stores: connections, values, hints."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from types import TracebackType
from typing import Any, Self

from astrum.errors import StoreUnavailableError
from astrum.machine.task_log import LogsLeftOut
from astrum.protocol.task_logs import SIZES_OF_LOGS, decode_left_out
from astrum.redis import blobs
from astrum.redis.client import Client
from astrum.redis.entries import server_ms
from astrum.redis.reader import BlockingReader
from astrum.redis.script_library import ScriptLibrary
from astrum.redis.server_check import check_server
from astrum.redis.settings import RedisSettings, ServerIdentity, ServerLossDetector
from astrum.redis.translation import FAILURES, translate
from astrum.values.references import Blob

MAX_LOG_READ = 1024 * 1024
"""The most bytes that are read of a log; workers store far less."""
MOST_SIZES_READ = 200
MAX_BLOCK_S = 30.0
READ_MARGIN_S = 5.0
"""The time by which a read timeout is longer than the blocking read."""
BULK_TIMEOUT_S = 120.0
"""The time limit of a big value; it has its own connection, so that nothing waits behind it."""


class Store:
    """A connected store; safe to use from many asyncio tasks of one loop.

    ``loss.acknowledge()`` returns true once if the server may have lost its last writes (it
    restarted, failed over, or a group had vanished): then repeat the writes of the last seconds,
    and read the server's state again. The first command that meets another server fails with
    `StoreUnavailableError`, so that no earlier decision is carried out there.
    """

    waits: tuple[str, ...] = ()
    """The kinds of blocking reads, each of which has a connection of its own."""

    def __init__(self, settings: RedisSettings, *, library: ScriptLibrary | None = None) -> None:
        self.settings = settings
        self.keys = settings.keys
        self.loss = ServerLossDetector()
        self.library = library or ScriptLibrary()
        self.client = Client(settings, loss_detector=self.loss, library=self.library)
        self.bulk = Client(
            settings, read_timeout_s=BULK_TIMEOUT_S, loss_detector=self.loss, library=self.library
        )
        self._readers = {kind: self._new_reader() for kind in self.waits}

    async def __aenter__(self) -> Self:
        """Connect and check the server; raises as `check`."""
        try:
            await self.check()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def check(self) -> ServerIdentity:
        """Return the server's identity; raises kinds of `StoreError` if it cannot serve."""
        return await check_server(self.client)

    async def identity(self) -> ServerIdentity:
        """Return the server's identity now; if it changed while a connection was broken, the server
        may have lost its last writes.
        """
        return await self.check()

    async def server_time(self) -> float:
        """Return the server's clock, in seconds since the epoch."""
        return server_ms(await self.client.execute("TIME")) / 1000

    async def close(self) -> None:
        """Drop all connections; harmless when repeated."""
        for reader in self._readers.values():
            await reader.close()
        await self.bulk.close()
        await self.client.close()

    async def unblock(self, *kinds: str) -> None:
        """End the blocked reads of these kinds at once, by default all of this store.

        A kind of read that is not under way returns at once the next time it would wait.
        """
        for kind in kinds or self.waits:
            await self._readers[kind].interrupt(self.client)

    def forget_unblock(self, kind: str) -> None:
        """Let the next read of a kind wait although `unblock` was called since the last one.

        For a reader that decides only now what to read, and so includes what `unblock` was for.
        """
        self._readers[kind].forget_interrupt()

    async def put_blob(self, run_id: str, blob: Blob) -> None:
        """Store a value for as long as its run lives; repeatable."""
        await blobs.put_blob(self.bulk, self.keys, run_id, blob)

    async def get_blob(self, run_id: str, digest: str) -> bytes:
        """Return a stored value; raises `RunNotFoundError` if it is gone."""
        return await blobs.get_blob(self.bulk, self.keys, run_id, digest)

    async def get_log(self, run_id: str, name: str) -> bytes | None:
        """Return the stored log of an attempt, `None` if there is none."""
        return await blobs.read_bounded(self.bulk, self.keys.blob(run_id, name), MAX_LOG_READ)

    async def get_logs(self, run_id: str, names: Sequence[str]) -> list[bytes]:
        """Return stored logs in one trip, ``b""`` for one that is not there or no log."""
        keys = [self.keys.blob(run_id, name) for name in names]
        asked = [("GETRANGE", key, 0, MAX_LOG_READ) for key in keys]
        replies = await self.bulk.pipeline(asked, tolerant=True)
        return [reply if isinstance(reply, bytes) else b"" for reply in replies]

    async def logs_left_out(self, run_id: str) -> LogsLeftOut:
        """Return how many logs of a run are not stored because of their limit, and since when."""
        key = self.keys.blob(run_id, SIZES_OF_LOGS)
        asked = [("GETRANGE", key, 0, MOST_SIZES_READ)]
        [reply] = await self.client.pipeline(asked, tolerant=True)
        return decode_left_out(reply if isinstance(reply, bytes) else None)

    async def publish(self, hint: bytes) -> None:
        """Send a hint to all current listeners; a hint may be lost."""
        await self.client.execute("PUBLISH", self.keys.control, hint)

    async def hints(
        self, on_open: Callable[[], Awaitable[object]] | None = None
    ) -> AsyncIterator[bytes]:
        """Yield hints as they come, without end; raises kinds of `StoreError` on a failure.

        The subscription holds from the first step on; close the iterator to end it. ``on_open`` is
        called then, before any hint is given: to look at what earlier hints said.
        """
        async with Client(self.settings, loss_detector=self.loss, library=self.library) as client:
            messages: asyncio.Queue[Any] = asyncio.Queue()
            try:
                connection = await client.connection()
                connection.on_push = messages.put_nowait
                connection.on_end = lambda: messages.put_nowait(None)
                await connection.send(["SUBSCRIBE", self.keys.control])
            except FAILURES as error:
                raise translate(error, self.settings) from error
            if on_open is not None:
                await on_open()
            while (message := await messages.get()) is not None:
                yield message[2]
            raise StoreUnavailableError(f"{self.settings.masked_url}: the subscription has ended")

    def _new_reader(self) -> BlockingReader:
        return BlockingReader(Client(self.settings, loss_detector=self.loss, library=self.library))

    async def _read(self, kind: str, block_s: float | None, *command: Any) -> Any:
        """Send a read; a blocking one through the connection kept for its kind."""
        if block_s is None:
            return await self.client.execute(*command)
        timeout_s = min(block_s, MAX_BLOCK_S) + READ_MARGIN_S
        return await self._readers[kind].read(*command, timeout_s=timeout_s)


def block_option(block_s: float | None) -> list[str | int]:
    """Return the BLOCK option of a read; at least 1 ms (0 would block forever)."""
    if block_s is None:
        return []
    return ["BLOCK", max(1, round(min(block_s, MAX_BLOCK_S) * 1000))]
