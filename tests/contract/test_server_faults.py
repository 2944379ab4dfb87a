"""Errors and state of the stores when the server refuses, restarts, is full or is not a Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress

import pytest

from astrum.errors import (
    RunNotFoundError,
    StoreConfigurationError,
    StoreError,
    StoreUnavailableError,
)
from astrum.redis import (
    JournalEntry,
    LeaseClient,
    RedisSettings,
    RunStore,
    Verdict,
    WorkerStore,
)
from tests.contract.steps import (
    LEASE_S,
    STREAM,
    claimed,
    dispatched,
    led_run,
    registered,
    settlement,
    stored,
)
from tests.eventually import eventually
from tests.proxy import Proxy, target_of
from tests.servers import RedisServer, find_binaries

PASSWORD = "pa:ss w@rd/%"

pytestmark = pytest.mark.skipif(not find_binaries(), reason="no server binary")


@pytest.fixture(params=list(find_binaries()))
def binary(request: pytest.FixtureRequest) -> str:
    return find_binaries()[request.param]


@pytest.fixture
def own_server(binary: str) -> Iterator[RedisServer]:
    with RedisServer(binary, tcp=True) as server:
        yield server


async def refusal(settings: RedisSettings) -> StoreError:
    """Return the error of entering a store."""
    with pytest.raises(StoreError) as caught:
        async with RunStore.open(settings):
            pass
    assert "pa:ss" not in str(caught.value)
    return caught.value


async def test_a_full_server_refuses_dispatches_whole_and_takes_every_settle(
    own_server: RedisServer,
) -> None:
    settings = RedisSettings(url=own_server.tcp_url)
    async with RunStore.open(settings) as runs, WorkerStore(settings, "w") as workers:
        epoch = await led_run(runs)
        ids = await dispatched(runs, epoch, 0, 1)
        await registered(workers, "w")
        await claimed(workers, "w")
        with own_server.client() as client:
            client.config_set("maxmemory", 1)
        with pytest.raises(StoreUnavailableError, match="memory is full"):
            await dispatched(runs, epoch, 2)
        with pytest.raises(StoreUnavailableError, match="memory is full"):
            await runs.create_run("s", b"plan", {})
        ends = [settlement(0, ids[0]), settlement(1, ids[1])]
        assert await workers.settle("r", STREAM, ends) == [Verdict.SETTLED] * 2
        assert await runs.finish("r", epoch, "completed", result_ttl_s=60, tails=False)
        info = await runs.run_info("r")
        assert info is not None
        assert (info.state, info.outstanding) == ("completed", 0)
        assert await runs.run_info("s") is None


async def test_a_full_server_keeps_every_lease_and_accepts_every_event(
    own_server: RedisServer,
) -> None:
    settings = RedisSettings(url=own_server.tcp_url)
    async with RunStore.open(settings) as runs, WorkerStore(settings, "w") as workers:
        epoch = await led_run(runs)
        await registered(workers, "w")
        lease = LeaseClient(settings)
        with own_server.client() as client:
            client.config_set("maxmemory", 1)
        assert lease.beat("w", LEASE_S, b"busy")
        assert lease.set_status("w", b"busy still")
        lease.close()
        assert await runs.renew("leader", {"r": epoch}, LEASE_S) == {"r"}
        assert await runs.append_event("r", b"cancel")
        await registered(workers, "late")
        assert await claimed(workers, "late") == [], "the queue is made for it"
        assert await workers.acquire_exclusive(1.0)
        await runs.release("r", "leader", epoch)
        assert await runs.lead("r", "another", LEASE_S)
        await runs.heal_leases()
        await runs.keep_queues()
        with pytest.raises(StoreUnavailableError, match="memory is full"):
            await stored(workers, "r", b"big")


async def test_a_server_that_may_evict_is_refused_with_the_command_to_change_it(
    own_server: RedisServer,
) -> None:
    with own_server.client() as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
    error = await refusal(RedisSettings(url=own_server.url))
    assert isinstance(error, StoreConfigurationError)
    assert "CONFIG SET maxmemory-policy noeviction" in str(error)


async def test_a_refused_login_is_told_without_the_password(own_server: RedisServer) -> None:
    with own_server.client() as client:
        client.config_set("requirepass", "right")
    host = f"127.0.0.1:{own_server.port}"
    for url, advice in (
        (own_server.url, "put it in the URL"),
        (f"redis://{host}", "put it in the URL"),
        (f"redis://:pa%3Ass@{host}", "refuses the user or the password"),
    ):
        error = await refusal(RedisSettings(url=url))
        assert isinstance(error, StoreConfigurationError)
        assert advice in str(error)
    async with RunStore.open(RedisSettings(url=f"redis://:right@{host}")):
        pass


async def test_an_error_names_the_rights_that_a_user_lacks(own_server: RedisServer) -> None:
    with own_server.client() as client:
        client.execute_command("ACL", "SETUSER", "bob", "on", ">pw", "~*", "+@all", "-evalsha")
    url = f"redis://bob:pw@127.0.0.1:{own_server.port}"
    async with RunStore.open(RedisSettings(url=url)) as runs:
        with pytest.raises(StoreConfigurationError, match="access list") as caught:
            await runs.create_run("r", b"plan", {})
    assert "bob:***@" in str(caught.value)


async def test_a_password_with_odd_characters_is_understood(own_server: RedisServer) -> None:
    with own_server.client() as client:
        client.config_set("requirepass", PASSWORD)
    url = f"redis://:pa%3Ass%20w%40rd%2F%25@127.0.0.1:{own_server.port}/0"
    settings = RedisSettings(url=url)
    async with RunStore.open(settings) as runs:
        assert (await runs.identity()).version
    assert PASSWORD not in repr(settings) + settings.masked_url
    assert "pa%3A" not in repr(settings) + settings.masked_url


async def test_an_unreachable_server_is_tried_again() -> None:
    server = RedisServer(tcp=True)
    for url in (server.url, server.tcp_url):
        assert isinstance(await refusal(RedisSettings(url=url)), StoreUnavailableError)
        lease = LeaseClient(RedisSettings(url=url))
        with pytest.raises(StoreUnavailableError):
            lease.beat("w", 1.0)
        lease.close()
    server.close()


@pytest.fixture
async def web_port() -> AsyncIterator[int]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await reader.read()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()


async def test_an_error_says_that_a_server_is_not_redis(web_port: int) -> None:
    error = await refusal(RedisSettings(url=f"redis://127.0.0.1:{web_port}"))
    assert isinstance(error, StoreConfigurationError)
    assert "not Redis" in str(error)


@pytest.fixture
async def ancient_port() -> AsyncIterator[int]:
    """A server from before connections had numbers."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while word := await reader.readline():
            if word == b"CLIENT\r\n":
                writer.write(b"-ERR Unknown subcommand or wrong number of arguments for 'ID'\r\n")
            elif word == b"INFO\r\n":
                writer.write(b"$21\r\nredis_version:4.0.7\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()


async def test_an_error_for_a_server_that_is_too_old_names_the_oldest_supported_version(
    ancient_port: int,
) -> None:
    error = await refusal(RedisSettings(url=f"redis://127.0.0.1:{ancient_port}"))
    assert isinstance(error, StoreConfigurationError)
    assert "it is Redis 4.0.7; Astrum needs Redis 6.2 or later" in str(error)


async def test_a_replica_refuses_writes_for_now(own_server: RedisServer) -> None:
    async with RunStore.open(RedisSettings(url=own_server.url)) as runs:
        await led_run(runs)
        with own_server.client() as client:
            client.execute_command("REPLICAOF", "127.0.0.1", "1")
        with pytest.raises(StoreUnavailableError, match="replica"):
            await runs.create_run("s", b"plan", {})


@pytest.fixture
def new_master(binary: str, own_server: RedisServer) -> Iterator[RedisServer]:
    """A replica of the server, until `swap` is called."""
    with RedisServer(binary, tcp=True, options={"repl-diskless-sync-delay": "0"}) as server:
        with server.client() as client:
            client.replicaof("127.0.0.1", own_server.port)
        yield server


@pytest.fixture
def endpoint(own_server: RedisServer) -> Iterator[Proxy]:
    with Proxy(target_of(own_server)) as proxy:
        yield proxy


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
            await runs.load_plan("r")
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
        waiting = asyncio.create_task(workers.claim("async", ["default"], 1, block_s=20.0))
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
        assert runs.loss.take()
        with pytest.raises(RunNotFoundError):
            await dispatched(runs, epoch, 0)
        assert not runs.loss.take()
        assert await runs.list_runs() == []


async def test_no_old_command_is_sent_after_another_one_has_found_the_new_server(
    own_server: RedisServer,
) -> None:
    async with RunStore.open(RedisSettings(url=own_server.url)) as runs:
        await led_run(runs)
        own_server.restart()
        with pytest.raises(StoreUnavailableError, match="lost"):
            await runs.server_time()  # the old connection is over
        work = [runs.create_run(f"s{i}", b"plan", {}) for i in range(3)]
        replies = await asyncio.gather(*work, return_exceptions=True)
        assert [type(reply) for reply in replies] == [StoreUnavailableError] * 3
        assert await runs.list_runs() == []


async def test_a_reply_that_arrives_slowly_is_read_completely(
    own_server: RedisServer, endpoint: Proxy
) -> None:
    silence_s, chunk_s = 0.5, 0.05
    async with RunStore.open(RedisSettings(url=endpoint.url)) as runs:
        await led_run(runs)
        sizes = [100_000] * 40
        with own_server.client() as client:
            for size in sizes:
                client.xadd(runs.keys.journal("r"), {"d": b"x" * size})
        await runs.read_journal({"r": "0-0"}, block_s=None, count=1)  # it is connected now
        blob = b"y" * 2_000_000
        digest = await stored(runs, "r", blob)
        runs._replay._read_timeout_s = runs.bulk._read_timeout_s = silence_s
        endpoint.delay(chunk_s)
        cursor, found = "0-0", 0
        while entries := await runs.read_journal({"r": cursor}, block_s=None, count=1_000):
            found += len(entries)
            cursor = entries[-1].entry_id
        assert found == len(sizes)
        assert await runs.get_blob("r", digest) == blob


async def test_scripts_are_loaded_again_into_a_server_that_lost_them(
    own_server: RedisServer,
) -> None:
    settings = RedisSettings(url=own_server.url)
    async with RunStore.open(settings) as runs:
        await runs.create_run("r", b"plan", {})
        with own_server.client() as client:
            client.script_flush()
        assert await runs.lead("r", "leader", 5.0) is not None


async def test_an_error_names_a_key_of_a_foreign_type(own_server: RedisServer) -> None:
    async with RunStore.open(RedisSettings(url=own_server.url)) as runs:
        with own_server.client() as client:
            client.set(runs.keys.run("r"), "foreign")
        with pytest.raises(StoreConfigurationError, match="prefix 'astrum'"):
            await runs.create_run("r", b"plan", {})


async def informed(info: bytes, of_key: bytes = b"$-1") -> StoreError | None:
    """Return how a server that reports this about itself, and of a key, is refused, if it is."""

    writers: list[asyncio.StreamWriter] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        replies = {
            b"CLIENT\r\n": b":1\r\n",
            b"INFO\r\n": b"$%d\r\n%s\r\n" % (len(info), info),
            b"ZSCORE\r\n": of_key + b"\r\n",
        }
        while word := await reader.readline():
            writer.write(replies.get(word, b""))

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        async with RunStore.open(RedisSettings(url=f"redis://127.0.0.1:{port}")):
            return None
    except StoreError as error:
        return error
    finally:
        server.close()
        for writer in writers:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()


async def test_a_hosted_server_without_a_known_eviction_policy_is_used() -> None:
    assert await informed(b"redis_version:7.2.0\r\nmaxmemory_policy:\r\n") is None
    assert await informed(b"redis_version:7.2.0\r\n") is None
    error = await informed(b"redis_version:7.2.0\r\nmaxmemory_policy:volatile-ttl\r\n")
    assert isinstance(error, StoreConfigurationError)


async def test_a_sentinel_is_not_taken_for_a_server() -> None:
    for name in (b"redis_mode", b"server_mode"):
        error = await informed(b"redis_version:7.2.0\r\n%s:sentinel\r\n" % name)
        assert isinstance(error, StoreConfigurationError)
        assert "does not speak to Sentinel" in str(error)


async def test_a_server_that_answers_only_info_is_not_ready() -> None:
    """INFO is answered by a cluster's every node, and by a server that is loading."""
    info = b"redis_version:7.2.0\r\n"
    error = await informed(info, b"-MOVED 7591 127.0.0.1:17822")
    assert isinstance(error, StoreConfigurationError)
    assert "use the URL of the owner (MOVED 7591 127.0.0.1:17822)" in str(error)
    for reply in (b"-LOADING Redis is loading", b"-MASTERDOWN Client with MASTER is down"):
        assert isinstance(await informed(info, reply), StoreUnavailableError)
