"""A connection whose other end falls silent ends; one whose replies are only slow does not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import pytest

from astrum.redis.channel import Channel


class OtherEnd(asyncio.Protocol):
    """A server that answers each command after a while, or never."""

    def __init__(self, delay_s: float | None) -> None:
        self.delay_s = delay_s

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self.delay_s is not None:
            loop = asyncio.get_running_loop()
            loop.call_later(self.delay_s, self.transport.write, b"+OK\r\n")


@asynccontextmanager
async def answering_after(delay_s: float | None, folder: Path) -> AsyncIterator[Channel]:
    loop, path = asyncio.get_running_loop(), str(folder / "s")
    server = await loop.create_unix_server(lambda: OtherEnd(delay_s), path)
    _, channel = await loop.create_unix_connection(Channel, path)
    try:
        yield channel
    finally:
        channel.drop()
        server.close()


async def test_silence_fails_all_that_waits_and_ends_the_connection(tmp_path: Path) -> None:
    async with answering_after(None, tmp_path) as channel, asyncio.timeout(5):
        first, second = channel.send(["PING"], 60.0), channel.send(["PING"], 0.05)
        for reply in (second, first):
            with pytest.raises(TimeoutError, match="does not answer"):
                await reply
        assert not channel.is_open


async def test_each_command_has_its_own_time(tmp_path: Path) -> None:
    async with answering_after(0.2, tmp_path) as channel, asyncio.timeout(10):
        for _ in range(4):  # together they take longer than each may
            assert await channel.send(["PING"], 0.6) == b"OK"
        await asyncio.sleep(0.7)
        assert channel.is_open
