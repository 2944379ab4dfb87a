"""The coordinator's command line as users have it: in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

import pytest

from tests import warm_start

Write = Callable[[str, str], Path]
Cli = Callable[..., "subprocess.CompletedProcess[str]"]
COMMAND = (sys.executable, "-m", "astrum_coordinator")
TIMEOUT_S = 45.0


def environment(**extra: str) -> dict[str, str]:
    """The environment without whatever sets options of ours."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ASTRUM_")}
    return {**clean, **extra}


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a module into the folder in which the commands run."""

    def to_file(name: str, source: str) -> Path:
        path = tmp_path / name
        path.write_text(textwrap.dedent(source))
        return path

    return to_file


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """Run one command to its end, in the folder of the written modules."""

    def run(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        return complete([*COMMAND, *arguments], tmp_path, subprocess.PIPE, **env)

    return run


def complete(
    command: Sequence[str], folder: Path, stdout: IO[str] | int = subprocess.PIPE, **env: str
) -> subprocess.CompletedProcess[str]:
    """Run a command line to its end."""
    return warm_start.run(
        command,
        cwd=folder,
        env=environment(**env),
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
