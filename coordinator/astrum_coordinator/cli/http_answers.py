"""What `serve --http` answers: its health and metrics, and the backlog for autoscalers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from astrum.errors import StoreError
from astrum.runtime.cli.commands import say
from astrum.runtime.cli.listening import checked_address, start_listening
from astrum.runtime.cli.options import option

if TYPE_CHECKING:
    from astrum.runtime.http import Answer
    from astrum.view import QueueState
    from astrum_coordinator.app import Coordinator

_QUEUES = "/queues"


class HttpAnswers:
    """Answers for the health of a coordinator, and ``/queues`` from what it can see."""

    def __init__(self, coordinator: Coordinator) -> None:
        from astrum_coordinator.health import Recent

        self._health = coordinator.health()
        self._queues = Recent(coordinator.queues)

    async def answer(self, path: str) -> Answer:
        """Return the answer for a path."""
        from astrum.runtime.health import ENDPOINTS, health_answer
        from astrum.runtime.http import Answer, not_found, refusal

        if (answer := await health_answer(self._health, path)) is not None:
            return answer
        name = path.removeprefix(f"{_QUEUES}/")
        if path != _QUEUES and name in (path, ""):
            return not_found(*ENDPOINTS, _QUEUES, f"{_QUEUES}/NAME")
        try:
            found = await self._queues.get()
        except StoreError as error:
            return refusal(HTTPStatus.SERVICE_UNAVAILABLE, str(error))
        told = queues_to_json(found) if path == _QUEUES else queue_to_json(found, name)
        return Answer(json.dumps(told).encode())


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
    from astrum.runtime.http import HttpServer, address_text

    server = HttpServer(*address, HttpAnswers(coordinator).answer)
    await start_listening(server, "--http", address)
    try:
        say(f"answering on http://{address_text(address[0], server.port)}/queues")
        yield
    finally:
        await server.stop()


http_option = option(
    "--http",
    "--health",
    "http_address",
    metavar="HOST:PORT",
    callback=checked_address,
    help="Also answer GET /live, /ready, /metrics and /status there, and for autoscalers /queues "
    "and /queues/NAME.",
)
