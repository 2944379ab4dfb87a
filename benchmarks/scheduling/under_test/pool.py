"""Processes of the checkout under test, and what is asked of them; all in the API of both."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
URL = os.environ.get("BENCH_REDIS_URL", "redis://127.0.0.1:6379/0")
PATIENCE_S = 60.0
Environment = Mapping[str, str]


@dataclass(frozen=True)
class Worker:
    """One worker to start: its modules, its further options and its environment."""

    modules: Sequence[str]
    options: Sequence[str] = ()
    environment: Environment = field(default_factory=dict)


@contextmanager
def process(module: str, *arguments: str, environment: Environment) -> Iterator[None]:
    """Run a command of the checkout; killed at the end of the block."""
    with tempfile.TemporaryFile() as log:
        started = subprocess.Popen(
            _command(module, *arguments),
            cwd=HERE,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            yield
            if started.poll() is not None:
                log.seek(0)
                raise SystemExit(f"{module} ended: {log.read().decode()[-1000:]}")
        finally:
            started.kill()
            started.wait()


@asynccontextmanager
async def pool(workers: Sequence[Worker], *, serves: bool = False) -> AsyncIterator[Any]:
    """Give a coordinator once all workers are there; ``serves``: and another process leads."""
    from astrum_coordinator import Coordinator

    with ExitStack() as processes:
        for worker in workers:
            command = ("astrum_worker", *worker.modules, "--no-supervisor", *worker.options)
            processes.enter_context(process(*command, environment=worker.environment))
        if serves:
            serve = process("astrum_coordinator", "serve", environment={})
            processes.enter_context(serve)
        async with Coordinator(URL) as coordinator:
            await until(lambda: _count(coordinator, len(workers), serves), "the pool is complete")
            yield coordinator


async def _count(coordinator: Any, workers: int, serves: bool) -> bool:
    found = len(await coordinator.workers())
    return found == workers and (not serves or bool(await coordinator.coordinators()))


async def until(fact: Callable[[], Awaitable[bool]], what: str, every_s: float = 0.02) -> None:
    """Wait for a fact; ends the driver if it does not come."""
    deadline = time.monotonic() + PATIENCE_S
    while not await fact():
        if time.monotonic() > deadline:
            raise SystemExit(f"not within {PATIENCE_S:g} s: {what}")
        await asyncio.sleep(every_s)


async def submit(module: str, run_id: str, environment: Environment) -> None:
    """Submit a run by the command, which plans it with this environment."""
    arguments = ("submit", module, "--run-id", run_id)
    done = await asyncio.to_thread(
        subprocess.run,
        _command("astrum_coordinator", *arguments),
        cwd=HERE,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise SystemExit(f"{module} could not be submitted: {done.stderr[-1000:]}")


def _command(module: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", module, *arguments, "--redis", URL]


@contextmanager
def marks() -> Iterator[Callable[[], list[float]]]:
    """Give what reads the times that tasks have left, oldest first."""
    with tempfile.NamedTemporaryFile("r", prefix="bench-marks-") as file:
        os.environ["BENCH_MARKS"] = file.name
        yield lambda: sorted(float(line) for line in Path(file.name).read_text().splitlines())
