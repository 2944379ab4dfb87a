"""Small pools on servers that may be killed, behind proxies that may be cut."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.integration.resilience.pool import Pool
from tests.proxy import Proxy, target_of
from tests.servers import RedisServer


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[Pool]:
    """A server of the test's own, and nothing started yet."""
    with RedisServer() as server, Pool(tmp_path, server) as pool:
        yield pool


@pytest.fixture
def durable_pool(tmp_path: Path) -> Iterator[Pool]:
    """As `pool`, on a server that keeps its data on disk as an installation should."""
    options = {"appendonly": "yes", "appendfsync": "everysec"}
    with RedisServer(options=options) as server, Pool(tmp_path, server) as pool:
        yield pool


@pytest.fixture
def link(pool: Pool) -> Iterator[Proxy]:
    """A cable to the pool's server."""
    with ExitStack() as stack:
        yield stack.enter_context(Proxy(target_of(pool.server)))


@pytest.fixture
def durable_link(durable_pool: Pool) -> Iterator[Proxy]:
    """A cable to the durable pool's server."""
    with ExitStack() as stack:
        yield stack.enter_context(Proxy(target_of(durable_pool.server)))
