"""Asking a server something through a coordinator, as the short commands do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from astrum_coordinator.cli.options import require_redis

if TYPE_CHECKING:
    from astrum_coordinator.app import Coordinator

Answer = TypeVar("Answer")


def ask(
    redis_url: str | None, prefix: str | None, question: Callable[[Coordinator], Awaitable[Answer]]
) -> Answer:
    """Connect, put the question, and return the answer."""
    settings = require_redis(redis_url, prefix)

    async def put() -> Answer:
        from astrum_coordinator.app import Coordinator

        async with Coordinator(settings) as coordinator:
            return await question(coordinator)

    return asyncio.run(put())
