"""A rolling deploy under load, as an operator sees it.

    python examples/operating/rolling_deploy.py --transcript deploy.txt

On a private server, three workers run two runs of ``old/orders.py``. Workers with
``new/orders.py`` take their place one by one; it has another body of some tasks and another
parameter of some others. One of the two runs is exact. Then an old worker comes back for what only
the old code can run. Takes some minutes.
"""

from __future__ import annotations

import argparse
import asyncio
import difflib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TextIO

from astrum_coordinator.embedded import EmbeddedServer

HERE = Path(__file__).parent
PATIENCE_S = 180.0
MOST_LINES = 14
WIDTH = 200
WORKER_OPTIONS = ["--concurrency", "2", "--log-level", "warning"]


class Operator:
    """Starts processes and types commands; everything is printed and written down."""

    def __init__(self, url: str, transcript: TextIO | None, processes: ExitStack) -> None:
        self._environment = {**os.environ, "ASTRUM_REDIS_URL": url, "COLUMNS": "110"}
        self._transcript = transcript
        self._processes = processes
        self._began_at = time.monotonic()

    def say(self, text: str = "") -> None:
        """Print lines and write them down."""
        print(text, flush=True)
        if self._transcript:
            print(text, file=self._transcript, flush=True)

    def step(self, text: str) -> None:
        """Say what comes next, and when."""
        passed = time.monotonic() - self._began_at
        self.say(f"\n=== {passed:.0f} s: {text}")

    def type(self, line: str, release: str = "") -> None:
        """Run a command of the coordinator and show what it prints."""
        self.say(f"\n$ astrum-coordinator {line}")
        done = self._run(line.split(), release)
        lines = [line[:WIDTH].rstrip() for line in (done.stdout + done.stderr).splitlines()]
        if len(lines) > MOST_LINES:
            lines[MOST_LINES // 2 : -MOST_LINES // 2] = ["..."]
        self.say("\n".join(lines).strip("\n"))

    def ask(self, line: str) -> Any:
        """Return what a command says as JSON, without showing it."""
        return json.loads(self._run([*line.split(), "--json"], "").stdout)

    def start_worker(self, release: str) -> str:
        """Start a worker with the code of a release and return its id."""
        self.say(f"\n{release}$ astrum-worker orders.py {' '.join(WORKER_OPTIONS)}")
        arguments = ["orders.py", "--no-supervisor", *WORKER_OPTIONS]
        process = self._start("astrum_worker", arguments, release)
        self.until(lambda: self._worker_of(process.pid) != "", "the worker serves")
        return self._worker_of(process.pid)

    def start_coordinator(self) -> None:
        """Start a process that leads all runs."""
        self.say("\n$ astrum-coordinator serve")
        self._start("astrum_coordinator", ["serve"], "")

    def drain(self, worker: str) -> None:
        """Let a worker end, and wait until it has."""
        self.type(f"drain {worker}")
        self.until(lambda: worker not in self._workers(), "the worker has ended")

    def until(self, fact: Callable[[], bool], what: str) -> None:
        """Wait for a fact."""
        deadline = time.monotonic() + PATIENCE_S
        while not fact():
            if time.monotonic() > deadline:
                raise SystemExit(f"not within {PATIENCE_S:g} s: {what}")
            time.sleep(0.2)

    def has_ended(self, run_id: str) -> bool:
        """Tell whether a run is over."""
        return all(run["state"] != "open" for run in self.ask("runs") if run["run_id"] == run_id)

    def _workers(self) -> list[str]:
        return [worker["worker_id"] for worker in self.ask("workers")]

    def _worker_of(self, pid: int) -> str:
        return next((worker for worker in self._workers() if f".{pid}." in worker), "")

    def _start(self, module: str, arguments: list[str], release: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=HERE / release,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._processes.callback(process.wait)
        self._processes.callback(process.kill)
        return process

    def _run(self, arguments: list[str], release: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "astrum_coordinator", *arguments],
            cwd=HERE / release,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )


def deploy(operator: Operator) -> bool:
    """Do the whole deploy; return whether all runs have completed."""
    operator.step("three workers with the old code, and two runs under way")
    old = [operator.start_worker("old") for _ in range(3)]
    operator.start_coordinator()
    operator.type("submit orders.py --run-id morning-1", "old")
    operator.type("submit orders.py --run-id morning-2 --versions exact", "old")
    operator.until(lambda: _has_results(operator), "tasks have ended")
    look(operator)

    operator.step("the new code")
    operator.say(_difference())

    operator.step("one new worker comes, one old worker drains")
    operator.start_worker("new")
    operator.drain(old[0])
    operator.type("submit orders.py --run-id noon", "new")
    look(operator)

    operator.step("the second")
    operator.start_worker("new")
    operator.drain(old[1])
    look(operator)

    operator.step("the third: no worker has the old code now")
    operator.start_worker("new")
    operator.drain(old[2])
    operator.until(lambda: operator.has_ended("noon"), "the run of the new code has ended")
    look(operator)
    operator.type("coordinators")
    operator.type("show morning-1")

    operator.step("an old worker comes back until the runs that need it have ended")
    last = operator.start_worker("old")
    for run_id in ("morning-1", "morning-2"):
        operator.type(f"wait {run_id}")
    operator.drain(last)
    look(operator)
    runs = operator.ask("runs")
    return len(runs) == 3 and all(run["state"] == "completed" for run in runs)


def look(operator: Operator) -> None:
    """Show what an operator looks at."""
    for line in ("workers", "queues", "runs"):
        operator.type(line)


def _has_results(operator: Operator) -> bool:
    return any((run.get("counts") or {}).get("succeeded", 0) > 0 for run in operator.ask("runs"))


def _difference() -> str:
    old, new = (
        (HERE / release / "orders.py").read_text().splitlines() for release in ("old", "new")
    )
    lines = difflib.unified_diff(old, new, "old/orders.py", "new/orders.py", n=0, lineterm="")
    return "\n".join(lines)


async def main() -> int:
    """Run the deploy on a private server; the exit code is 0 if all runs have completed."""
    parser = argparse.ArgumentParser(description="A rolling deploy under load.")
    parser.add_argument("--transcript", type=Path, help="also write everything to this file")
    path = parser.parse_args().transcript
    this_task = asyncio.current_task()
    assert this_task is not None
    # As Ctrl-C does it: then the processes are ended as well.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, this_task.cancel)
    with ExitStack() as processes:
        transcript = processes.enter_context(path.open("w")) if path else None
        async with EmbeddedServer() as server:
            with ExitStack() as started:
                operator = Operator(server.url, transcript, started)
                completed = await asyncio.to_thread(deploy, operator)
        return 0 if completed else 1


if __name__ == "__main__":
    try:
        sys.exit(asyncio.run(main()))
    except asyncio.CancelledError:
        sys.exit(128 + signal.SIGTERM)
