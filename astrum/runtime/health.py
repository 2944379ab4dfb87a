"""What a process answers about its health over HTTP: alive, ready, metrics, status."""

from __future__ import annotations

import json
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Protocol

from astrum.runtime.http import Answer
from astrum.runtime.metrics import CONTENT_TYPE, Readings, to_text

ENDPOINTS = ("/live", "/ready", "/metrics", "/status")


class HealthSource(Protocol):
    """A process, as it sees itself. Nothing here may ask the Redis server, but ``metrics``."""

    async def live(self) -> Sequence[str]:
        """Return why the process should be ended and started again; nothing if it should not."""

    async def ready(self) -> Sequence[str]:
        """Return why the process does not do its work at the moment; nothing if it does."""

    async def metrics(self) -> Readings:
        """Return its metrics."""

    async def status(self) -> dict[str, Any]:
        """Return what it does at the moment, as a value for JSON."""


async def health_answer(source: HealthSource, path: str) -> Answer | None:
    """Return the answer for one of the `ENDPOINTS`, `None` for other paths."""
    if path == "/live":
        return _judged("live", await source.live())
    if path == "/ready":
        return _judged("ready", await source.ready())
    if path == "/metrics":
        return Answer(to_text(await source.metrics()), content_type=CONTENT_TYPE)
    if path == "/status":
        return Answer(_json(await source.status()))
    return None


def _judged(name: str, reasons: Sequence[str]) -> Answer:
    if not reasons:
        return Answer(_json({name: True}))
    told = {name: False, "reasons": list(reasons)}
    return Answer(_json(told), HTTPStatus.SERVICE_UNAVAILABLE)


def _json(value: Any) -> bytes:
    return json.dumps(value).encode() + b"\n"
