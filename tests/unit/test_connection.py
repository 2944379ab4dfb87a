"""A connection whose other end falls silent ends; one whose replies are only slow does not."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import cast

import pytest
import redis.exceptions as driver

from astrum.redis import connection
from astrum.redis.connection import Connection


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


class SlowEnd(OtherEnd):
    """A server that sends a reply of ten parts, one after the other, or only some of them."""

    def __init__(self, every_s: float, parts: int) -> None:
        super().__init__(None)
        self.every_s, self.parts = every_s, parts

    def data_received(self, data: bytes) -> None:
        asyncio.get_running_loop().create_task(self.reply())

    async def reply(self) -> None:
        self.transport.write(b"$1000\r\n")
        for _ in range(self.parts):
            await asyncio.sleep(self.every_s)
            self.transport.write(b"x" * 100)
        self.transport.write(b"\r\n")


class SlowTaker(OtherEnd):
    """A server that takes a command bit by bit, and answers when it has 4 MiB of it."""

    def __init__(self, every_s: float) -> None:
        super().__init__(None)
        self.every_s, self.taken = every_s, 0

    def data_received(self, data: bytes) -> None:
        self.taken += len(data)
        self.transport.pause_reading()
        asyncio.get_running_loop().call_later(self.every_s, self.transport.resume_reading)
        if self.taken >= 4 * 1024 * 1024:
            self.transport.write(b"+OK\r\n")


def answering_after(delay_s: float | None, folder: Path) -> AbstractAsyncContextManager[Connection]:
    return speaking_with(lambda: OtherEnd(delay_s), folder)


@asynccontextmanager
async def speaking_with(make: Callable[[], OtherEnd], folder: Path) -> AsyncIterator[Connection]:
    loop, path = asyncio.get_running_loop(), str(folder / "s")
    ends: list[OtherEnd] = []

    def made() -> OtherEnd:
        ends.append(make())
        return ends[-1]

    server = await loop.create_unix_server(made, path)
    _, channel = await loop.create_unix_connection(Connection, path)
    try:
        yield channel
    finally:
        channel.drop()
        for end in ends:
            end.transport.abort()
        server.close()


async def test_silence_fails_all_that_waits_and_ends_the_connection(tmp_path: Path) -> None:
    async with answering_after(None, tmp_path) as channel, asyncio.timeout(5):
        first, second = channel.send(["PING"], 60.0), channel.send(["PING"], 0.05)
        for reply in (second, first):
            with pytest.raises(TimeoutError, match="does not answer"):
                await reply
        assert not channel.is_open


async def test_a_process_that_stood_still_reads_replies_before_it_calls_them_late(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "STILL_S", 0.1)
    async with answering_after(0.0, tmp_path) as channel, asyncio.timeout(5):
        reply = channel.send(["PING"], 0.05)
        time.sleep(0.3)  # noqa: ASYNC251 - it stands still
        assert await reply == b"OK"


async def test_silence_after_a_stand_still_is_late_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "STILL_S", 0.1)
    monkeypatch.setattr(connection, "_READ_S", 0.05)
    async with answering_after(None, tmp_path) as channel, asyncio.timeout(5):
        reply = channel.send(["PING"], 0.05)
        time.sleep(0.3)  # noqa: ASYNC251 - it stands still
        with pytest.raises(TimeoutError, match="does not answer"):
            await reply


class CountingEnd(OtherEnd):
    """A server that notes what arrives together, and answers each command."""

    def __init__(self) -> None:
        super().__init__(None)
        self.arrived: list[int] = []

    def data_received(self, data: bytes) -> None:
        self.arrived.append(data.count(b"PING"))
        self.transport.write(b"+OK\r\n" * self.arrived[-1])


async def test_the_commands_of_one_turn_of_the_loop_travel_together(tmp_path: Path) -> None:
    end = CountingEnd()
    async with speaking_with(lambda: end, tmp_path) as channel, asyncio.timeout(10):
        for _ in range(2):
            await asyncio.gather(*(channel.send(["PING"]) for _ in range(100)))
    assert sum(end.arrived) == 200
    assert len(end.arrived) <= 4


async def test_a_connection_that_ends_fails_what_was_to_follow_in_the_same_turn(
    tmp_path: Path,
) -> None:
    async with answering_after(0.0, tmp_path) as channel, asyncio.timeout(10):
        await channel.send(["PING"])
        first, second = channel.send(["PING"]), channel.send(["PING"])
        channel.drop()
        for reply in (first, second):
            with pytest.raises(driver.ConnectionError):
                await reply


async def test_each_command_has_its_own_time(tmp_path: Path) -> None:
    async with answering_after(0.2, tmp_path) as channel, asyncio.timeout(10):
        for _ in range(4):  # together they take longer than each may
            assert await channel.send(["PING"], 0.6) == b"OK"
        await asyncio.sleep(0.7)
        assert channel.is_open


async def test_a_reply_that_keeps_arriving_is_not_late(tmp_path: Path) -> None:
    async with speaking_with(lambda: SlowEnd(0.1, parts=10), tmp_path) as channel:
        async with asyncio.timeout(10):
            big, behind = channel.send(["GET"], 0.5), channel.send(["GET"], 0.5)
            assert await big == b"x" * 1000
            assert channel.silent_s < 0.5
            behind.cancel()


async def test_a_reply_that_stops_arriving_is_late(tmp_path: Path) -> None:
    async with speaking_with(lambda: SlowEnd(0.1, parts=5), tmp_path) as channel:
        async with asyncio.timeout(10):
            with pytest.raises(TimeoutError, match="does not answer"):
                await channel.send(["GET"], 0.5)
            assert channel.silent_s >= 0.5


async def test_a_command_that_is_still_being_sent_is_not_late(tmp_path: Path) -> None:
    async with speaking_with(lambda: SlowTaker(0.05), tmp_path) as channel:
        async with asyncio.timeout(10):
            assert await channel.send(["SET", b"x" * 4 * 1024 * 1024], 0.3) == b"OK"


async def test_what_a_server_says_before_it_closes_is_kept_although_a_write_fails(
    tmp_path: Path,
) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_unix_connection(Connection, str(tmp_path / "s"))
        # The loop reads nothing meanwhile, so that the write comes before it.
        with listener.accept()[0] as other_end:
            other_end.sendall(b"-ERR max number of clients reached\r\n")
        reply = connection.send(["PING"])
        with pytest.raises(driver.ResponseError, match="max number of clients"):
            await reply
