"""One way to the server: send a command, a script or a pipeline; errors come back as ours."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import Any

import redis.exceptions as driver

from astrum.redis.connection import (
    COMMAND_TIMEOUT_S,
    LossWatch,
    RedisSettings,
    open_client,
)
from astrum.redis.scripts import Argument, ScriptCall, ScriptLibrary
from astrum.redis.translation import FAILURES, translate

Command = Sequence[Argument]


class Link:
    """A client whose every failure is a `StoreError`; replies are raw RESP2.

    ``watch`` is told who the server is at each new connection. ``client_id`` is the server's
    number of the newest connection, for CLIENT UNBLOCK.
    """

    def __init__(
        self,
        settings: RedisSettings,
        *,
        read_timeout_s: float = COMMAND_TIMEOUT_S,
        watch: LossWatch | None = None,
        library: ScriptLibrary | None = None,
    ) -> None:
        self.settings = settings
        self.watch = watch or LossWatch()
        self.library = library or ScriptLibrary()
        self.client_id = 0
        self._read_timeout_s = read_timeout_s
        self.client: Any = open_client(settings, on_connect=self._introduce)

    async def __aenter__(self) -> Link:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Drop all connections; harmless when repeated."""
        await self.client.aclose()

    async def execute(self, *command: Argument) -> Any:
        """Send one command and return its raw reply."""
        try:
            async with asyncio.timeout(self._read_timeout_s):
                return await self.client.execute_command(*command)
        except FAILURES as error:
            raise translate(error, self.settings) from error

    async def call(self, call: ScriptCall) -> Any:
        """Run a script; the server is taught it if it does not know it (yet, or any more)."""
        command = self.library.command(call)
        try:
            async with asyncio.timeout(self._read_timeout_s):
                return await self.client.execute_command(*command)
        except driver.NoScriptError:
            await self.execute(*self.library.load_command(call.name))
            return await self.execute(*command)
        except FAILURES as error:
            raise translate(error, self.settings) from error

    async def pipeline(self, commands: Sequence[Command], *, tolerant: bool = False) -> list[Any]:
        """Send several commands in one trip and return their replies.

        An error reply raises; with ``tolerant`` it stands in the place of the reply.
        """
        if not commands:
            return []
        try:
            replies = await self._send(commands)
        except FAILURES as error:
            raise translate(error, self.settings) from error
        for reply in replies:
            if isinstance(reply, driver.RedisError) and not tolerant:
                raise translate(reply, self.settings) from reply
        return replies

    async def _send(self, commands: Sequence[Command]) -> list[Any]:
        async with self.client.pipeline(transaction=False) as pipe:
            for command in commands:
                pipe.execute_command(*command)
            async with asyncio.timeout(self._read_timeout_s):
                replies: list[Any] = await pipe.execute(raise_on_error=False)
            return replies

    async def _introduce(self, connection: Any) -> None:
        await connection.on_connect()
        await connection.send_command("CLIENT", "ID")
        self.client_id = int(await connection.read_response())
        await connection.send_command("INFO")
        try:
            is_another = self.watch.connected_to(await connection.read_response())
        except driver.NoPermissionError:
            return  # without INFO a restart goes unnoticed until a group is missing
        if is_another:
            # The command that wants this connection was decided before the loss was known.
            raise driver.ConnectionError("the server was restarted or replaced meanwhile")
