"""Sends commands, scripts and pipelines to the server, and translates errors to Astrum's."""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Sequence
from types import TracebackType
from typing import Any

import redis.exceptions as driver

from astrum.errors import StoreError
from astrum.redis.connection import Connection, open_connection
from astrum.redis.script_library import Argument, ScriptCall, ScriptLibrary
from astrum.redis.settings import COMMAND_TIMEOUT_S, RedisSettings, ServerLossDetector
from astrum.redis.translation import FAILURES, is_about_keys, is_no_master, translate

Command = Sequence[Argument]

_OLD_CLIENT = re.compile("ERR (unknown subcommand|syntax error)", re.IGNORECASE)
"""The error of a server whose connections have no numbers."""


class Client:
    """A connection, opened when it is needed, whose every failure is a `StoreError`.

    Replies are raw RESP2. Commands of many asyncio tasks share it; a command that blocks on the
    server needs a client of its own. ``loss_detector`` gets the server's
    identity at each new connection.
    ``client_id`` is the server's number of the newest connection, for CLIENT UNBLOCK.
    """

    def __init__(
        self,
        settings: RedisSettings,
        *,
        read_timeout_s: float = COMMAND_TIMEOUT_S,
        loss_detector: ServerLossDetector | None = None,
        library: ScriptLibrary | None = None,
    ) -> None:
        self.settings = settings
        self.loss_detector = loss_detector or ServerLossDetector()
        self.loss_detector.attend(self)
        self.library = library or ScriptLibrary()
        self.client_id = 0
        self._read_timeout_s = read_timeout_s
        self._connection: Connection | None = None
        self._was_connected = False
        self._connecting = asyncio.Lock()

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Drop the connection; harmless when repeated."""
        self.drop()

    @property
    def silent_s(self) -> float:
        """Seconds since the last byte arrived, without end if there is no connection."""
        return math.inf if self._connection is None else self._connection.silent_s

    def drop(self) -> None:
        """End the connection at once; the next command opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.drop()

    async def execute(self, *command: Argument, timeout_s: float | None = None) -> Any:
        """Send one command and return its raw reply; ``timeout_s`` replaces the client's own."""
        try:
            return await self._exchange(command, timeout_s or self._read_timeout_s)
        except FAILURES as error:
            raise self._failure(error) from error

    async def call(self, call: ScriptCall) -> Any:
        """Run a script, and load it into the server first if that does not know it."""
        command = self.library.command(call)
        try:
            return await self._exchange(command, self._read_timeout_s)
        except FAILURES as error:
            if not str(error).startswith("NOSCRIPT"):
                raise self._failure(error) from error
        await self.execute(*self.library.load_command(call.name))
        return await self.execute(*command)

    async def call_all(self, calls: Sequence[ScriptCall]) -> list[Any]:
        """Run scripts in one trip and return their replies; raises the first error."""
        try:
            replies = await self._exchange_all([self.library.command(call) for call in calls])
        except FAILURES as error:
            raise self._failure(error) from error
        for number, reply in enumerate(replies):
            if isinstance(reply, BaseException):
                if not str(reply).startswith("NOSCRIPT"):
                    raise self._failure(reply) from reply
                replies[number] = await self.call(calls[number])
        return replies

    async def pipeline(self, commands: Sequence[Command], *, tolerant: bool = False) -> list[Any]:
        """Send several commands in one trip and return their replies.

        An error reply raises; with ``tolerant`` an error about keys replaces the reply.
        """
        if not commands:
            return []
        try:
            replies = await self._exchange_all(commands)
        except FAILURES as error:
            raise self._failure(error) from error
        for reply in replies:
            if isinstance(reply, BaseException) and not (tolerant and is_about_keys(reply)):
                raise self._failure(reply) from reply
        return replies

    def _failure(self, error: BaseException) -> StoreError:
        """Return Astrum's error; drop the connections if the server is not a master now."""
        if is_no_master(error):
            self.loss_detector.leave_server()
        translated = translate(error, self.settings)
        self.loss_detector.counts.note_error(translated)
        return translated

    async def _exchange_all(self, commands: Sequence[Command]) -> list[Any]:
        connection = await self._connected(self._read_timeout_s)
        futures = [connection.send(command, self._read_timeout_s) for command in commands]
        return await asyncio.gather(*futures, return_exceptions=True)

    async def connection(self) -> Connection:
        """Return the open connection; connects if there is none. Raises the driver's errors."""
        connection = self._connection
        if connection is not None and connection.is_open:
            return connection
        suspicions = self.loss_detector.count
        async with self._connecting:
            if self._connection is None or not self._connection.is_open:
                connection = await open_connection(self.settings)
                try:
                    await self._introduce(connection)
                except BaseException:
                    connection.drop()
                    raise
                self._connection = connection
                self.loss_detector.counts.reconnects += self._was_connected
                self._was_connected = True
            if self.loss_detector.count != suspicions:
                # The caller decided to send its command before the loss was known. The new server
                # may lack the writes which that decision relied on, so the command must not be
                # sent to it. It does not matter which waiting caller, here or at another client,
                # found the new server first: each of them compares the count from before its wait.
                raise driver.ConnectionError("the server was restarted or replaced meanwhile")
            return self._connection

    async def _exchange(self, command: Command, timeout_s: float) -> Any:
        connection = self._connection
        if connection is None or not connection.is_open:
            connection = await self._connected(timeout_s)
        return await connection.send(command, timeout_s)

    async def _connected(self, timeout_s: float) -> Connection:
        async with asyncio.timeout(timeout_s):  # others may be trying to connect, without success
            return await self.connection()

    async def _introduce(self, connection: Connection) -> None:
        """Ask for the connection's number and the server's identity."""
        try:
            self.client_id = int(await connection.send(["CLIENT", "ID"]))
        except driver.ResponseError as error:
            if not _OLD_CLIENT.match(str(error)):
                raise  # Redis before 5 continues: `check_server` refuses its version
        try:
            is_another = self.loss_detector.connected_to(await connection.send(["INFO"]))
        except driver.ResponseError as error:
            if "NOPERM" not in str(error):
                raise  # without INFO a restart goes unnoticed until a group is missing
            return
        if is_another:  # connections to the one before may still be open
            self.loss_detector.leave_server()
