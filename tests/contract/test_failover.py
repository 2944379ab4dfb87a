"""A server that is replaced by a promoted replica, or restarted: nothing old is carried out."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress

import pytest

from astrum.errors import (
    RunNotFoundError,
    StoreUnavailableError,
)
from astrum.protocol.run_header import plan_digest
from astrum.protocol.streams import Stream
from astrum.redis import (
    JournalEntry,
    LeaseClient,
    RedisSettings,
    RunStore,
    WorkerStore,
)
from tests.contract.steps import (
    create_run,
    dispatched,
    led_run,
    registered,
)
from tests.eventually import eventually
from tests.proxy import Proxy, target_of
from tests.servers import RedisServer, find_binaries

pytestmark = pytest.mark.skipif(not find_binaries(), reason="no server binary")


@pytest.fixture
def new_master(binary: str, own_server: RedisServer) -> Iterator[RedisServer]:
    """A replica of the server, until `swap` is called."""
    with RedisServer(binary, tcp=True, options={"repl-diskless-sync-delay": "0"}) as server:
        with server.client() as client:
            client.replicaof("127.0.0.1", own_server.port)
        yield server


async def follows(replica: RedisServer) -> None:
    with replica.client() as client:
        await eventually(
            lambda: client.info("replication")["master_link_status"] == "up", "it follows"
        )


async def swap(master: RedisServer, replica: RedisServer) -> None:
    """Promote the replica, and let the master follow it."""
    await follows(replica)
    with master.client() as old, replica.client() as new:
        new.replicaof("NO", "ONE")
        old.replicaof("127.0.0.1", replica.port)
    await follows(master)


async def is_waited_at(server: RedisServer) -> None:
    with server.client() as client:
        await eventually(lambda: client.info("clients")["blocked_clients"], "a blocking read")


async def appended(runs: RunStore) -> bool:
    with suppress(StoreUnavailableError):
        return await runs.append_event("r", b"fact")
    return False


async def first_entry(runs: RunStore) -> JournalEntry:
    """Read the journal as a leader does, whatever the server says."""
    while True:
        with suppress(StoreUnavailableError):
            for entry in await runs.read_journal({"r": "0-0"}, block_s=20.0, count=1):
                return entry


async def test_the_first_refused_write_closes_the_connections_to_a_demoted_master(
    own_server: RedisServer, new_master: RedisServer, endpoint: Proxy
) -> None:
    async with RunStore.open(RedisSettings(url=endpoint.url)) as runs:
        await led_run(runs)
        await swap(own_server, new_master)
        endpoint.divert(target_of(new_master))
        with pytest.raises(StoreUnavailableError, match="replica"):
            await runs.append_event("r", b"fact")
        with pytest.raises(StoreUnavailableError, match="replaced"):
            await runs.append_event("r", b"fact")
        assert await runs.append_event("r", b"fact")


async def test_an_endless_read_on_a_demoted_master_is_ended(
    own_server: RedisServer, new_master: RedisServer, endpoint: Proxy
) -> None:
    async with RunStore.open(RedisSettings(url=endpoint.url)) as runs:
        await led_run(runs)
        await swap(own_server, new_master)
        reading = asyncio.create_task(first_entry(runs))
        await is_waited_at(own_server)
        endpoint.divert(target_of(new_master))
        with own_server.client() as client:
            client.replicaof("127.0.0.1", 1)  # it learns nothing more, as one that is cut off
        await eventually(lambda: appended(runs), "a write at the new master")
        async with asyncio.timeout(5):
            assert (await reading).data == b"fact"


async def test_one_connection_to_another_server_closes_all_others(
    own_server: RedisServer, new_master: RedisServer, endpoint: Proxy
) -> None:
    async with RunStore.open(RedisSettings(url=endpoint.url)) as runs:
        await led_run(runs)
        waiting = asyncio.create_task(runs.read_journal({"r": "0-0"}, block_s=20.0, count=1))
        await is_waited_at(own_server)
        endpoint.divert(target_of(new_master))
        await runs.bulk.close()
        with pytest.raises(StoreUnavailableError, match="replaced"):
            await runs.load_plan(plan_digest(b"plan of r"))
        with pytest.raises(StoreUnavailableError):
            await waiting


async def test_a_heartbeat_leaves_a_demoted_master(
    own_server: RedisServer, new_master: RedisServer, endpoint: Proxy
) -> None:
    lease = LeaseClient(RedisSettings(url=endpoint.url))
    lease.beat("w", 5.0)
    await swap(own_server, new_master)
    endpoint.divert(target_of(new_master))
    with pytest.raises(StoreUnavailableError, match="replica"):
        lease.beat("w", 5.0)
    lease.beat("w", 5.0)
    lease.close()


async def test_a_restart_is_noticed_before_an_old_command_is_sent(
    own_server: RedisServer,
) -> None:
    settings = RedisSettings(url=own_server.url)
    async with RunStore.open(settings) as runs, WorkerStore(settings, "w") as workers:
        before = await runs.identity()
        epoch = await led_run(runs)
        await registered(workers, "w")
        waiting = asyncio.create_task(
            workers.claim("async", [Stream("default", "async")], 1, block_s=20.0)
        )
        with own_server.client() as client:
            async with asyncio.timeout(5):
                while not client.info("clients")["blocked_clients"]:
                    await workers.server_time()
        own_server.restart()
        with pytest.raises(StoreUnavailableError):
            await waiting
        with pytest.raises(StoreUnavailableError):
            await dispatched(runs, epoch, 0)
        assert await runs.identity() != before
        with pytest.raises(StoreUnavailableError, match="read again"):
            await dispatched(runs, epoch, 0)
        assert runs.loss.acknowledge()
        with pytest.raises(RunNotFoundError):
            await dispatched(runs, epoch, 0)
        assert not runs.loss.acknowledge()
        assert await runs.list_runs() == []


async def test_no_old_command_is_sent_after_another_one_has_found_the_new_server(
    own_server: RedisServer,
) -> None:
    async with RunStore.open(RedisSettings(url=own_server.url)) as runs:
        await led_run(runs)
        own_server.restart()
        with pytest.raises(StoreUnavailableError, match="lost"):
            await runs.server_time()  # the old connection is over
        work = [create_run(runs, f"s{i}") for i in range(3)]
        replies = await asyncio.gather(*work, return_exceptions=True)
        assert [type(reply) for reply in replies] == [StoreUnavailableError] * 3
        assert await runs.list_runs() == []
