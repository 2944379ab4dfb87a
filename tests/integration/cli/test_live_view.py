"""The live view, on a real pseudo-terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from pathlib import Path

import pytest

from tests.integration.cli.conftest import COMMAND, TIMEOUT_S, Write, environment

ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
HIDE_CURSOR, SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"
FLOW = """
    import asyncio, pathlib
    from astrum import current_attempt, task

    @task("quick", retry=1)
    async def quick() -> None:
        if current_attempt().attempt == 1:
            raise ValueError("not yet")
        print("printed by a task")

    @task("slow [1]", depends_on=["quick"])
    async def slow() -> None:
        while not pathlib.Path("go").exists():
            await asyncio.sleep(0.01)

    @task("last", depends_on=["slow [1]"])
    async def last() -> None: ...
"""


class Terminal:
    """A command on a pseudo-terminal of 100 columns."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
        self.process = subprocess.Popen(
            [*COMMAND, *arguments],
            cwd=folder,
            env=environment(TERM="xterm-256color"),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)
        self.raw = ""

    @property
    def text(self) -> str:
        return ESCAPE.sub("", self.raw)

    def read_until(self, pattern: str) -> None:
        deadline = time.monotonic() + TIMEOUT_S
        while not re.search(pattern, self.text):
            assert time.monotonic() < deadline, self.text
            assert self._read(), f"it ended without {pattern}: {self.text}"

    def read_to_end(self) -> int:
        while self._read():
            pass
        return self.process.wait(TIMEOUT_S)

    def _read(self) -> bool:
        ready, _, _ = select.select([self._master], [], [], TIMEOUT_S)
        try:
            data = os.read(self._master, 65536) if ready else b""
        except OSError:  # its other end was closed
            return False
        self.raw += data.decode(errors="replace")
        return bool(data)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._master)


def test_it_shows_bars_running_tasks_and_retries_and_ends_with_a_table(
    write: Write, tmp_path: Path
) -> None:
    write("flow.py", FLOW)
    with Terminal(tmp_path, "run", "flow.py", "--local") as terminal:
        terminal.read_until(r"stage 0 ━+ 1/1\s+stage 1 ━+ 0/1\s+stage 2 ━+ 0/1\s+slow \[1\]")
        terminal.read_until(r"1 of 3 done, 1 running, 1 retried")
        assert "printed by a task" in terminal.text
        assert "task 'quick' attempt 1 failed: ValueError: not yet; 0 retries left" in terminal.text
        (tmp_path / "go").touch()
        assert terminal.read_to_end() == 0
    last = terminal.text.rpartition("Attempts")[2]
    assert re.search(r"slow \[1\] +completed +1 ", last)
    assert re.search(r"quick +completed +2 ", last)
    assert "completed: 3 of 3 tasks succeeded" in last
    assert terminal.raw.rindex(SHOW_CURSOR) > terminal.raw.rindex(HIDE_CURSOR)


@pytest.mark.parametrize("times", [1, 2])
def test_an_interrupt_restores_the_cursor(write: Write, tmp_path: Path, times: int) -> None:
    write("flow.py", FLOW)
    with Terminal(tmp_path, "run", "flow.py", "--local") as terminal:
        terminal.read_until(r"1 of 3 done, 1 running")
        for _ in range(times):
            terminal.process.send_signal(signal.SIGINT)
        assert terminal.read_to_end() == 130
    assert terminal.raw.rindex(SHOW_CURSOR) > terminal.raw.rindex(HIDE_CURSOR)


def test_quiet_draws_nothing_on_a_terminal_either(write: Write, tmp_path: Path) -> None:
    write("flow.py", FLOW)
    (tmp_path / "go").touch()
    with Terminal(tmp_path, "run", "flow.py", "--local", "--quiet") as terminal:
        assert terminal.read_to_end() == 0
    assert terminal.text.split() == ["printed", "by", "a", "task"]
    assert HIDE_CURSOR not in terminal.raw
