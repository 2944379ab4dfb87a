"""The two stores over each kind of server there is."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from astrum.redis import RedisSettings, RunStore, WorkerStore


@pytest.fixture
async def runs(any_settings: RedisSettings) -> AsyncIterator[RunStore]:
    async with RunStore.open(any_settings) as store:
        yield store


@pytest.fixture
async def workers(any_settings: RedisSettings) -> AsyncIterator[WorkerStore]:
    async with WorkerStore(any_settings, "w") as store:
        yield store
