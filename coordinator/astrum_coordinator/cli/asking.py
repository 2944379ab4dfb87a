"""Opens a coordinator for a command, waiting for a server that is not ready yet."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

from astrum.runtime.cli.options import ServerOptions
from astrum_coordinator.cli.options import require_redis

if TYPE_CHECKING:
    from astrum.redis.settings import RedisSettings
    from astrum_coordinator.app import Coordinator

Answer = TypeVar("Answer")


def patient_coordinator(settings: RedisSettings, **config: Any) -> Coordinator:
    """Return the coordinator of a command, to be entered; ``config`` as in `CoordinatorConfig`."""
    from astrum.redis.patience import START_PATIENCE_S
    from astrum_coordinator.app import Coordinator
    from astrum_coordinator.config import CoordinatorConfig

    chosen = CoordinatorConfig(start_patience_s=START_PATIENCE_S, **config)
    return Coordinator(settings, config=chosen)


def ask(server: ServerOptions, question: Callable[[Coordinator], Awaitable[Answer]]) -> Answer:
    """Connect, ask ``question`` and return the answer; it may be asked more than once."""
    settings = require_redis(server)

    async def put() -> Answer:
        from astrum.redis.patience import START_PATIENCE_S, patiently

        async with patient_coordinator(settings) as coordinator:
            return await patiently(lambda: question(coordinator), patience_s=START_PATIENCE_S)

    return asyncio.run(put())
