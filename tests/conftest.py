"""Servers for tests, and what each test must leave behind: nothing."""

from __future__ import annotations

import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from astrum.flow import registry
from astrum.flow.registry import all_registries
from astrum.redis import RedisSettings
from tests.keyspace import unowned_keys
from tests.leftovers import Leftovers, mark_descendants, move_temporary_files
from tests.servers import RedisServer, Server, server_names, start_server, why_missing
from tests.warm_start import INTERPRETER

CHAOS = Path(__file__).parent / "chaos"

# A shared machine may stand still for longer than the 200 ms that Hypothesis grants an example;
# the timeout of each test bounds property tests, too.
hypothesis.settings.register_profile("astrum", deadline=None)
hypothesis.settings.load_profile("astrum")


def pytest_configure() -> None:
    """Let the processes that tests start be interrupted, also where we were started with `&`.

    A shell without job control starts what it puts into the background with Ctrl-C ignored, and
    what is ignored stays ignored in every descendant. `nohup` does so with a hangup: a handler of
    ours keeps this process alive, and descendants begin with the default.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
        signal.signal(signal.SIGHUP, lambda *_: None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that wait longest, so that none is left alone at the end."""
    items.sort(key=lambda item: not item.path.is_relative_to(CHAOS))


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


@pytest.fixture(scope="session", autouse=True)
def _places_of_our_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Temporary files go to a folder of their own: paths of sockets must be short."""
    tmp_path_factory.getbasetemp()  # pytest's own stay where they always are
    with tempfile.TemporaryDirectory(prefix="at-") as directory:
        mark_descendants()
        move_temporary_files(Path(directory))
        yield


@pytest.fixture(autouse=True)
def nothing_is_left_behind(_servers: dict[str, Server]) -> Iterator[None]:
    """Each test ends the processes and threads that it started and removes its files.

    The shared servers stay.
    """
    before = Leftovers()
    yield
    own = [server for server in _servers.values() if isinstance(server, RedisServer)]
    processes = {server.process.pid for server in own if server.process is not None}
    processes |= INTERPRETER.pids
    problems = before.problems(processes, {server.directory.name for server in own})
    assert not problems, problems
