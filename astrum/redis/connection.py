"""One connection to the server that many commands share: sent at once, answered in order.

A general client reserves a connection for each command and takes about a tenth of a millisecond
for it. Here a command is one write and one future, so that a hop through the server takes little
more than the server's own time. hiredis parses and packs.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, cast

import hiredis
import redis.exceptions as driver

from astrum.redis.address import Address
from astrum.redis.places import Answer, why_it_ended
from astrum.redis.script_library import Argument
from astrum.redis.settings import COMMAND_TIMEOUT_S, RedisSettings
from astrum.redis.translation import FAILURES

_KEEP_ALIVE = {"TCP_KEEPIDLE": 15, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3}
"""TCP keepalive: seconds of silence before the first probe, between probes, and their number."""
_MOST_BYTES_LEFT = 65_536
_TAKEN_AT_ONCE = 64 * 1024
"""Commands of at most so many bytes are sent without a check of how fast the server reads."""
STILL_S = 1.0
"""A timer that is later than this was kept from running, and so was all reading."""
_READ_S = 1.0
"""What is left then to read replies."""
_NOTHING = object()
"""The parser's result while a reply is not complete yet."""


class _Waiting(NamedTuple):
    reply: asyncio.Future[Any]
    sent_at: float
    timeout_s: float


class Connection(asyncio.Protocol):
    """An open connection. A violation of the protocol ends it and fails all waiting commands.

    So does silence, since the connection may be half open: waiting commands fail with
    ``TimeoutError`` when nothing has arrived for as long as they may take. A reply that keeps
    arriving, however slowly, is not late; nor is a command that is still being sent. A process that
    stood still first reads what has arrived meanwhile. One timer
    serves all commands, since a timer for each costs as much as the command.

    The first command of a turn of the loop is sent at once, all others of the turn together after
    it: many runs and attempts send something in the same turn, and a system call for each would
    cost both ends more than the command. A reply is dropped if its command was cancelled. `on_push`
    gets the messages of subscriptions, `on_end` is called when the connection has ended.
    """

    def __init__(self) -> None:
        self.on_push: Callable[[Any], None] | None = None
        self.on_end: Callable[[], None] | None = None
        self._waiting: deque[_Waiting] = deque()
        self._alarm: asyncio.TimerHandle | None = None
        self._refusal: driver.ResponseError | None = None  # of the connection, before any command
        self._parser = hiredis.Reader(
            protocolError=driver.InvalidResponse,
            replyError=driver.ResponseError,
            notEnoughData=_NOTHING,
        )
        self._transport: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()
        self._moved_at = self._loop.time()
        self._unsent = 0
        self._is_turn_open = False
        self._gathered: list[bytes] = []

    @property
    def is_open(self) -> bool:
        """True if commands can be sent."""
        return self._transport is not None and not self._transport.is_closing()

    @property
    def silent_s(self) -> float:
        """Seconds since the last byte arrived."""
        return self._loop.time() - self._moved_at

    def send(
        self, command: Sequence[Argument], timeout_s: float = COMMAND_TIMEOUT_S
    ) -> asyncio.Future[Any]:
        """Send a command; the future gives its raw reply or raises its error.

        ``timeout_s`` is how long the other end may be silent.
        """
        if self._transport is None or self._transport.is_closing():
            raise self._refusal or driver.ConnectionError("the connection is closed")
        packed = hiredis.pack_command(tuple(command))  # type: ignore[arg-type]  # its stub takes one
        if self._is_turn_open:
            self._gathered.append(packed)
        else:
            self._is_turn_open = True
            self._loop.call_soon(self._end_turn)
            self._write(self._transport, packed)
        reply: asyncio.Future[Any] = self._loop.create_future()
        now = self._loop.time()
        self._waiting.append(_Waiting(reply, now, timeout_s))
        deadline = now + timeout_s
        if self._alarm is None or deadline < self._alarm.when():
            self._set_alarm(deadline)
        return reply

    def send_together(self, commands: Sequence[Sequence[Argument]]) -> list[asyncio.Future[Any]]:
        """Send commands in one write; their futures are as those of `send`.

        A server that takes no more clients says so and closes the connection. A second write may
        come after that: it fails, and with it what the server has said is lost.
        """
        is_own_turn, self._is_turn_open = not self._is_turn_open, True
        replies = [self.send(command) for command in commands]
        if is_own_turn:
            self._end_turn()
        return replies

    def _end_turn(self) -> None:
        self._is_turn_open = False
        gathered, self._gathered = self._gathered, []
        if gathered and self._transport is not None and not self._transport.is_closing():
            self._write(self._transport, b"".join(gathered))

    def _write(self, transport: asyncio.Transport, data: bytes) -> None:
        transport.write(data)
        if len(data) > _TAKEN_AT_ONCE:
            self._unsent = transport.get_write_buffer_size()

    def drop(self, error: Exception | None = None) -> None:
        """End the connection at once and fail all waiting commands; harmless when repeated."""
        if self._transport is not None:
            self._transport.abort()
        self._fail(error or driver.ConnectionError("the connection was closed"))

    # --- called by the loop -------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Resolve the futures of complete replies."""
        self._moved_at = self._loop.time()
        try:
            self._parser.feed(data)
            while (reply := self._parser.gets()) is not _NOTHING:
                self._hand_out(reply)
        except driver.InvalidResponse as error:
            self.drop(error)

    def connection_lost(self, error: Exception | None) -> None:
        """Fail all waiting commands."""
        transport, self._transport = self._transport, None
        if isinstance(error, OSError) and transport is not None:
            self._read_rest(transport)
        why = f": {error}" if error else ""
        failure = driver.ConnectionError(f"the connection was lost{why}")
        failure.__cause__ = error
        self._fail(self._refusal or failure)
        if self.on_end is not None:
            self.on_end()

    def _read_rest(self, transport: asyncio.Transport) -> None:
        """Read what the server said before it closed the connection.

        A server that takes no more clients says so and closes. If a write fails meanwhile, the
        loop ends the connection without reading any more.
        """
        if transport.get_extra_info("ssl_object") is not None:
            return
        try:
            data = os.read(transport.get_extra_info("socket").fileno(), _MOST_BYTES_LEFT)
        except OSError:
            return  # there is nothing to read
        if data:
            self.data_received(data)

    def _hand_out(self, reply: Any) -> None:
        if not self._waiting:
            if self.on_push is not None:
                self.on_push(reply)
            elif isinstance(reply, driver.ResponseError):
                self._refusal = reply
            return
        future = self._waiting.popleft().reply
        if future.done():
            return
        if isinstance(reply, driver.RedisError):
            future.set_exception(reply)
        else:
            future.set_result(reply)

    def _set_alarm(self, deadline: float) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = self._loop.call_at(deadline, self._look_for_late)

    def _look_for_late(self) -> None:
        alarm, self._alarm = self._alarm, None
        if not self._waiting:
            return
        unsent = self._transport.get_write_buffer_size() if self._transport is not None else 0
        if unsent < self._unsent:  # the other end takes what is sent
            self._moved_at = self._loop.time()
        self._unsent = unsent
        moved_at = self._moved_at
        earliest = min(max(one.sent_at, moved_at) + one.timeout_s for one in self._waiting)
        now = self._loop.time()
        if earliest > now:
            self._set_alarm(earliest)
        elif alarm is not None and now - alarm.when() > STILL_S:
            self._set_alarm(now + _READ_S)  # this process stood still: replies may wait to be read
        else:
            self.drop(TimeoutError("the server does not answer"))

    def _fail(self, error: Exception) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        waiting, self._waiting = self._waiting, deque()
        for future, _, _ in waiting:
            if not future.done():
                future.set_exception(error)
                future.exception()  # mark the error as seen: the waiting task may be gone


async def open_connection(settings: RedisSettings) -> Connection:
    """Connect to where the server is now, and log in.

    Raises the driver's errors, ``OSError`` and kinds of `StoreError`.
    """
    search = settings.places.search(settings.address, settings.keys.leases, settings.masked_url)
    connection, there = None, None
    try:
        visit = next(search)
        while True:
            if visit.address != there and connection is not None:
                connection.drop()
                connection = None
            try:
                async with asyncio.timeout(visit.timeout_s):
                    connection = connection or await _connect(settings, visit.address)
                    there = visit.address
                    answer: Answer = await _send_all(connection, visit.commands)
            except FAILURES as error:
                answer = error
            visit = search.send(answer)
    except StopIteration:
        assert connection is not None
        return connection
    except BaseException:
        search.close()
        if connection is not None:
            connection.drop()
        raise


async def _connect(settings: RedisSettings, address: Address) -> Connection:
    loop = asyncio.get_running_loop()
    if address.path:
        _, connection = await loop.create_unix_connection(Connection, address.path)
    else:
        transport, connection = await loop.create_connection(
            Connection, address.host, address.port, ssl=settings.tls_context()
        )
        keep_alive(transport.get_extra_info("socket"))
    try:
        for command in login(address):
            try:
                await connection.send(command)
            except driver.ResponseError as error:
                raise refused_login(command, error) from None
    except BaseException:
        connection.drop()
        raise
    return connection


async def _send_all(connection: Connection, commands: Sequence[Sequence[Argument]]) -> list[Any]:
    """Send commands in one trip; a refusal is a reply, a failure of the connection is raised."""
    replies = await asyncio.gather(*connection.send_together(commands), return_exceptions=True)
    for reply in replies:
        if isinstance(reply, Exception) and not isinstance(reply, driver.ResponseError):
            raise why_it_ended(replies, reply)
    return replies


def keep_alive(connection: socket.socket) -> None:
    """Detect a lost peer also where nothing is sent, as by a subscriber."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEP_ALIVE.items():
        if hasattr(socket, name):  # the system's own hours else
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def login(address: Address) -> list[tuple[Argument, ...]]:
    """Return the first commands of a connection."""
    commands: list[tuple[Argument, ...]] = []
    if address.password or address.username:
        user = [address.username] if address.username else []
        commands.append(("AUTH", *user, address.password))
    if address.database:
        commands.append(("SELECT", address.database))
    return commands


def refused_login(command: Sequence[Argument], error: driver.ResponseError) -> Exception:
    """Return the error for a command of the login that the server refused."""
    return driver.AuthenticationError(str(error)) if command[0] == "AUTH" else error
