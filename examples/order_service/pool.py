"""All processes of the service on this host, each of which can be killed and started again."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from ledger import PATH_VARIABLE, open_ledger

from astrum_coordinator.embedded.server import find_server_binary

HERE = Path(__file__).parent
PATIENCE_S = 30.0
KINDS = ("worker", "serve", "web", "redis")


class Pool:
    """Redis, two workers, two coordinators and the web service; ``with`` ends them."""

    def __init__(self, folder: Path | None = None) -> None:
        self._is_ours = folder is None
        self.folder = folder or Path(tempfile.mkdtemp(prefix="orders-"))
        self.ledger = self.folder / "ledger.sqlite"
        self.port = _free_port()
        self._redis_port = _free_port()
        self.redis_url = f"redis://127.0.0.1:{self._redis_port}/0"
        self.url = f"http://127.0.0.1:{self.port}"
        self._commands = self._all_commands()
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Pool:
        try:
            self._start_all()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Kill all processes; harmless when repeated."""
        for process in reversed(self._processes.values()):
            process.kill()
            process.wait()
        if self._is_ours:
            shutil.rmtree(self.folder, ignore_errors=True)

    def kill(self, name: str) -> None:
        """End a process at once, as a crash does."""
        self._processes[name].kill()
        self._processes[name].wait()

    def start(self, name: str) -> None:
        """Start a process, for the first time or again."""
        with (self.folder / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                self._commands[name],
                cwd=HERE,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def names(self, kind: str) -> list[str]:
        """Return the names of all processes of a kind."""
        return [name for name in self._commands if name.startswith(kind)]

    def _start_all(self) -> None:
        with open_ledger(self.ledger):
            pass  # The file is made once, not by many workers at a time.
        self.start("redis")
        _until(lambda: _listens(self._redis_port), "the server answers")
        for name in self._commands:
            if name != "redis":
                self.start(name)
        publish = [sys.executable, "-m", "astrum_coordinator", "publish", "order_flow.py"]
        subprocess.run(
            publish, cwd=HERE, env=self._environment(), check=True, stdout=subprocess.DEVNULL
        )
        _until(self._web_answers, "the web service answers")

    def _web_answers(self) -> bool:
        try:
            with urllib.request.urlopen(self.url, timeout=5):
                return True
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False

    def _environment(self) -> dict[str, str]:
        ours = {"ASTRUM_REDIS_URL": self.redis_url, PATH_VARIABLE: str(self.ledger)}
        return {**os.environ, **ours}

    def _all_commands(self) -> dict[str, list[str]]:
        def module(name: str, *arguments: str) -> list[str]:
            return [sys.executable, "-m", name, *arguments]

        worker = module("astrum_worker", "order_flow.py", "--no-supervisor", "--threads", "8")
        web = ("web:app", "--port", str(self.port), "--no-access-log")
        redis = [find_server_binary(), "--port", str(self._redis_port), "--bind", "127.0.0.1"]
        # What was acknowledged survives a kill: it is in the file, if not yet on the disk.
        redis += ["--appendonly", "yes", "--save", "", "--dir", str(self.folder)]
        return {
            "redis": redis,
            "worker-1": [*worker, "--wait"],
            "worker-2": [*worker, "--wait"],
            "serve-1": module("astrum_coordinator", "serve"),
            "serve-2": module("astrum_coordinator", "serve"),
            "web": module("uvicorn", *web),
        }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _until(fact: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not fact():
        if time.monotonic() > deadline:
            raise SystemExit(f"not within {PATIENCE_S:g} s: {what}")
        time.sleep(0.05)
