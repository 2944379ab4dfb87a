"""What `serve --http` answers: the backlog of the queues, for autoscalers."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import click

from astrum.errors import StoreError
from astrum.runtime.cli.commands import say
from astrum.runtime.cli.options import option

if TYPE_CHECKING:
    from astrum.runtime.http import Answer
    from astrum.view import QueueState
    from astrum_coordinator.app import Coordinator

FRESH_S = 1.0
"""For so long an answer is given again, so that many who ask cost what one does."""
_QUEUES = "/queues"


class HttpAnswers:
    """Answers ``/queues`` and ``/queues/NAME`` from what a coordinator can see."""

    def __init__(self, coordinator: Coordinator) -> None:
        self._coordinator = coordinator
        self._looking = asyncio.Lock()
        self._seen: list[QueueState] = []
        self._seen_at = -FRESH_S

    async def answer(self, path: str) -> Answer:
        """Return the answer for a path."""
        from astrum.runtime.http import Answer, refusal

        name = path.removeprefix(f"{_QUEUES}/")
        if path != _QUEUES and name in (path, ""):
            why = f"there are {_QUEUES} and {_QUEUES}/NAME"
            return refusal(HTTPStatus.NOT_FOUND, why)
        try:
            found = await self._queues()
        except StoreError as error:
            return refusal(HTTPStatus.SERVICE_UNAVAILABLE, str(error))
        told = queues_to_json(found) if path == _QUEUES else queue_to_json(found, name)
        return Answer(json.dumps(told).encode())

    async def _queues(self) -> list[QueueState]:
        async with self._looking:
            if time.monotonic() - self._seen_at >= FRESH_S:
                self._seen = await self._coordinator.queues()
                self._seen_at = time.monotonic()
            return self._seen


def queues_to_json(found: list[QueueState]) -> list[Any]:
    """Return all queues, as ``queues --json`` prints them."""
    from astrum_coordinator.display.json_values import to_json

    return [to_json(one) for one in found]


def queue_to_json(found: list[QueueState], name: str) -> Any:
    """Return one queue; one that nothing uses has zeros: an autoscaler needs a number."""
    from astrum.view import QueueState
    from astrum_coordinator.display.json_values import to_json

    unused = QueueState(
        queue=name, waiting=0, running=0, oldest_waiting_s=None, workers=(), lanes={}
    )
    return to_json(next((one for one in found if one.queue == name), unused))


@asynccontextmanager
async def listening(
    coordinator: Coordinator, address: tuple[str, int] | None
) -> AsyncIterator[None]:
    """Answer on ``address`` while entered; without one nothing listens."""
    if address is None:
        yield
        return
    from astrum.runtime.http import HttpServer

    server = HttpServer(*address, HttpAnswers(coordinator).answer)
    try:
        await server.start()
    except OSError as error:
        raise click.UsageError(_not_listening(address, error)) from None
    try:
        say(f"answering on http://{address_text(address[0], server.port)}/queues")
        yield
    finally:
        await server.stop()


def _not_listening(address: tuple[str, int], error: OSError) -> str:
    """Return what is wrong with an address and what to do."""
    known = error.errno is not None and error.errno > 0  # else it is a failed look-up of the name
    why = os.strerror(error.errno or 0) if known else error.strerror or str(error)
    return (
        f"--http: this process cannot listen on {address_text(*address)}: "
        f"{why[:1].lower()}{why[1:]}; give a free port of this host, as in 127.0.0.1:8080"
    )


def address_text(host: str, port: int) -> str:
    """Return an address as `parse_address` reads it.

    >>> address_text("::1", 80)
    '[::1]:80'
    """
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def checked_address(
    ctx: click.Context, param: click.Parameter, value: str | None
) -> tuple[str, int] | None:
    """Return host and port of the option."""
    from astrum.runtime.http import parse_address

    if value is None:
        return None
    try:
        return parse_address(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


http_option = option(
    "--http",
    "http_address",
    metavar="HOST:PORT",
    callback=checked_address,
    help="Also answer GET /queues and /queues/NAME there, for autoscalers.",
)
