"""A coordinator in this process and a worker by hand, on a server of the tests'."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from astrum.redis import RedisSettings, RunStore, WorkerStore
from astrum_coordinator import Coordinator
from tests.integration.coordinator.manual_worker import FAST, ManualWorker


@pytest.fixture
async def runs(settings: RedisSettings) -> AsyncIterator[RunStore]:
    """Another coordinator's side of the store, to look and to interfere."""
    async with RunStore.open(settings) as store:
        yield store


@pytest.fixture
async def hand(settings: RedisSettings) -> AsyncIterator[ManualWorker]:
    """A worker by hand, not registered yet; it has left at the end."""
    async with WorkerStore(settings, "hand") as store:
        worker = ManualWorker(store)
        yield worker
        await store.leave()


@pytest.fixture
async def coordinator(settings: RedisSettings) -> AsyncIterator[Coordinator]:
    """A coordinator in a hurry."""
    async with Coordinator(settings, config=FAST) as coordinator:
        yield coordinator


@pytest.fixture
async def other(settings: RedisSettings) -> AsyncIterator[Coordinator]:
    """Another coordinator, in the same process."""
    async with Coordinator(settings, config=FAST) as coordinator:
        yield coordinator
