"""The client of the server: it reconnects, and stops when it is closed."""

from __future__ import annotations

import asyncio

import pytest

from astrum.errors import StoreUnavailableError
from astrum.redis import RedisSettings, ServerLossDetector
from astrum.redis.client import Client
from astrum.redis.connection import Connection, open_connection
from astrum.redis.reader import BlockingReader
from tests.eventually import eventually
from tests.servers import Server


async def ask_for_ever(link: Client) -> None:
    while True:
        await link.execute("TIME")
        await link.pipeline([("TIME",), ("TIME",)])


async def test_a_cancellation_is_never_lost_whenever_it_comes(settings: RedisSettings) -> None:
    async with Client(settings) as link:
        for steps in range(60):
            asking = asyncio.create_task(ask_for_ever(link))
            for _ in range(steps):
                await asyncio.sleep(0)
            asking.cancel()
            _, pending = await asyncio.wait([asking], timeout=5)
            assert not pending, f"cancelled after {steps} steps of the loop, it went on"


async def test_a_command_that_waited_for_a_connection_does_not_reach_a_replacement_server(
    settings: RedisSettings,
) -> None:
    watch = ServerLossDetector()
    watch.connected_to(b"run_id:0123456789abcdef\r\n")  # the server before this one
    async with (
        Client(settings, loss_detector=watch) as link,
        Client(settings, loss_detector=watch) as another,
    ):
        commands = [one.execute("TIME") for one in (link, link, another, another)]
        replies = await asyncio.gather(*commands, return_exceptions=True)
        assert [type(reply) for reply in replies] == [StoreUnavailableError] * 4
        assert await link.execute("TIME")
        assert await another.execute("TIME")
    assert watch.count == 1


async def test_a_command_on_a_new_connection_does_not_reach_a_replacement_server(
    settings: RedisSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    connecting, may_go_on = asyncio.Event(), asyncio.Event()

    async def slowly(settings: RedisSettings) -> Connection:
        connecting.set()
        await may_go_on.wait()
        return await open_connection(settings)

    watch = ServerLossDetector()
    watch.connected_to(b"run_id:0123456789abcdef\r\n")
    async with (
        Client(settings, loss_detector=watch) as link,
        Client(settings, loss_detector=watch) as another,
    ):
        with monkeypatch.context() as patching:
            patching.setattr("astrum.redis.client.open_connection", slowly)
            late = asyncio.create_task(another.execute("TIME"))
            await connecting.wait()
        with pytest.raises(StoreUnavailableError):
            await link.execute("TIME")
        may_go_on.set()
        with pytest.raises(StoreUnavailableError):
            await late


async def test_a_blocking_read_after_a_cancelled_one_does_not_wait_behind_its_reply(
    settings: RedisSettings, redis_server: Server
) -> None:
    async with Client(settings) as link:
        reader = BlockingReader(link)
        cancelled = asyncio.create_task(reader.read("BLPOP", "never", 30, timeout_s=40.0))
        with redis_server.client() as client:
            await eventually(lambda: client.info("clients")["blocked_clients"], "the first read")
            cancelled.cancel()
            await asyncio.wait([cancelled])
            client.lpush("list", "value")
        async with asyncio.timeout(5):
            assert await reader.read("BLPOP", "list", 30, timeout_s=40.0) == [b"list", b"value"]


async def test_a_blocking_read_after_one_that_took_too_long_gets_its_own_reply(
    settings: RedisSettings, redis_server: Server
) -> None:
    async with Client(settings) as link:
        reader = BlockingReader(link)
        with pytest.raises(StoreUnavailableError):
            await reader.read("BLPOP", "first", 30, timeout_s=0.05)
        with redis_server.client() as client:
            await eventually(lambda: not client.info("clients")["blocked_clients"], "its end")
            client.rpush("first", "late")
            client.rpush("second", "value")
        async with asyncio.timeout(5):
            assert await reader.read("BLPOP", "second", 30, timeout_s=40.0) == [b"second", b"value"]
        with redis_server.client() as client:
            assert client.lpop("first") == b"late"
