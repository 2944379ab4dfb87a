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
from tests.processes import AstrumProcess
from tests.screen import Screen
from tests.servers import Server

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
FAN_OUT = """
    import pathlib, time
    from astrum import Each, Ref, F, current_attempt, task

    GO = pathlib.Path(__file__).parent / "go"

    @task("list the files")
    def files() -> list[int]:
        return list(range(40))

    @task("parse", retry=1)
    def parse(n: Ref[int, Each("list the files")]) -> int:
        attempt = current_attempt()
        if n == 39 and attempt.attempt == 1:
            raise ValueError("\\x1b[2Jnot yet \\u202e" + "日本語" * 40)
        attempt.progress(1, 3, "reading \\x1b[31m" + "日本語" * 40)
        while not GO.exists():
            time.sleep(0.01)
        return n

    @task("count")
    def count(all_of: Ref[list[int], F("parse")]) -> int:
        return len(all_of)
"""


class Terminal:
    """A command on a pseudo-terminal."""

    def __init__(
        self, folder: Path, *arguments: str, size: tuple[int, int] = (100, 40), **env: str
    ) -> None:
        self._master, slave = pty.openpty()
        self.screen = Screen(*size)
        self._set_size(slave, *size)
        self.process = subprocess.Popen(
            [*COMMAND, *arguments],
            cwd=folder,
            env=environment(**{"TERM": "xterm-256color", **env}),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)
        self.raw = ""

    def resize(self, width: int, height: int) -> None:
        """Change the size of the terminal; its screen begins empty."""
        self.screen = Screen(width, height)
        self._set_size(self._master, width, height)

    def _set_size(self, terminal: int, width: int, height: int) -> None:
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    @property
    def text(self) -> str:
        return ESCAPE.sub("", self.raw)

    def read_until(self, pattern: str) -> None:
        deadline = time.monotonic() + TIMEOUT_S
        while not re.search(pattern, self.text):
            assert time.monotonic() < deadline, self.text
            assert self._read(), f"it ended without {pattern}: {self.text}"

    def watch_until(self, *parts: str) -> str:
        """Read until all parts are on the screen at once, and return what is there."""
        deadline = time.monotonic() + TIMEOUT_S
        while not all(part in self.screen.text for part in parts):
            assert time.monotonic() < deadline, self.screen.text
            assert self._read(), f"it ended without {parts}: {self.screen.text}"
        return self.screen.text

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
        text = data.decode(errors="replace")
        self.raw += text
        self.screen.feed(text)
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
        terminal.read_until(r"stage 0 ━+ 1/1\s+stage 1 ─+ 0/1\s+stage 2 ─+ 0/1\s+slow \[1\]")
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


def test_a_task_in_process_tells_how_far_it_is(write: Write, tmp_path: Path) -> None:
    write("flow.py", FAN_OUT)
    with Terminal(tmp_path, "run", "flow.py", "--local", size=(80, 24)) as terminal:
        shown = terminal.watch_until("parse[0]", "1 of 3 (33 %), reading")
        assert "stage 1" in shown
        (tmp_path / "go").touch()
        assert terminal.read_to_end() == 0
    assert "result count = 40" in terminal.text


@pytest.mark.parametrize("size", [(80, 24), (200, 60)])
def test_a_fan_out_on_workers_fits_the_terminal(
    write: Write, tmp_path: Path, size: tuple[int, int]
) -> None:
    width, height = size
    write("flow.py", FAN_OUT)
    command = ("run", "flow.py", "--embedded", "--workers", "1")
    with Terminal(tmp_path, *command, size=size) as terminal:
        shown = terminal.watch_until("1 of 3 (33 %), reading", "queue default", "0/40")
        assert terminal.screen.scrolled_off == []
        assert len(shown.splitlines()) <= height
        assert all(len(line) < width for line in shown.splitlines()[2:])
        (tmp_path / "go").touch()
        assert terminal.read_to_end() == 0
    last = terminal.text.rpartition("Attempts")[2]
    assert re.search(r"parse ×40 +completed +41 ", last)
    assert "result count = 40" in last
    assert "\x1b[2J" not in terminal.raw


def test_what_only_waits_for_a_worker_has_no_time(
    write: Write, redis_server: Server, tmp_path: Path
) -> None:
    flow = str(write("flow.py", FAN_OUT))
    env = {"ASTRUM_REDIS_URL": redis_server.url}
    command = ("run", flow, "--redis", redis_server.url)
    with (
        AstrumProcess("astrum_worker", flow, "--threads", "1", environment=env),
        Terminal(tmp_path, *command, size=(80, 24)) as terminal,
    ):
        shown = terminal.watch_until("1 of 3 (33 %), reading", "0/40", "  queued")
        rows = [line.split(maxsplit=1) for line in shown.splitlines() if " parse[" in line]
        waiting = [name for name, rest in rows if rest.startswith("queued")]
        assert rows[0][1][0].isdigit(), "what runs comes first, with its time"
        assert waiting == [name for name, _ in rows[1:]]
        (tmp_path / "go").touch()
        assert terminal.read_to_end() == 0


def test_a_terminal_that_cannot_be_redrawn_gets_lines(write: Write, tmp_path: Path) -> None:
    write("flow.py", FLOW)
    (tmp_path / "go").touch()
    with Terminal(tmp_path, "run", "flow.py", "--local", TERM="dumb") as terminal:
        assert terminal.read_to_end() == 0
    assert "3 tasks in 3 stages\r\ntask 'quick' attempt 1 failed" in terminal.raw
    assert "\x1b" not in terminal.raw


def test_no_color_draws_without_colours(write: Write, tmp_path: Path) -> None:
    write("flow.py", FLOW)
    with Terminal(tmp_path, "run", "flow.py", "--local", NO_COLOR="1") as terminal:
        terminal.watch_until("stage 1 ──", "0/1", "slow [1]")
        (tmp_path / "go").touch()
        assert terminal.read_to_end() == 0
    codes = {
        code for found in re.findall(r"\x1b\[([0-9;]*)m", terminal.raw) for code in found.split(";")
    }
    assert codes <= {"", "0", "1", "2"}  # bold and dim


def test_a_view_follows_the_size_of_its_terminal(write: Write, tmp_path: Path) -> None:
    write("flow.py", FAN_OUT)
    with Terminal(tmp_path, "run", "flow.py", "--local", size=(200, 60)) as terminal:
        terminal.watch_until("parse[0]", "reading")
        terminal.resize(50, 12)
        shown = terminal.watch_until("parse[0]", "reading", "stage 2")
        assert "parse[15]" not in shown
        (tmp_path / "go").touch()
        assert terminal.read_to_end() == 0


def test_a_run_that_another_process_leads_has_the_same_view(
    write: Write, redis_server: Server, tmp_path: Path
) -> None:
    flow = str(write("flow.py", FAN_OUT))
    env = {"ASTRUM_REDIS_URL": redis_server.url}
    with (
        AstrumProcess("astrum_worker", flow, environment=env),
        AstrumProcess("astrum_coordinator", "serve", environment=env),
        AstrumProcess(
            "astrum_coordinator", "submit", flow, "--run-id", "r", environment=env
        ) as done,
    ):
        assert done.wait() == 0
        command = ("resume", "r", "--redis", redis_server.url)
        with Terminal(tmp_path, *command, size=(80, 24)) as terminal:
            terminal.watch_until("1 of 3 (33 %), reading", "queue default", "0/40")
            (tmp_path / "go").touch()
            assert terminal.read_to_end() == 0
    assert "42 of 42 tasks succeeded" in terminal.text
