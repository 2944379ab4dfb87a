"""A pool of workers per test, and a run to feed it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from astrum.redis import RedisSettings
from tests.integration.worker.pool import Lead, Pool, open_run


@pytest.fixture
def pool(tmp_path: Path, settings: RedisSettings) -> Iterator[Pool]:
    """Nothing started yet; whatever a test starts is killed at its end."""
    pool = Pool(tmp_path, settings.url)
    yield pool
    pool.close()


@pytest.fixture
async def lead(settings: RedisSettings) -> AsyncIterator[Lead]:
    """An open run that the test leads."""
    async with open_run(settings) as lead:
        yield lead
