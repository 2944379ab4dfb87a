"""Troubles of a server: commands wait for those that pass, and end with a message for others.

The exit codes are those of ``docs/exit-codes.md``, of commands that really end so.
"""

from __future__ import annotations

import re
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
import redis

from astrum.runtime.exit_codes import ExitCode
from tests import warm_start
from tests.integration.cli.conftest import COMMAND, TIMEOUT_S, Cli, Write, environment
from tests.processes import wait_until
from tests.servers import RedisServer

FLOW = """
    from astrum import task

    @task("seven")
    async def seven() -> int:
        return 7
"""
WAITS = """
    import asyncio, pathlib
    from astrum import task

    @task("waits")
    async def waits() -> str:
        pathlib.Path("started").touch()
        while not pathlib.Path("released").exists():
            await asyncio.sleep(0.01)
        return "waited"
"""
TRIED_AGAIN = "it is tried again for 10 s at most"


class Command:
    """A command that runs while its test does something to the server."""

    def __init__(self, folder: Path, url: str, *arguments: str) -> None:
        self._said = folder / "said"
        with self._said.open("w") as said:
            self.process = warm_start.start(
                [*COMMAND, *arguments],
                cwd=folder,
                env=environment(ASTRUM_REDIS_URL=url),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=said,
                text=True,
            )

    @property
    def said(self) -> str:
        return self._said.read_text()

    def wait_told(self, what: str) -> None:
        """Wait until it says what it waits for."""
        wait_until(lambda: TRIED_AGAIN in self.said and what in self.said, f"{what!r}")

    def end(self) -> int:
        """Wait for its end and return the exit code."""
        self.process.communicate(timeout=TIMEOUT_S)
        return self.process.returncode


Start = Callable[..., Command]


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture
def start(tmp_path: Path, server: RedisServer) -> Iterator[Start]:
    with ExitStack() as stack:

        def begin(*arguments: str) -> Command:
            command = Command(tmp_path, server.url, *arguments)
            stack.callback(command.process.wait)
            stack.callback(command.process.kill)
            return command

        yield begin


@contextmanager
def absent(server: RedisServer) -> Iterator[str]:
    """A server that was killed, until it is started again."""
    server.kill()
    yield "cannot be reached"
    server.start()


@contextmanager
def crowded(server: RedisServer) -> Iterator[str]:
    """A server that takes no client but the one that is there."""
    with server.client() as client:
        client.config_set("maxclients", 1)
        for kind in ("normal", "pubsub"):
            client.client_kill_filter(_type=kind, skipme=True)
        yield "too many clients"
        client.config_set("maxclients", 100)


@contextmanager
def busy(server: RedisServer) -> Iterator[str]:
    """A server in the middle of another client's endless script."""
    with server.client() as client, server.client() as other:
        other.config_set("busy-reply-threshold", 1)

        def loop() -> None:
            with suppress(redis.ResponseError):
                client.eval("while true do end", 0)

        thread = threading.Thread(target=loop)
        thread.start()

        def is_busy() -> bool:
            try:
                other.ping()
            except redis.ResponseError:
                return True
            return False

        wait_until(is_busy, "the script")
        yield "busy with a long script"
        other.script_kill()
        thread.join()


@pytest.mark.parametrize("trouble", [absent, crowded, busy])
@pytest.mark.parametrize(
    "arguments", [("runs",), ("submit", "flow.py"), ("run", "flow.py", "--workers", "1")]
)
def test_a_temporary_fault_of_the_server_at_the_start_is_reported_and_waited_out(
    write: Write,
    start: Start,
    server: RedisServer,
    arguments: tuple[str, ...],
    trouble: Callable[[RedisServer], Iterator[str]],
) -> None:
    write("flow.py", FLOW)
    with trouble(server) as told:  # type: ignore[attr-defined]
        command = start(*arguments)
        command.wait_told(told)
    assert command.end() == ExitCode.DONE, command.said
    assert command.said.count(TRIED_AGAIN) < 3, "it is logged once, not at each try"


@pytest.mark.parametrize("trouble", [crowded, busy])
def test_a_temporary_fault_of_the_server_during_a_run_is_waited_out(
    write: Write,
    start: Start,
    server: RedisServer,
    tmp_path: Path,
    trouble: Callable[[RedisServer], Iterator[str]],
) -> None:
    write("flow.py", WAITS)
    command = start("run", "flow.py", "--workers", "1")
    wait_until((tmp_path / "started").exists, "the task")
    with trouble(server) as told:  # type: ignore[attr-defined]
        (tmp_path / "released").touch()
        wait_until(lambda: told in command.said, f"{told!r}")
        assert command.process.poll() is None
    assert command.end() == ExitCode.DONE, command.said


@pytest.mark.parametrize("trouble", [absent, crowded])
def test_a_serving_coordinator_waits_for_a_temporary_fault_to_end(
    start: Start, server: RedisServer, trouble: Callable[[RedisServer], Iterator[str]]
) -> None:
    with trouble(server) as told:  # type: ignore[attr-defined]
        command = start("serve")
        command.wait_told(told)
    wait_until(lambda: "serving unix:" in command.said, "serving")
    command.process.send_signal(signal.SIGTERM)
    assert command.end() == ExitCode.DONE


def test_a_server_that_stays_unreachable_ends_a_command_with_a_message(
    start: Start, server: RedisServer
) -> None:
    server.kill()
    command = start("runs")
    assert command.end() == ExitCode.FAILED
    last = command.said.splitlines()[-1]
    assert last.startswith("error: ")
    assert "cannot be reached" in last
    assert re.search(r"it stayed so for 1\d s", last), last


def test_a_full_memory_that_does_not_recover_exits_with_the_code_for_a_person(
    write: Write, start: Start, server: RedisServer
) -> None:
    write("flow.py", FLOW)
    with server.client() as client:
        client.config_set("maxmemory", 1)
    command = start("submit", "flow.py")
    assert command.end() == ExitCode.PERSON_NEEDED
    assert "memory is full" in command.said.splitlines()[-1]


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, ExitCode.INTERRUPTED), (signal.SIGTERM, ExitCode.TERMINATED)],
)
@pytest.mark.parametrize("arguments", [("runs",), ("run", "flow.py", "--workers", "1")])
def test_a_signal_ends_the_waiting(
    write: Write,
    start: Start,
    server: RedisServer,
    arguments: tuple[str, ...],
    number: signal.Signals,
    code: ExitCode,
) -> None:
    write("flow.py", FLOW)
    server.kill()
    command = start(*arguments)
    command.wait_told("cannot be reached")
    command.process.send_signal(number)
    assert command.end() == code


# --- what does not pass -------------------------------------------------------------------


@pytest.mark.parametrize("command", ["runs", "serve", "submit", "run"])
@pytest.mark.parametrize("query", ["?db=99", "?database=5", "?password=wrong"])
def test_a_wrong_setting_is_reported_at_once(
    write: Write, cli: Cli, server: RedisServer, command: str, query: str
) -> None:
    write("flow.py", FLOW)
    if "password" in query:
        with server.client() as client:
            client.config_set("requirepass", "right")
    flow = ["flow.py"] if command in ("submit", "run") else []
    done = cli(command, *flow, ASTRUM_REDIS_URL=server.url + query)
    assert (done.returncode, done.stdout) == (ExitCode.WRONG_USAGE, "")
    *before, last = done.stderr.splitlines()
    assert last.startswith("error: ")
    place = f"running on {server.url}"  # `run` says first where it runs
    assert len(before) == (command == "run"), done.stderr
    assert all(line.startswith(place) for line in before), done.stderr
