"""Errors of servers, and whether trying again is sensible: the whole table."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import redis.exceptions as driver

from astrum.errors import (
    StoreConfigurationError,
    StoreRefusesWritesError,
    StoreUnavailableError,
)
from astrum.redis import RedisSettings, translate
from astrum.redis.connection import Connection
from astrum.redis.patience import patiently

SETTINGS = RedisSettings(url="redis://:secret@host:1/0", prefix="mine")
PASSING = [
    "ERR max number of clients reached",
    "ERR max number of clients + cluster connections reached",
    "LOADING Redis is loading the dataset in memory",
    "READONLY You can't write against a read only replica.",
    "MASTERDOWN Client with MASTER is down and replica-serve-stale-data is set to 'no'.",
    "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
    "TRYAGAIN Multiple keys request during rehashing of slot",
    "CLUSTERDOWN Hash slot not served",
    "MOVED 7591 127.0.0.1:17822",
    "ASK 7591 127.0.0.1:17822",
    "ERR Script attempted to access a non local key in a cluster node",
    "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)",
    "NOSCRIPT No matching script. Please use EVAL.",
]
REFUSING = [
    "OOM command not allowed when used memory > 'maxmemory'.",
    "ERR user_script:9: OOM command not allowed when used memory > 'maxmemory'. script: f00",
    "NOREPLICAS Not enough good replicas to write.",
    "MISCONF Redis is configured to save RDB snapshots, but it's unable to persist to disk.",
]
STANDING = [
    ("NOAUTH Authentication required.", "wants a password"),
    ("WRONGPASS invalid username-password pair or user is disabled.", "refuses the user or the"),
    ("NOPERM this user has no permissions to run the 'info' command", "astrum-coordinator acl"),
    ("ERR ACL failure in script: No permissions to access a key script: on x:79", "{mine}:"),
    ("NOPERM this user has no permissions to access one of the keys", "{mine}:"),
    ("DENIED Redis is running in protected mode because protected mode is enabled", "protected"),
    ("ERR DB index is out of range", "no such database"),
    ("ERR SELECT is not allowed in cluster mode", "no database but 0"),
    ("CROSSSLOT Keys in request don't hash to the same slot", "cluster"),
    ("ERR unknown command 'EVALSHA', with args beginning with: ", "too old"),
    ("WRONGTYPE Operation against a key holding the wrong kind of value", "'mine'"),
]


@pytest.mark.parametrize("text", PASSING + REFUSING)
@pytest.mark.parametrize("kind", [driver.ResponseError, driver.AuthenticationError])
def test_temporary_errors_are_tried_again_whatever_their_text(
    text: str, kind: type[Exception]
) -> None:
    error = translate(kind(text), SETTINGS)
    assert isinstance(error, StoreUnavailableError)
    assert isinstance(error, StoreRefusesWritesError) is (text in REFUSING)


@pytest.mark.parametrize(("text", "advice"), STANDING)
def test_permanent_errors_say_what_to_do(text: str, advice: str) -> None:
    error = translate(driver.ResponseError(text), SETTINGS)
    assert isinstance(error, StoreConfigurationError)
    assert advice in str(error)


@pytest.mark.parametrize(
    ("failure", "advice"),
    [
        (PermissionError(13, "Permission denied"), "may not open"),
        (OSError("AF_UNIX path too long"), "108"),
        (driver.InvalidResponse("Protocol error"), "rediss://"),
    ],
)
def test_an_impossible_address_is_not_a_temporary_error(failure: Exception, advice: str) -> None:
    error = translate(failure, SETTINGS)
    assert isinstance(error, StoreConfigurationError)
    assert advice in str(error)


async def test_a_refusal_before_any_command_is_raised_by_the_command(
    tmp_path: Path,
) -> None:
    """A server that has too many clients says so and hangs up at once."""

    async def refuse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"-ERR max number of clients reached\r\n")
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_unix_server(refuse, tmp_path / "s")
    loop = asyncio.get_running_loop()
    _, channel = await loop.create_unix_connection(Connection, str(tmp_path / "s"))
    ended = asyncio.Event()
    channel.on_end = ended.set
    await ended.wait()
    with pytest.raises(driver.ResponseError, match="max number of clients"):
        channel.send(["PING"])
    server.close()


async def test_waiting_ends_with_the_last_error_and_its_kind(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def full() -> None:
        raise StoreRefusesWritesError("host: full")

    with pytest.raises(StoreRefusesWritesError, match="host: full; it stayed so for"):
        await patiently(full, patience_s=0.2)
    assert caplog.text.count("it is tried again for 0.2 s at most") == 1


async def test_the_error_of_a_single_try_tells_no_time() -> None:
    async def away() -> None:
        raise StoreRefusesWritesError("host: full")

    with pytest.raises(StoreRefusesWritesError, match=r"^host: full$"):
        await patiently(away, patience_s=0.0)


@pytest.mark.parametrize(
    ("cause", "asks"), [(ConnectionRefusedError("refused"), True), (OSError("reset"), False)]
)
def test_an_address_without_a_server_is_to_be_checked(cause: OSError, asks: bool) -> None:
    error = driver.ConnectionError(str(cause))
    error.__cause__ = cause
    told = str(translate(error, RedisSettings(url="redis://host")))
    assert ("does a server run there, and is the address right?" in told) is asks


async def test_patience_is_for_troubles_that_pass() -> None:
    tries = 0

    async def refused() -> None:
        nonlocal tries
        tries += 1
        raise StoreConfigurationError("wrong password")

    with pytest.raises(StoreConfigurationError, match="wrong password"):
        await patiently(refused, patience_s=None)
    assert tries == 1
