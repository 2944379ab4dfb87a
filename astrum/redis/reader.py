"""A blocking read that can be ended at once, without a race and without losing entries.

Cancelling the task that reads would drop the connection, and entries that the server had just
delivered to it would be orphaned; CLIENT UNBLOCK ends the read on the server instead.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from astrum.errors import StoreError
from astrum.redis.client import Client
from astrum.redis.script_library import Argument

_REPEAT_S = 0.01


class BlockingReader:
    """One connection for blocking reads, one at a time."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._idle = asyncio.Event()
        self._idle.set()
        self._is_interrupted = False
        self._reads = 0

    @property
    def client(self) -> Client:
        """The connection."""
        return self._client

    async def close(self) -> None:
        """Drop the connection."""
        await self._client.close()

    async def read(self, *command: Argument, timeout_s: float) -> Any:
        """Send a blocking read; ``None`` if nothing came or `interrupt` was called.

        ``timeout_s`` must be longer than the read may block; then the connection is given up.
        """
        if self._is_interrupted:
            self._is_interrupted = False
            return None
        self._idle.clear()
        self._reads += 1
        try:
            reply = await self._client.execute(*command, timeout_s=timeout_s)
            self._is_interrupted = False  # not after an error: the read that follows must end
            return reply
        except asyncio.CancelledError:
            await self._client.close()  # else the next read would wait behind this one's reply
            raise
        finally:
            self._idle.set()

    async def interrupt(self, via: Client) -> None:
        """End the read under way, or the next one if there is none; ``via`` another connection.

        The server may get the UNBLOCK before the read, and then it has no effect. So UNBLOCK is
        repeated until that read is over; the reader may have begun another one by then.
        """
        self._is_interrupted = True
        reading = self._reads
        while not self._idle.is_set() and self._reads == reading:
            try:
                await via.execute("CLIENT", "UNBLOCK", self._client.client_id)
            except StoreError:
                return  # the read fails or times out by itself
            await self._settle_down()

    def forget_interrupt(self) -> None:
        """Let the next read wait, although `interrupt` was called since the last one."""
        self._is_interrupted = False

    async def _settle_down(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(_REPEAT_S):
                await self._idle.wait()
