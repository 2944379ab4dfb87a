"""A blocking connection, for the thread of a heartbeat: one command at a time."""

from __future__ import annotations

import selectors
import socket
import ssl
from collections.abc import Sequence
from typing import Any

import hiredis
import redis.exceptions as driver

from astrum.redis.address import Address
from astrum.redis.connection import keep_alive, login, refused_login
from astrum.redis.places import Answer, why_it_ended
from astrum.redis.script_library import Argument
from astrum.redis.settings import RedisSettings
from astrum.redis.translation import FAILURES

_CHUNK = 64 * 1024


class BlockingConnection:
    """An open connection, logged in; after an error that is not a reply, close it.

    ``timeout_s`` is how long the other end may be silent.
    """

    def __init__(self, address: Address, context: ssl.SSLContext | None, timeout_s: float) -> None:
        self._parser = hiredis.Reader(
            protocolError=driver.InvalidResponse, replyError=driver.ResponseError
        )
        self._socket = _connected(address, context, timeout_s)
        try:
            for command in login(address):
                try:
                    self.send(command)
                except driver.ResponseError as error:
                    raise refused_login(command, error) from None
        except BaseException:
            self.close()
            raise

    def send(self, command: Sequence[Argument]) -> Any:
        """Send a command and return its raw reply, or raise its error."""
        self._socket.sendall(hiredis.pack_command(tuple(command)))  # type: ignore[arg-type]  # its stub takes one
        while (reply := self._parser.gets()) is False:
            data = self._socket.recv(_CHUNK)
            if not data:
                raise driver.ConnectionError("the connection was lost")
            self._parser.feed(data)
        if isinstance(reply, driver.RedisError):
            raise reply
        return reply

    def is_usable(self) -> bool:
        """Return whether the other end has neither closed it nor sent what was not asked for."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._socket, selectors.EVENT_READ)
            return not selector.select(0)

    def close(self) -> None:
        """Close it at once; harmless when repeated."""
        self._socket.close()


def open_blocking(
    settings: RedisSettings, context: ssl.SSLContext | None, timeout_s: float
) -> BlockingConnection:
    """Connect to where the server is now; raises as `open_connection`."""
    search = settings.places.search(settings.address, settings.keys.leases, settings.masked_url)
    connection, there = None, None
    try:
        visit = next(search)
        while True:
            if visit.address != there and connection is not None:
                connection.close()
                connection = None
            try:
                limit_s = min(visit.timeout_s, timeout_s)
                connection = connection or BlockingConnection(visit.address, context, limit_s)
                there = visit.address
                answer: Answer = _replies(connection, visit.commands)
            except FAILURES as error:
                answer = error
            visit = search.send(answer)
    except StopIteration:
        assert connection is not None
        return connection
    except BaseException:
        search.close()
        if connection is not None:
            connection.close()
        raise


def _replies(connection: BlockingConnection, commands: Sequence[Sequence[Argument]]) -> list[Any]:
    """Send commands one by one; a refusal is a reply, a failure of the connection is raised."""
    replies: list[Any] = []
    for command in commands:
        try:
            replies.append(connection.send(command))
        except driver.ResponseError as error:
            replies.append(error)
        except FAILURES as error:
            raise why_it_ended(replies, error) from None
    return replies


def _connected(address: Address, context: ssl.SSLContext | None, timeout_s: float) -> socket.socket:
    if address.path:
        raw = socket.socket(socket.AF_UNIX)
    else:
        raw = socket.create_connection((address.host, address.port), timeout_s)
    try:
        raw.settimeout(timeout_s)
        if address.path:
            raw.connect(address.path)
            return raw
        keep_alive(raw)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return context.wrap_socket(raw, server_hostname=address.host) if context else raw
    except BaseException:
        raw.close()
        raise
