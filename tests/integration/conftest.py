"""A pool of real workers that serves `tests.flows.parity`, and coordinators that use it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack

import pytest

from astrum.redis import RedisSettings
from astrum_coordinator import Coordinator
from tests.processes import serving, worker
from tests.servers import RedisServer


@pytest.fixture(scope="module")
def pool() -> Iterator[RedisSettings]:
    """Two worker processes on a server of their own."""
    with ExitStack() as stack:
        server = stack.enter_context(RedisServer())
        for _ in range(2):
            stack.enter_context(
                worker(server.url, "tests.flows.parity", "tests.flows.children", "tests.flows.ends")
            )
        settings = RedisSettings(url=server.url)
        asyncio.run(serving(settings, 2))
        yield settings


@pytest.fixture
async def coordinator(pool: RedisSettings) -> AsyncIterator[Coordinator]:
    """A coordinator in this process."""
    async with Coordinator(pool) as coordinator:
        yield coordinator
