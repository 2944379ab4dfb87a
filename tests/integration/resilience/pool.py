"""Real workers and coordinators of one test, and flows whose tasks wait for files."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from astrum.protocol.records import RunInfo
from astrum.redis import RedisSettings, RunStore
from tests import warm_start
from tests.processes import ROOT, AstrumProcess, wait_until
from tests.servers import RedisServer

FOLDER_VARIABLE = "ASTRUM_TEST_FOLDER"
MODULE = "tests.flows.resilience"
COMMAND_TIMEOUT_S = 60.0
QUICK = ("--lease", "1", "--grace", "0.1")


class Pool:
    """Starts processes for `tests.flows.resilience`; all of them are gone at the end."""

    def __init__(self, folder: Path, server: RedisServer) -> None:
        self.folder = folder
        self.server = server
        self._processes: list[AstrumProcess] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.close()

    # --- processes --------------------------------------------------------------------------

    def worker(
        self,
        *options: str,
        url: str = "",
        module: str = MODULE,
        launcher: Sequence[str] = (),
    ) -> AstrumProcess:
        """Start a worker and wait until it serves."""
        arguments = [module, "--redis", url or self.server.url, *options]
        process = self._start("astrum_worker", *arguments, launcher=launcher)
        wait_until(lambda: " serves " in process.output, "a worker that serves")
        return process

    def serve(
        self, url: str = "", launcher: Sequence[str] = (), log_level: str = "info"
    ) -> AstrumProcess:
        """Start ``astrum-coordinator serve`` and wait until it serves."""
        arguments = ["serve", "--redis", url or self.server.url, "--log-level", log_level]
        process = self._start("astrum_coordinator", *arguments, launcher=launcher)
        wait_until(lambda: "serving " in process.output, "a coordinator that serves")
        return process

    def start(self, command: str, *arguments: str) -> AstrumProcess:
        """Start another command of the coordinator."""
        return self._start("astrum_coordinator", command, *arguments, "--redis", self.server.url)

    def _start(self, module: str, *arguments: str, launcher: Sequence[str] = ()) -> AstrumProcess:
        environment = {FOLDER_VARIABLE: str(self.folder)}
        process = AstrumProcess(module, *arguments, environment=environment, launcher=launcher)
        self._processes.append(process)
        return process

    # --- runs -------------------------------------------------------------------------------

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the coordinator to its end."""
        return warm_start.run(
            [sys.executable, "-m", "astrum_coordinator", *arguments, "--redis", self.server.url],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
            check=False,
        )

    def submit(self, namespace: str, run_id: str = "r", *options: str) -> str:
        """Submit a run of one of the flows."""
        done = self.command("submit", MODULE, "-n", namespace, "--run-id", run_id, *options)
        assert done.returncode == 0, done.stderr
        return run_id

    def report(self, run_id: str = "r") -> dict[str, Any]:
        """Return a run's report, as ``show --json`` prints it."""
        done = self.command("show", run_id, "--json")
        assert done.returncode == 0, done.stderr
        report: dict[str, Any] = json.loads(done.stdout)
        return report

    async def info(self, run_id: str = "r") -> RunInfo | None:
        """Return what the server knows of a run."""
        async with RunStore.open(RedisSettings(url=self.server.url)) as store:
            return await store.run_info(run_id)

    def ended(self, run_id: str = "r", within_s: float = 30.0) -> dict[str, Any]:
        """Wait for a run's end and return its report."""
        wait_until(
            lambda: self.field(run_id, "st") != "open", f"the end of {run_id}", within_s=within_s
        )
        return self.report(run_id)

    def field(self, run_id: str, name: str) -> str:
        """Return a field of a run's record, "" if there is none or no server to ask."""
        settings = RedisSettings(url=self.server.url)
        with self.server.client() as client:
            value: Any = client.hget(settings.keys.run(run_id), name)
        return value.decode() if value is not None else ""

    def end_leadership(self, run_id: str = "r") -> None:
        """Let the leader's lease be over, as it is some seconds after the leader's death."""
        keys = RedisSettings(url=self.server.url).keys
        with self.server.client() as client:
            client.zadd(keys.runs, {run_id: 0})

    def leader_pid(self, run_id: str = "r") -> int:
        """Return the process that leads a run, 0 if none does."""
        owner = self.field(run_id, "ow").split(":")
        return int(owner[1]) if len(owner) == 3 else 0

    # --- what tasks did ---------------------------------------------------------------------

    def executions(self) -> Counter[str]:
        """Count the executions by task id."""
        file = self.folder / "executions"
        return Counter(file.read_text().split()) if file.exists() else Counter()

    def started(self, name: str, times: int = 1) -> None:
        """Wait until a task was started so many times."""
        wait_until(lambda: self.executions()[name] >= times, f"start {times} of {name}")

    def release(self, name: str) -> None:
        """Let a waiting task continue, in this execution and all later ones."""
        (self.folder / name).touch()


def statuses(report: dict[str, Any], task: str) -> list[str]:
    """Return how the attempts of a task ended, in order."""
    [row] = [row for row in report["task_statistics"] if row["task_name"] == task]
    return [attempt["status"] for attempt in row["attempt_statistics"]]


def attempts(report: dict[str, Any], task: str) -> list[dict[str, Any]]:
    """Return the attempts of a task."""
    [row] = [row for row in report["task_statistics"] if row["task_name"] == task]
    rows: list[dict[str, Any]] = row["attempt_statistics"]
    return rows
