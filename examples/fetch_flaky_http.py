"""Retries that overcome a service which is busy at first.

    astrum-coordinator run examples/fetch_flaky_http.py

Three pages are fetched at the same time and added up. The service is a stand-in that this module
brings along: it refuses the first two attempts at every page. It goes by the attempt number in
the request and keeps no state, so it may run beside the fetch in whichever process an attempt
happens to be, and the example behaves alike in one process and on many hosts.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from astrum import F, Ref, RetryPolicy, current_attempt, task

REFUSED_ATTEMPTS = 2
PATIENT = RetryPolicy(
    max_retries=4, delay=0.1, backoff=2.0, max_delay=1.0, jitter=0.5, retry_on=(ConnectionError,)
)


class ServiceBusyError(ConnectionError):
    """The service answered 503; another attempt may succeed."""


@task("fetch_a", retry=PATIENT, timeout=10)
async def fetch_a() -> dict[str, int]:
    return await fetch("/a")


@task("fetch_b", retry=PATIENT, timeout=10)
async def fetch_b() -> dict[str, int]:
    return await fetch("/b")


@task("fetch_c", retry=PATIENT, timeout=10)
async def fetch_c() -> dict[str, int]:
    return await fetch("/c")


@task("add_up")
async def add_up(
    a: Ref[int, F(fetch_a, "length")],
    b: Ref[int, F(fetch_b, "length")],
    c: Ref[int, F(fetch_c, "length")],
) -> int:
    print(f"three pages, {a + b + c} bytes")
    return a + b + c


async def fetch(path: str) -> dict[str, int]:
    """Fetch one page and measure it; raises `ServiceBusyError` when told to come back later."""
    attempt = current_attempt().attempt
    async with stand_in_service() as port:
        status, body = await get(port, path, {"X-Attempt": str(attempt)})
    if status == 503:
        raise ServiceBusyError(f"{path} is busy")
    return {"length": len(body), "attempts": attempt}


async def get(port: int, path: str, headers: dict[str, str]) -> tuple[int, bytes]:
    """Send one HTTP request to this machine and return the status and the body."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    lines = [f"GET {path} HTTP/1.0", *(f"{name}: {value}" for name, value in headers.items())]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), body


@asynccontextmanager
async def stand_in_service() -> AsyncIterator[int]:
    """Run the busy service on a free port of this machine, and yield the port."""
    server = await asyncio.start_server(answer_request, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def answer_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    request = (await reader.readuntil(b"\r\n\r\n")).decode()
    path = request.split()[1]
    attempt = int(request.partition("X-Attempt: ")[2].split()[0])
    if attempt <= REFUSED_ATTEMPTS:
        writer.write(b"HTTP/1.0 503 Service Unavailable\r\n\r\n")
    else:
        writer.write(f"HTTP/1.0 200 OK\r\n\r\nthis is the page {path}\n".encode())
    writer.close()
    await writer.wait_closed()
