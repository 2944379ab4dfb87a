"""Real Astrum processes for tests: started, waited for, killed, and gone afterwards."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from astrum.redis import RedisSettings, RunStore
from tests import warm_start

ROOT = Path(__file__).parent.parent
PATIENCE_S = 30.0


def wait_until(fact: Callable[[], bool], what: str, *, within_s: float = PATIENCE_S) -> None:
    """Wait for a fact outside of this process; fails saying what did not happen."""
    deadline = time.monotonic() + within_s
    while not fact():
        assert time.monotonic() < deadline, f"{what} did not happen within {within_s:g} s"
        time.sleep(0.02)


class AstrumProcess:
    """A process of ours with its output in a file; ``with`` makes sure that it ends.

    ``launcher`` is a command that runs it somewhere else, such as ``ip netns exec NAME``. A worker
    has no supervisor unless ``supervised``, so that signals reach the worker itself.
    """

    def __init__(
        self,
        module: str,
        *arguments: str,
        environment: Mapping[str, str] | None = None,
        launcher: Sequence[str] = (),
        supervised: bool = False,
    ) -> None:
        if module == "astrum_worker" and not supervised and "--processes" not in arguments:
            arguments = (*arguments, "--no-supervisor")
        self._log = tempfile.NamedTemporaryFile("w+", suffix=".log")  # noqa: SIM115
        self._process = warm_start.start(
            [*launcher, sys.executable, "-m", module, *arguments],
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def output(self) -> str:
        """All that it wrote so far."""
        return Path(self._log.name).read_text()

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def kill(self) -> None:
        """End it as a crash does."""
        self._process.kill()
        self._process.wait()

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def wait(self, within_s: float = PATIENCE_S) -> int:
        """Wait for its own end and return the exit code."""
        return self._process.wait(within_s)

    def close(self) -> None:
        """End it, stopped or not; harmless when repeated."""
        if self.is_alive():
            self.send(signal.SIGCONT)
            self.kill()
        self._log.close()

    def __enter__(self) -> AstrumProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def worker(url: str, *modules: str, options: Sequence[str] = ()) -> AstrumProcess:
    """Start a worker process; `serving` waits until it takes tasks."""
    return AstrumProcess("astrum_worker", *modules, "--redis", url, *options)


async def serving(settings: RedisSettings, count: int) -> None:
    """Wait until ``count`` workers are registered."""
    async with RunStore.open(settings) as store:
        deadline = time.monotonic() + PATIENCE_S
        while len(await store.workers()) < count:
            assert time.monotonic() < deadline, f"no {count} workers after {PATIENCE_S:g} s"
            await asyncio.sleep(0.02)
