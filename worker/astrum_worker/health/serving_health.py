"""How the health of a worker process is asked for: over HTTP, or by its supervisor."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from astrum.runtime.cli.listening import start_listening
from astrum.runtime.health import ENDPOINTS, HealthSource, health_answer
from astrum.runtime.http import Answer, HttpServer, address_text, not_found
from astrum.runtime.loop_thread import LoopThread
from astrum.runtime.metrics import to_data
from astrum_worker.health_link import LIVE, METRICS, READY, STATUS

logger = logging.getLogger("astrum.worker")

_THREAD = "astrum-health"


def http_health(source: HealthSource, address: tuple[str, int]) -> tuple[LoopThread, HttpServer]:
    """Return a thread that answers on an address, and the server that it starts."""
    server = health_server(source, address)
    return LoopThread(_THREAD, partial(start_listening, server, "--health", address)), server


def health_server(source: HealthSource, address: tuple[str, int]) -> HttpServer:
    """Return a server that answers for the health of a process."""
    return HttpServer(*address, partial(_answer, source))


def health_line(host: str, port: int) -> str:
    """Return the line for people with the address of the answers."""
    return f"answering on http://{address_text(host, port)}/ready"


async def _answer(source: HealthSource, path: str) -> Answer:
    return await health_answer(source, path) or not_found(*ENDPOINTS)


def supervisor_health(source: HealthSource, fd: int) -> LoopThread:
    """Return a thread that answers the supervisor, at the other end of the socket ``fd``."""
    os.set_inheritable(fd, False)  # the children of tasks must not keep it open
    connection = socket.socket(fileno=fd)
    answering: set[asyncio.Task[None]] = set()  # a loop keeps no task alive by itself

    async def begin() -> None:
        answering.add(asyncio.create_task(_answer_supervisor(source, connection)))

    return LoopThread(_THREAD, begin)


async def _answer_supervisor(source: HealthSource, connection: socket.socket) -> None:
    """Answer each line ``[number, question]`` by ``[number, answer]``."""
    reader, writer = await asyncio.open_unix_connection(sock=connection)
    while line := await reader.readline():
        number, question = json.loads(line)
        writer.write(json.dumps([number, await _told(source, question)]).encode() + b"\n")
        await writer.drain()


async def _told(source: HealthSource, question: str) -> Any:
    answers: dict[str, Callable[[], Awaitable[Any]]] = {
        LIVE: source.live,
        READY: source.ready,
        STATUS: source.status,
    }
    try:
        if question == METRICS:
            return to_data(await source.metrics())
        return await answers[question]()
    except Exception:
        logger.exception("a question of the supervisor about %s failed", question)
        return None
