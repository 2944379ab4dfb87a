"""Measures what it costs to follow a run and to show it: ``python -m benchmarks.followed_run``.

A run of short tasks goes on at a steady rate of ends on a private server. The command ``resume``
follows it in a process of its own, with the live view on a terminal and without. Printed is the
share of a core that this process takes.
"""

from __future__ import annotations

import asyncio
import os
import pty
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import psutil

from astrum_coordinator import Coordinator
from astrum_coordinator.embedded.server import EmbeddedServer
from benchmarks.flows.steady import TAKES_S

ROOT = Path(__file__).parent.parent
FLOW = "benchmarks.flows.steady"
RUN_ID = "steady"
SETTLES_S = 4.0
"""Seconds before the measurement: the first look at the run and the start of the process."""


@click.command()
@click.option("--rate", default=1_000, show_default=True, help="Ends per second.")
@click.option("--seconds", default=10.0, show_default=True, help="How long each measurement takes.")
def main(rate: int, seconds: float) -> None:
    """Measure the processor time of a process that follows a run."""
    asyncio.run(_measure(rate, seconds))


async def _measure(rate: int, seconds: float) -> None:
    async with EmbeddedServer() as server, Coordinator(server.url) as coordinator:
        at_once = str(round(rate * TAKES_S))
        with (
            _process("astrum_worker", FLOW, "--concurrency", at_once, url=server.url),
            _process("astrum_coordinator", "serve", url=server.url),
        ):
            submit = ("submit", FLOW, "--run-id", RUN_ID, "--concurrency-limit", at_once)
            with _process("astrum_coordinator", *submit, url=server.url) as submitted:
                await asyncio.to_thread(submitted.wait)
            for name, options in (("shown on a terminal", ()), ("followed, --quiet", ("--quiet",))):
                await _measure_one(coordinator, server.url, seconds, name, options)


async def _measure_one(
    coordinator: Coordinator, url: str, seconds: float, name: str, options: tuple[str, ...]
) -> None:
    with _process("astrum_coordinator", "resume", RUN_ID, *options, url=url) as follower:
        await asyncio.sleep(SETTLES_S)
        ended, cpu_s = await _ended(coordinator), _cpu_s(follower.pid)
        await asyncio.sleep(seconds)
        rate = (await _ended(coordinator) - ended) / seconds
        share = (_cpu_s(follower.pid) - cpu_s) / seconds
    click.echo(f"{name}: {share:.1%} of a core at {rate:,.0f} ends/s")


async def _ended(coordinator: Coordinator) -> int:
    info = await coordinator.run_info(RUN_ID)
    assert info is not None
    assert info.is_open, "the run ended before the measurement did"
    return 0 if info.counts is None else info.counts.succeeded


def _cpu_s(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


@contextmanager
def _process(module: str, *arguments: str, url: str) -> Iterator[subprocess.Popen[bytes]]:
    """Start a process of Astrum on a terminal that takes all of its output."""
    master, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env={**os.environ, "ASTRUM_REDIS_URL": url, "TERM": "xterm-256color"},
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
    )
    os.close(terminal)
    threading.Thread(target=_read, args=(master,), daemon=True).start()
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def _read(master: int) -> None:
    try:
        while os.read(master, 65536):
            pass
    except OSError:  # the process has ended
        os.close(master)


if __name__ == "__main__":
    main()
