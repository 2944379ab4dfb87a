"""A small HTTP server for machines that poll: GET requests, short answers, no connection kept."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import unquote
from weakref import ref

logger = logging.getLogger("astrum.http")

MOST_CONNECTIONS = 64
LONGEST_HEAD = 8 * 1024
PATIENCE_S = 5.0
"""Seconds for a client to send its request, for the answer to be found, and to take it."""


class Answer(NamedTuple):
    """What a request gets."""

    body: bytes
    status: HTTPStatus = HTTPStatus.OK
    content_type: str = "application/json"


def refusal(status: HTTPStatus, why: str = "") -> Answer:
    """Return an answer that says what is wrong, as a line of text."""
    return Answer(f"{why or status.phrase}\n".encode(), status, "text/plain; charset=utf-8")


_ANOTHER_HOST = "this address is for this host alone: ask for 127.0.0.1 or localhost"
Handler = Callable[[str], Awaitable[Answer]]
"""Answers the request for a path, such as ``/queues``; without query, unquoted."""


class HttpServer:
    """Answers GET and HEAD on one address by ``handler``; ``port`` 0 takes a free one.

    On an address of this host alone it refuses requests for other hosts: a page in a browser here
    could name its own host, lead that name to this address, and read the answers.
    """

    def __init__(self, host: str, port: int, handler: Handler) -> None:
        self._host = host
        self._port = port
        self._handler = handler
        self._is_private = is_loopback(host)
        self._server: asyncio.Server | None = None
        self._talking: set[asyncio.Task[None]] = set()
        self._asking: dict[asyncio.Task[None], None] = {}  # who has not sent a whole request yet

    async def start(self) -> None:
        """Listen from now on; raises ``OSError`` if the address cannot be used."""
        self._server = await asyncio.start_server(
            self._talk, self._host, self._port, limit=LONGEST_HEAD
        )
        # A process that a task forks may live longer than this one, and would keep the address.
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=partial(_close_listening, ref(self)))

    async def stop(self) -> None:
        """Close the address and all connections."""
        if self._server is not None:
            self._server.close()
        for task in self._talking:
            task.cancel()
        await asyncio.gather(*self._talking, return_exceptions=True)

    @property
    def port(self) -> int:
        """The port that it listens on."""
        if self._server is None:
            return self._port
        return int(self._server.sockets[0].getsockname()[1])

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._make_room()
        self._talking.add(task)
        self._asking[task] = None
        try:
            # A cancelled task of a connection is an error in the log of some versions of Python.
            with suppress(OSError, TimeoutError, asyncio.CancelledError):
                await self._exchange(reader, writer)
        finally:
            self._asking.pop(task, None)
            self._talking.discard(task)
            writer.close()

    def _make_room(self) -> None:
        """Close the connection that has been without a request for longest if there are too many.

        So those that never ask do not keep others out, nor take all descriptors.
        """
        if len(self._talking) >= MOST_CONNECTIONS and self._asking:
            oldest = next(iter(self._asking))
            del self._asking[oldest]
            self._talking.discard(oldest)
            oldest.cancel()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        method, answer = await self._answered(reader)
        async with asyncio.timeout(PATIENCE_S):
            writer.write(_encoded(answer, with_body=method != "HEAD"))
            await writer.drain()

    async def _answered(self, reader: asyncio.StreamReader) -> tuple[str, Answer]:
        """Read a request and return its method and the answer."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return "", refusal(HTTPStatus.BAD_REQUEST)
        except asyncio.LimitOverrunError:
            return "", refusal(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        task = asyncio.current_task()
        assert task is not None
        self._asking.pop(task, None)
        words = head.partition(b"\r\n")[0].decode("latin-1").split(" ")
        if len(words) != 3 or not words[2].startswith("HTTP/1."):
            return "", refusal(HTTPStatus.BAD_REQUEST)
        method, target, _ = words
        if self._is_private and not is_loopback(_host_named(head)):
            return method, refusal(HTTPStatus.MISDIRECTED_REQUEST, _ANOTHER_HOST)
        return method, await self._answer(method, target)

    async def _answer(self, method: str, target: str) -> Answer:
        if method not in ("GET", "HEAD"):
            return refusal(HTTPStatus.METHOD_NOT_ALLOWED)
        if len(self._talking) > MOST_CONNECTIONS:
            return refusal(HTTPStatus.SERVICE_UNAVAILABLE, "too many requests at once")
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await self._handler(unquote(target.partition("?")[0]))
        except TimeoutError:
            return refusal(HTTPStatus.SERVICE_UNAVAILABLE, "no answer in time; try again")
        except Exception:
            logger.exception("a request failed")
            return refusal(HTTPStatus.INTERNAL_SERVER_ERROR)


def _close_listening(known: ref[HttpServer]) -> None:
    http = known()
    server = None if http is None else http._server
    for one in () if server is None else server.sockets:
        with suppress(OSError):
            os.close(one.fileno())


def _encoded(answer: Answer, *, with_body: bool) -> bytes:
    head = (
        f"HTTP/1.1 {answer.status.value} {answer.status.phrase}\r\n"
        f"Content-Type: {answer.content_type}\r\n"
        f"Content-Length: {len(answer.body)}\r\n"
        "Cache-Control: no-store\r\n"
        "X-Content-Type-Options: nosniff\r\n"
        "Connection: close\r\n\r\n"
    )
    return head.encode("latin-1") + (answer.body if with_body else b"")


def parse_address(text: str) -> tuple[str, int]:
    """Return host and port of ``HOST:PORT``; an IPv6 address is in brackets.

    Raises ``ValueError`` for anything else.

    >>> parse_address("127.0.0.1:8080"), parse_address("[::1]:80")
    (('127.0.0.1', 8080), ('::1', 80))
    """
    host, colon, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        colon = ""
    if not (host and colon and port.isascii() and port.isdecimal() and int(port) < 65536):
        raise ValueError(f"{text!r} is not HOST:PORT, such as 127.0.0.1:8080")
    return host, int(port)


def address_text(host: str, port: int) -> str:
    """Return an address as `parse_address` reads it.

    >>> address_text("::1", 80)
    '[::1]:80'
    """
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def cannot_listen(option: str, address: tuple[str, int], error: OSError) -> str:
    """Return what is wrong with the address of an option, and what to do."""
    known = error.errno is not None and error.errno > 0  # else it is a failed look-up of the name
    why = os.strerror(error.errno or 0) if known else error.strerror or str(error)
    return (
        f"{option}: this process cannot listen on {address_text(*address)}: "
        f"{why[:1].lower()}{why[1:]}; give a free port of this host, as in 127.0.0.1:8080"
    )


def is_loopback(host: str) -> bool:
    """Return whether a name or an address leads to this host alone; "" counts as such.

    >>> [is_loopback(host) for host in ("localhost", "127.0.0.5", "::1", "0.0.0.0", "evil.example")]
    [True, True, True, False, False]
    """
    if host.lower().rstrip(".") in ("", "localhost") or host.lower().endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False


def _host_named(head: bytes) -> str:
    """Return the host that a request is for, "" if it names none."""
    for line in head.decode("latin-1").split("\r\n")[1:]:
        name, _, value = line.partition(":")
        if name.strip().lower() == "host":
            host = value.strip()
            if host.startswith("["):
                return host[1:].partition("]")[0]
            return host.rpartition(":")[0] if host.count(":") == 1 else host
    return ""


def not_found(*paths: str) -> Answer:
    """Return the answer for a path that there is not: those that there are."""
    return refusal(HTTPStatus.NOT_FOUND, f"there are {', '.join(paths[:-1])} and {paths[-1]}")
