"""The small HTTP server: what it answers, and what it refuses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from astrum.runtime import http
from astrum.runtime.http import (
    LONGEST_HEAD,
    MOST_CONNECTIONS,
    Answer,
    HttpServer,
    parse_address,
)


async def echo(path: str) -> Answer:
    if path == "/broken":
        raise ValueError("as it happens")
    if path == "/endless":
        await asyncio.Event().wait()
    return Answer(path.encode(), content_type="text/plain")


@pytest.fixture
async def server() -> AsyncIterator[HttpServer]:
    server = HttpServer("127.0.0.1", 0, echo)
    await server.start()
    yield server
    await server.stop()


async def ask(server: HttpServer, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(request)
    writer.write_eof()
    try:
        return await reader.read()
    finally:
        writer.close()


async def test_a_path_is_answered_without_its_query_and_unquoted(server: HttpServer) -> None:
    reply = await ask(server, b"GET /a%20b?c=d HTTP/1.1\r\nHost: localhost:1\r\n\r\n")
    head, _, body = reply.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"Content-Length: 4" in head
    assert body == b"/a b"


async def test_head_has_no_body(server: HttpServer) -> None:
    reply = await ask(server, b"HEAD /ab HTTP/1.1\r\n\r\n")
    assert reply.startswith(b"HTTP/1.1 200 ")
    assert b"Content-Length: 3" in reply
    assert reply.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"POST / HTTP/1.1\r\n\r\n", b"405"),
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET / SPDY/3\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\n", b"400"),
        (b"", b"400"),
        (b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * LONGEST_HEAD + b"\r\n", b"431"),
    ],
)
async def test_other_requests_are_refused(
    server: HttpServer, request_bytes: bytes, status: bytes
) -> None:
    reply = await ask(server, request_bytes)
    assert reply.startswith(b"HTTP/1.1 " + status)


async def test_a_request_that_fails_leaves_the_server_answering(
    server: HttpServer, caplog: pytest.LogCaptureFixture
) -> None:
    assert (await ask(server, b"GET /broken HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 500")
    assert "a request failed" in caplog.text
    assert (await ask(server, b"GET / HTTP/1.1\r\n\r\n")).endswith(b"/")


async def test_an_answer_that_takes_too_long_is_a_refusal(
    server: HttpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "PATIENCE_S", 0.05)
    reply = await ask(server, b"GET /endless HTTP/1.1\r\n\r\n")
    assert reply.startswith(b"HTTP/1.1 503")
    assert b"no answer in time" in reply


async def test_clients_that_do_not_ask_make_room_for_others(
    server: HttpServer,
) -> None:
    silent = [
        await asyncio.open_connection("127.0.0.1", server.port) for _ in range(MOST_CONNECTIONS + 9)
    ]
    try:
        assert (await ask(server, b"GET /ab HTTP/1.1\r\n\r\n")).endswith(b"/ab")
        for reader, _ in silent[:10]:
            assert await reader.read() == b"", "the oldest were closed"
        assert not silent[-1][0].at_eof()
    finally:
        for _, writer in silent:
            writer.close()


async def test_the_server_stops_in_silence_while_clients_are_connected(
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = HttpServer("127.0.0.1", 0, echo)
    await server.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    await ask(server, b"GET /ab HTTP/1.1\r\n\r\n")
    await server.stop()
    assert await reader.read() == b""
    writer.close()
    assert caplog.text == ""


@pytest.mark.parametrize("text", ["8080", ":8080", "host:", "host:x", "host:70000", "::1:80", ""])
def test_an_address_is_host_and_port(text: str) -> None:
    with pytest.raises(ValueError, match="is not HOST:PORT"):
        parse_address(text)
