"""Errors and state of the stores when the server refuses, restarts, is full or is not a Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from astrum.errors import (
    StoreConfigurationError,
    StoreError,
    StoreUnavailableError,
)
from astrum.protocol.process_end import ProcessEnd
from astrum.protocol.streams import Stream
from astrum.redis import (
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
    create_run,
    dispatched,
    led_run,
    registered,
    settlement,
    stored,
)
from tests.proxy import Proxy
from tests.servers import RedisServer, find_binaries

PASSWORD = "pa:ss w@rd/%"

pytestmark = pytest.mark.skipif(not find_binaries(), reason="no server binary")


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
            await create_run(runs, "s")
        look = await runs.look(Stream("default", "async"), [("r", 0)])
        assert (look.length, look.weight) == (2, 0), "that the run wants more is not noted"
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
        assert lease.end_lease("w", ProcessEnd(-9))
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


async def test_the_error_for_a_refused_login_does_not_contain_the_password(
    own_server: RedisServer,
) -> None:
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
            await create_run(runs, "r")
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
            elif word == b"ZSCORE\r\n":
                writer.write(b"$-1\r\n")
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
            await create_run(runs, "s")


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
        await create_run(runs, "r")
        with own_server.client() as client:
            client.script_flush()
        assert await runs.lead("r", "leader", 5.0) is not None


async def test_an_error_names_a_key_of_a_foreign_type(own_server: RedisServer) -> None:
    async with RunStore.open(RedisSettings(url=own_server.url)) as runs:
        with own_server.client() as client:
            client.set(runs.keys.run("r"), "foreign")
        with pytest.raises(StoreConfigurationError, match="prefix 'astrum'"):
            await create_run(runs, "r")


MASTERS = b"*2\r\n*2\r\n$4\r\nname\r\n$4\r\nmain\r\n*2\r\n$4\r\nname\r\n$5\r\nother\r\n"


async def informed(info: bytes, of_key: bytes = b"$-1") -> StoreError | None:
    """Return how a server that reports this about itself, and of a key, is refused, if it is."""

    writers: list[asyncio.StreamWriter] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        replies = {
            b"CLIENT\r\n": b":1\r\n",
            b"INFO\r\n": b"$%d\r\n%s\r\n" % (len(info), info),
            b"ZSCORE\r\n": of_key + b"\r\n",
            b"SENTINEL\r\n": MASTERS,
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
        assert "redis+sentinel://HOST:26379,HOST:26379/MASTER/0" in str(error)


async def test_a_server_that_answers_only_info_is_not_ready() -> None:
    """INFO is answered by a cluster's every node, and by a server that is loading."""
    info = b"redis_version:7.2.0\r\n"
    for reply in (
        b"-MOVED 7591 127.0.0.1:1",  # nothing listens there
        b"-MOVED 7591 :1",
        b"-LOADING Redis is loading",
        b"-MASTERDOWN Client with MASTER is down",
        b"-CLUSTERDOWN The cluster is down",
    ):
        assert isinstance(await informed(info, reply), StoreUnavailableError)


async def test_a_cluster_without_an_owner_of_the_keys_is_refused_at_the_start() -> None:
    reply = b"-CLUSTERDOWN Hash slot not served"
    error = await informed(b"redis_version:7.2.0\r\n", reply)
    assert isinstance(error, StoreConfigurationError)
    assert "no node of the cluster owns the slot" in str(error)
