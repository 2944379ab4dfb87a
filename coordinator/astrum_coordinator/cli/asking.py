"""Opens a coordinator for a command, waiting for a server that is not ready yet."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
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
        async with patient_coordinator(settings) as coordinator:
            return await insist(partial(question, coordinator))

    return asyncio.run(put())


def ask_about(
    server: ServerOptions, name: str, question: Callable[[Coordinator, str], Awaitable[Answer]]
) -> Answer:
    """Find the run that a command line names, and ask ``question`` with its id; as `ask`."""
    settings = require_redis(server)

    async def put() -> Answer:
        async with patient_coordinator(settings) as coordinator:
            # Once only: a question that is repeated may have changed what "@failed" means.
            run_id = await insist(partial(coordinator.find_run, name))
            return await insist(partial(question, coordinator, run_id))

    return asyncio.run(put())


def find_run(server: ServerOptions, name: str) -> str:
    """Return the id of the run that a command line names; as `ask`."""
    return ask(server, lambda coordinator: coordinator.find_run(name))


def find_runs(server: ServerOptions, names: Iterable[str]) -> tuple[str, ...]:
    """Return the ids of the runs that a command line names, each once; as `ask`."""

    async def find(coordinator: Coordinator) -> list[str]:
        return [await coordinator.find_run(name) for name in names]

    return tuple(dict.fromkeys(ask(server, find)))


async def insist(action: Callable[[], Awaitable[Answer]]) -> Answer:
    """Repeat an action for some seconds while the server cannot be reached."""
    from astrum.redis.patience import START_PATIENCE_S, patiently

    return await patiently(action, patience_s=START_PATIENCE_S)
