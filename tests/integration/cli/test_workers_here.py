"""``workers --here``: the question of a health check."""

from __future__ import annotations

import socket

import pytest

from astrum.redis import RedisSettings, WorkerStore
from tests.integration.cli.conftest import Cli
from tests.servers import Server


@pytest.mark.parametrize(("host", "code"), [("{}", 0), ("{}0", 1), ("a{}", 1), (None, 1)])
async def test_only_a_live_worker_of_this_host_counts_as_healthy(
    cli: Cli, redis_server: Server, host: str | None, code: int
) -> None:
    store = WorkerStore(RedisSettings(url=redis_server.url), "w1")
    if host is not None:
        details = {"host": host.format(socket.gethostname()), "pid": "7"}
        await store.register(details, b"\x90", 30.0)
    done = cli("workers", "--here", "--redis", redis_server.url)
    await store.close()
    assert done.returncode == code
    assert ("no live workers" in done.stdout) == (code == 1)
