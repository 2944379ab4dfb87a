"""A checkout of Astrum under test, known by the interpreter of its environment."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.case import Numbers
from benchmarks.systems import ASTRUM, run_command
from tests.servers import RedisServer

DRIVER = Path(__file__).parent / "under_test" / "drive.py"
_WHERE = "import astrum; print(astrum.__path__[0])"


@dataclass(frozen=True)
class Checkout:
    """What is measured: the ``name`` of the contestant, its interpreter and its folder."""

    name: str
    python: Path
    folder: Path

    @staticmethod
    def of(name: str, python: Path) -> Checkout:
        """Ask an interpreter where its Astrum is; raises `ValueError` if it has none."""
        asked = subprocess.run(
            [str(python), "-P", "-c", _WHERE],
            env=_environment({}),
            capture_output=True,
            text=True,
            check=False,
        )
        if asked.returncode:
            raise ValueError(f"{python} cannot import astrum; `make set-up` in its checkout first")
        return Checkout(name, python, Path(asked.stdout.strip()).parent)

    def revision(self) -> str:
        """Return the commit of the checkout, "" if it is not one of Git."""
        command = ["git", "-C", str(self.folder), "describe", "--always", "--dirty"]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()

    def work(self, name: str, arguments: Mapping[str, object], timeout_s: float) -> Numbers:
        """Do a work of `DRIVER` once, on a server of its own; raises `SystemFailedError`."""
        with RedisServer() as server:
            command = [str(self.python), str(DRIVER), name, json.dumps(arguments)]
            return _numbers(command, server.url, timeout_s, {})

    def drive(
        self,
        work: str,
        tasks: int,
        *,
        url: str,
        timeout_s: float,
        system: str = ASTRUM,
        extra: Mapping[str, str] | None = None,
    ) -> Numbers:
        """Do a work of the checkout's own `benchmarks.drivers` once; raises `SystemFailedError`."""
        driver = self.folder / "benchmarks" / "drivers" / "driver.py"
        command = [str(self.python), str(driver), system, work, str(tasks)]
        return _numbers(command, url, timeout_s, extra or {})


def _numbers(
    command: list[str], url: str, timeout_s: float, extra: Mapping[str, str]
) -> dict[str, float]:
    environment = _environment({"BENCH_REDIS_URL": url, **extra})
    output = run_command(command, timeout_s, environment)
    numbers: dict[str, float] = json.loads(output.strip().splitlines()[-1])
    return numbers


def _environment(extra: Mapping[str, str]) -> dict[str, str]:
    """Return this environment without a path that would put another checkout first."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return {**kept, **extra}
