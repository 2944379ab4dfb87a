"""The server's memory is full for longer than all leases, beside a busy run.

Some seconds by default; ``make soak MINUTES=10`` keeps it full for that long.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgpack
import pytest
import redis

from astrum import AstrumConfig
from astrum.redis import RedisSettings
from astrum_coordinator import Coordinator, CoordinatorConfig
from tests.eventually import eventually
from tests.flows.resilience import BIG, SMALL, WAITING
from tests.integration.resilience.pool import QUICK, Pool
from tests.servers import RedisServer, find_binaries

MINUTES = float(os.environ.get("ASTRUM_SOAK_MINUTES", "0"))
FULL_S = 60 * MINUTES or 5.0
WORKERS = 2
CONFIG = CoordinatorConfig(
    lease_s=2.0,
    renew_every_s=0.3,
    step_down_after_s=1.5,
    reap_every_s=0.2,
    reap_grace_s=0.5,
    watch_every_s=0.2,
    outstanding_limit=50,
)


@pytest.fixture(params=find_binaries())
def pool(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Pool]:
    """Workers on a server of each kind, with leases that are much shorter than the fault."""
    binary = find_binaries()[request.param]
    with RedisServer(binary) as server, Pool(tmp_path, server) as pool:
        for _ in range(WORKERS):
            pool.worker(*QUICK, "-c", "50")
        yield pool


@contextmanager
def full_memory(client: redis.Redis) -> Iterator[None]:
    """Have the server refuse whatever may need memory: it holds more than a byte in any case."""
    client.config_set("maxmemory", 1)
    with pytest.raises(redis.exceptions.OutOfMemoryError):
        client.set("more", "x")
    yield
    client.config_set("maxmemory", 0)


class Watcher:
    """Looks at who leads and who is alive; neither may ever change."""

    def __init__(self, client: redis.Redis, keys: Any) -> None:
        self._client, self._keys = client, keys
        self._began = self.look()

    def look(self) -> tuple[Any, ...]:
        """Return the leader of the run, the workers and what stands for the long task."""
        leader = self._client.hmget(self._keys.run("busy"), "ow", "ep", "st")
        workers = self._client.zrange(self._keys.leases, 0, -1)
        [now_s, now_us] = self._client.time()
        lapsed = self._client.zcount(self._keys.leases, 0, now_s * 1000 + now_us // 1000)
        return leader, sorted(workers), lapsed

    async def watch(self, seconds: float) -> None:
        """Look again and again."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            assert self.look() == self._began
            await asyncio.sleep(0.1)


def outstanding(client: redis.Redis, keys: Any, run_id: str) -> int:
    count: Any = client.hget(keys.attempts(run_id), "#")
    return int(count or 0)


def all_wait(client: redis.Redis, keys: Any) -> bool:
    """Tell whether all big results wait in the workers, by what those say of themselves."""
    workers: Any = client.zrange(keys.leases, 0, -1)
    told: list[Any] = [client.hget(keys.worker(w.decode()), "status") for w in workers]
    counts: list[int] = [msgpack.unpackb(status)["unsettled"] for status in told if status]
    return sum(counts) == BIG


@pytest.mark.timeout(60 + 60 * MINUTES)
async def test_a_full_memory_costs_no_lease_no_result_and_no_second_run(pool: Pool) -> None:
    settings = RedisSettings(url=pool.server.url)
    keys, names = settings.keys, [f"waiting-{i}" for i in range(WAITING)]
    names += [f"big-{i}" for i in range(BIG)]
    with pool.server.client() as client:
        async with Coordinator(settings, config=CONFIG) as coordinator:

            def begin(namespace: str, run_id: str) -> asyncio.Task[Any]:
                return asyncio.create_task(
                    coordinator.run(namespace=namespace, config=AstrumConfig(), run_id=run_id)
                )

            busy, doomed = begin("busy", "busy"), begin("stuck", "doomed")
            everybody = {*names, "long", "held"}
            await eventually(lambda: everybody <= set(pool.executions()), "all that wait run")
            watcher = Watcher(client, keys)
            with full_memory(client):
                pool.release("big ends")
                await eventually(
                    lambda: all_wait(client, keys), "that workers wait to store the big results"
                )
                pool.release("ends")
                await eventually(
                    lambda: outstanding(client, keys, "busy") == BIG + 1,
                    "that small results drain although big ones do not fit",
                )
                assert await coordinator.cancel("doomed")
                async with asyncio.timeout(20):
                    assert (await doomed).execution_state == "cancelled"
                await watcher.watch(FULL_S)
                assert outstanding(client, keys, "busy") == BIG + 1
            pool.release("long")
            async with asyncio.timeout(30):
                report = await busy
    assert report.execution_state == "completed"
    ran = pool.executions()
    assert len(ran) == len(names) + SMALL + len(["long", "held", "other"])
    assert set(ran.values()) == {1}, "nothing ran twice"
