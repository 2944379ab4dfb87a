"""Faults of the server: die, forget, fail over, fill up, refuse, be slow."""

from __future__ import annotations

import asyncio
import shutil
import socket
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import redis

from astrum import AstrumConfig, ExecutionReport
from astrum.errors import RunError
from astrum.redis import RedisSettings
from astrum.redis.connection import open_connection
from astrum_coordinator import Coordinator
from tests.flows.resilience import STEPS
from tests.integration.resilience.pool import QUICK, Pool
from tests.integration.resilience.test_workers import FAST, ends_of
from tests.processes import wait_until
from tests.proxy import Proxy, target_of
from tests.servers import RedisServer

LAST = f"s{STEPS - 1}"


class Steps:
    """A run of a chain of short tasks, each of which adds one, led from this process."""

    def __init__(self, pool: Pool, url: str = "") -> None:
        self.pool = pool
        self._settings = RedisSettings(url=url or pool.server.url)

    async def __aenter__(self) -> Steps:
        self._coordinator = await Coordinator(self._settings, config=FAST).__aenter__()
        self.run = asyncio.create_task(
            self._coordinator.run(namespace="steps", config=AstrumConfig(), run_id="r")
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        self.run.cancel()
        await asyncio.gather(self.run, return_exceptions=True)
        await self._coordinator.__aexit__(None, None, None)

    async def reached(self, number: int) -> None:
        """Wait until a step was started."""
        await asyncio.to_thread(self.pool.started, f"s{number}")

    async def completed(self) -> ExecutionReport:
        """Wait for the end; every step must have succeeded and added one to the step before."""
        report = await self.run
        assert report.execution_state == "completed", report.error_summary
        assert report.task_return_set == {f"s{n}": n for n in range(STEPS)}
        for row in report.task_statistics:
            assert [a.status for a in row.attempt_statistics].count("completed") == 1
        return report


async def test_a_killed_server_that_keeps_its_data_loses_no_work(durable_pool: Pool) -> None:
    durable_pool.worker(*QUICK)
    async with Steps(durable_pool) as steps:
        await steps.reached(20)
        await asyncio.to_thread(durable_pool.server.restart)
        await steps.completed()
    assert set(durable_pool.executions().values()) <= {1, 2}


async def test_a_server_that_lost_its_last_writes_gets_them_again(durable_pool: Pool) -> None:
    server = durable_pool.server
    durable_pool.worker(*QUICK)
    async with Steps(durable_pool) as steps:
        await steps.reached(10)
        shutil.copytree(server.directory / "appendonlydir", server.directory / "copy")
        await steps.reached(30)
        server.kill()
        shutil.rmtree(server.directory / "appendonlydir")
        (server.directory / "copy").rename(server.directory / "appendonlydir")
        await asyncio.to_thread(server.start)
        await steps.completed()


async def test_a_run_follows_its_server_to_a_promoted_replica(pool: Pool) -> None:
    with ExitStack() as stack:
        replica = stack.enter_context(RedisServer(options={"repl-diskless-sync-delay": "0"}))
        master = stack.enter_context(RedisServer(tcp=True))
        link = stack.enter_context(Proxy(target_of(master)))
        with replica.client() as client:
            client.replicaof("127.0.0.1", master.port)
        wait_until(lambda: _is_linked(replica), "the replica to follow")
        worker = pool.worker(*QUICK, url=link.url)
        async with Steps(pool, link.url) as steps:
            await steps.reached(20)
            master.kill()
            with replica.client() as client:
                client.replicaof("NO", "ONE")
            link.switch(target_of(replica))
            await steps.completed()
        assert "restarted or replaced" in worker.output
        worker.close()


def _is_linked(replica: RedisServer) -> bool:
    with replica.client() as client:
        info: Any = client.info("replication")
    return bool(info.get("master_link_status") == "up")


async def test_a_run_leaves_a_demoted_master_whose_connections_stay_open(pool: Pool) -> None:
    with ExitStack() as stack:
        replica = stack.enter_context(
            RedisServer(tcp=True, options={"repl-diskless-sync-delay": "0"})
        )
        master = stack.enter_context(RedisServer(tcp=True))
        link = stack.enter_context(Proxy(target_of(master)))
        with replica.client() as client:
            client.replicaof("127.0.0.1", master.port)
        wait_until(lambda: _is_linked(replica), "the replica to follow")
        worker = pool.worker(*QUICK, url=link.url)
        async with Steps(pool, link.url) as steps:
            await steps.reached(20)
            with master.client() as old, replica.client() as new:
                new.replicaof("NO", "ONE")
                old.replicaof("127.0.0.1", replica.port)
            link.divert(target_of(replica))
            await steps.completed()
        worker.close()


async def test_a_replica_that_was_not_promoted_is_waited_out(pool: Pool) -> None:
    pool.worker(*QUICK)
    async with Steps(pool) as steps:
        await steps.reached(20)
        with pool.server.client() as client:
            client.replicaof("127.0.0.1", 1)  # READONLY from now on
            reached = max(int(name[1:]) for name in pool.executions())
            await asyncio.sleep(0.5)
            assert max(int(name[1:]) for name in pool.executions()) <= reached + 1
            client.replicaof("NO", "ONE")
        await steps.completed()


async def test_a_flushed_database_ends_the_run_with_an_error_that_says_so(pool: Pool) -> None:
    worker = pool.worker(*QUICK)
    async with Steps(pool) as steps:
        await steps.reached(20)
        flushed_at = time.monotonic()
        with pool.server.client() as client:
            client.flushall()
        with pytest.raises(RunError, match="vanished from Redis"):
            await steps.run
        assert time.monotonic() - flushed_at < 10
    async with Steps(pool) as steps:
        await steps.completed()
    assert worker.is_alive()


async def test_a_full_memory_stops_dispatching_and_loses_nothing(pool: Pool) -> None:
    pool.worker(*QUICK)
    with pool.server.client() as client:
        async with Steps(pool) as steps:
            await steps.reached(20)
            client.config_set("maxmemory", "1mb")
            await asyncio.to_thread(wait_until, lambda: _nothing_outstanding(pool), "a standstill")
            done = len(pool.executions())
            await asyncio.sleep(0.3)
            assert len(pool.executions()) == done
            client.config_set("maxmemory", "0")
            await steps.completed()
    assert set(pool.executions().values()) == {1}


def _nothing_outstanding(pool: Pool) -> bool:
    with pool.server.client() as client:
        return bool(client.hget(RedisSettings().keys.attempts("r"), "#") == b"0")


async def test_a_server_that_cannot_save_is_waited_out(pool: Pool) -> None:
    pool.worker(*QUICK)
    with pool.server.client() as client:
        async with Steps(pool) as steps:
            await steps.reached(20)
            (pool.server.directory / "dump.rdb" / "x").mkdir(parents=True)  # nothing can replace it
            client.config_set("save", "3600 1")
            client.bgsave()
            await asyncio.to_thread(wait_until, lambda: _cannot_save(pool), "MISCONF")
            with pytest.raises(redis.ResponseError, match="MISCONF"):
                client.set("a", "b", px=1)
            client.config_set("stop-writes-on-bgsave-error", "no")
            await steps.completed()


def _cannot_save(pool: Pool) -> bool:
    with pool.server.client() as client:
        info: Any = client.info("persistence")
    return bool(info["rdb_last_bgsave_status"] == "err")


LOADS_SLOWLY = {"key-load-delay": "5000", "loading-process-events-interval-bytes": "1024"}


async def test_a_server_that_is_loading_is_waited_out(tmp_path: Path) -> None:
    with RedisServer(options=LOADS_SLOWLY) as server, Pool(tmp_path, server) as pool:
        worker = pool.worker(*QUICK)
        with server.client() as client:
            for number in range(200):
                client.set(f"filler-{number}", b"x" * 5_000, px=60_000)
            async with Steps(pool) as steps:
                await steps.reached(20)
                client.save()
                server.kill()
                await asyncio.to_thread(server.start)
                await steps.completed()
        assert "is loading its data" in worker.output


async def test_repeated_connection_resets_lose_no_work(pool: Pool, link: Proxy) -> None:
    pool.worker(*QUICK, url=link.url)
    async with Steps(pool, link.url) as steps:
        for number in range(10, 60, 10):
            await steps.reached(number)
            link.reset()
        report = await steps.completed()
    assert all(ends_of(report, name) == ["completed"] for name in report.original_tasks)


async def test_a_connection_asks_a_silent_server_within_half_a_minute_whether_it_is_there() -> None:
    with RedisServer(tcp=True) as server:
        channel = await open_connection(RedisSettings(url=server.tcp_url))
        assert channel._transport is not None
        connection = channel._transport.get_extra_info("socket")
        options = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
        idle_s, every_s, times = (connection.getsockopt(socket.IPPROTO_TCP, o) for o in options)
        channel.drop()
    assert idle_s + every_s * times <= 30


async def test_a_slow_network_only_costs_time(pool: Pool, link: Proxy) -> None:
    link.delay(0.05)
    pool.worker(*QUICK, url=link.url)
    async with Coordinator(RedisSettings(url=link.url), config=FAST) as coordinator:
        pool.release("middle")
        report = await coordinator.run(namespace="chain")
    assert report.execution_state == "completed"
    assert set(pool.executions().values()) == {1}
