"""The measured systems: Astrum, the floor, and peers, each peer in an environment of its own.

A peer that cannot be installed or that fails is skipped; the reason is in the report.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.servers import RedisServer

ROOT = Path(__file__).parents[1]
ENVIRONMENTS = ROOT / ".bench"
DRIVER = ROOT / "benchmarks" / "drivers" / "driver.py"
ASTRUM, FLOOR = "astrum", "floor"
INSTALL_TIMEOUT_S = 300
REASON_LINES = 3


class SystemFailedError(Exception):
    """A system could not be installed or did not do its work; the text says why."""


@dataclass(frozen=True)
class Peer:
    """Another system: what to install, and which works it can express."""

    name: str
    requirements: tuple[str, ...]
    works: tuple[str, ...] = ("fan_out", "sync_fan_out", "chain")

    @property
    def python(self) -> Path:
        """The interpreter of its environment."""
        return ENVIRONMENTS / self.name / "bin" / "python"

    def install(self) -> None:
        """Make its environment unless it is there; raises `SystemFailedError`."""
        stamp = self.python.parents[1] / ".requirements"
        wanted = "\n".join(self.requirements)
        if stamp.exists() and stamp.read_text() == wanted:
            return
        for command in self._commands():
            run_command(command, INSTALL_TIMEOUT_S, os.environ)
        stamp.write_text(wanted)

    def _commands(self) -> list[list[str]]:
        folder = str(self.python.parents[1])
        uv = shutil.which("uv")
        if uv:
            return [
                [uv, "venv", "--quiet", "--clear", "--python", sys.executable, folder],
                [uv, "pip", "install", "--quiet", "-p", str(self.python), *self.requirements],
            ]
        pip = [str(self.python), "-m", "pip", "install", "--quiet", *self.requirements]
        return [[sys.executable, "-m", "venv", "--clear", folder], pip]


WITH_LAYERS = ("fan_out", "sync_fan_out", "chain", "layered")
SMALL_RUNS = "small_runs"
WITH_RUNS = ("fan_out", "sync_fan_out", "chain", SMALL_RUNS)
PEERS = {
    peer.name: peer
    for peer in (
        Peer("ray", ("ray==2.60.0",), WITH_LAYERS),
        Peer("dramatiq", ("dramatiq[redis]==2.2.1",)),
        Peer("arq", ("arq==0.28.0",)),
        Peer("taskiq", ("taskiq==0.13.0", "taskiq-redis==1.2.4"), WITH_RUNS),
        Peer("streaq", ("streaq==7.2.0",)),
        Peer("dask", ("dask[distributed]==2026.8.0",), (*WITH_LAYERS, SMALL_RUNS)),
        Peer("celery", ("celery[redis]==5.7.0",), WITH_RUNS),
        Peer("rq", ("rq==3.0.0",), WITH_LAYERS),
        Peer("dbos", ("dbos==3.4.0",), (SMALL_RUNS,)),
        Peer("prefect", ("prefect==3.9.1",), (SMALL_RUNS,)),
    )
}


def works_of(system: str) -> tuple[str, ...]:
    """Return the works that a system can express."""
    return PEERS[system].works if system in PEERS else WITH_LAYERS


def drive(
    system: str,
    work: str,
    tasks: int,
    *,
    timeout_s: float,
    url: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> dict[str, float]:
    """Have a system do a piece of work once, on a fresh private server unless ``url`` is given.

    Astrum and the floor use the server's Unix socket; peers, not all of which can, its TCP port
    on the loopback interface. Raises `SystemFailedError`.
    """
    if url is not None:
        return _drive(system, work, tasks, timeout_s, url, environment or {})
    with RedisServer(tcp=True, options={"maxmemory-policy": "noeviction"}) as server:
        own = server.tcp_url if system in PEERS else server.url
        return _drive(system, work, tasks, timeout_s, own, environment or {})


def _drive(
    system: str, work: str, tasks: int, timeout_s: float, url: str, extra: Mapping[str, str]
) -> dict[str, float]:
    python = str(PEERS[system].python) if system in PEERS else sys.executable
    command = [python, str(DRIVER), system, work, str(tasks)]
    output = run_command(command, timeout_s, {**os.environ, "BENCH_REDIS_URL": url, **extra})
    numbers: dict[str, float] = json.loads(output.strip().splitlines()[-1])
    return numbers


def run_command(command: list[str], timeout_s: float, environment: Mapping[str, str]) -> str:
    """Run a command and return its output; raises `SystemFailedError` with its last lines."""
    process = subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        output, errors = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        _kill_tree(process.pid)
        process.communicate()
        raise SystemFailedError(f"took longer than {timeout_s:g} s") from None
    if process.returncode:
        lines = [line for line in errors.splitlines() if line.strip()]
        raise SystemFailedError(" / ".join(lines[-REASON_LINES:]) or "failed without a word")
    return output


def _kill_tree(pid: int) -> None:
    """Kill a process and all that it has started, in whatever session that is."""
    try:
        root = psutil.Process(pid)
        doomed = [*root.children(recursive=True), root]
    except psutil.NoSuchProcess:
        return
    for process in doomed:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
