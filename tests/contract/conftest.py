"""The two stores over each kind of server there is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from astrum.redis import RedisSettings, RunStore, WorkerStore
from tests.proxy import Proxy, target_of
from tests.servers import RedisServer, find_binaries


@pytest.fixture
async def runs(any_settings: RedisSettings) -> AsyncIterator[RunStore]:
    async with RunStore.open(any_settings) as store:
        yield store


@pytest.fixture
async def workers(any_settings: RedisSettings) -> AsyncIterator[WorkerStore]:
    async with WorkerStore(any_settings, "w") as store:
        yield store


@pytest.fixture(params=list(find_binaries()))
def binary(request: pytest.FixtureRequest) -> str:
    return find_binaries()[request.param]


@pytest.fixture
def own_server(binary: str) -> Iterator[RedisServer]:
    with RedisServer(binary, tcp=True) as server:
        yield server


@pytest.fixture
def endpoint(own_server: RedisServer) -> Iterator[Proxy]:
    with Proxy(target_of(own_server)) as proxy:
        yield proxy
