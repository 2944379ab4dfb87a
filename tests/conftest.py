"""Servers for tests, and what each test must leave behind: nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from astrum import registry
from astrum.redis import RedisSettings
from astrum.registry import all_registries
from tests.keyspace import unowned_keys
from tests.servers import Server, server_names, start_server, why_missing

CHILD_END_TIMEOUT_S = 5.0


@pytest.fixture(scope="session")
def _servers() -> Iterator[dict[str, Server]]:
    started: dict[str, Server] = {}
    yield started
    for server in started.values():
        server.close()


def _ready(servers: dict[str, Server], name: str) -> Server:
    reason = why_missing(name) if name not in servers else ""
    if reason:
        pytest.skip(reason)
    if name not in servers:
        servers[name] = start_server(name)
    with servers[name].client() as client:
        client.flushall()
    return servers[name]


def _verdict(server: Server) -> None:
    with server.client() as client:
        problems = unowned_keys(client)
        client.flushall()
    assert not problems, problems


@pytest.fixture
def redis_server(_servers: dict[str, Server]) -> Iterator[Server]:
    """An empty server; afterwards every key must have a limited life or an owner."""
    server = _ready(_servers, server_names()[0])
    yield server
    _verdict(server)


@pytest.fixture
def settings(redis_server: Server) -> RedisSettings:
    """How to reach the empty server."""
    return RedisSettings(url=redis_server.url)


@pytest.fixture(params=server_names())
def any_server(request: pytest.FixtureRequest, _servers: dict[str, Server]) -> Iterator[Server]:
    """Each kind of server there is, one after the other; as `redis_server`."""
    server = _ready(_servers, request.param)
    yield server
    _verdict(server)


@pytest.fixture
def any_settings(any_server: Server) -> RedisSettings:
    """How to reach each kind of server."""
    return RedisSettings(url=any_server.url)


@pytest.fixture(autouse=True)
def namespaces_stay_as_they_were() -> Iterator[None]:
    """Flows that a test module declared at import outlive the tests that clear all namespaces."""
    before = all_registries()
    yield
    registry._registries.clear()
    registry._registries.update(before)


@pytest.fixture(autouse=True)
def no_stray_children(_servers: dict[str, Server]) -> Iterator[None]:
    """Each test ends the processes that it started (the shared servers stay)."""
    before = _children()
    yield
    shared = {
        process.pid
        for server in _servers.values()
        if (process := getattr(server, "process", None)) is not None
    }
    strays = [
        psutil.Process(pid) for pid in _children() - before - shared if psutil.pid_exists(pid)
    ]
    _, alive = psutil.wait_procs(strays, timeout=CHILD_END_TIMEOUT_S)
    assert not alive, f"still running: {alive}"


def _children() -> set[int]:
    lists = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    try:
        return {int(pid) for names in lists for pid in names.read_text().split()}
    except OSError:  # a thread that ended meanwhile
        return {child.pid for child in psutil.Process().children()}
