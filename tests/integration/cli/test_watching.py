"""``show --watch`` and ``workers --watch``: in a pipe, on a terminal, and how they end."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests import warm_start
from tests.integration.cli.conftest import COMMAND, TIMEOUT_S, Cli, Write, environment
from tests.integration.cli.test_live_view import SHOW_CURSOR, Terminal
from tests.processes import AstrumProcess, wait_until
from tests.schemas import check
from tests.servers import Server

FLOW = """
    import pathlib, time
    from astrum import task

    GATE = pathlib.Path(__file__).with_name("gate")

    @task("waits", namespace="watching")
    def waits() -> int:
        while not GATE.exists():
            time.sleep(0.01)
        return 1

    @task("last", namespace="watching", depends_on=["waits"])
    def last() -> str: return "the end"
"""


@pytest.fixture
def url(write: Write, tmp_path: Path, redis_server: Server) -> Iterator[str]:
    """A server with a run that another process leads, until there is a gate."""
    flow = str(write("watching_flow.py", FLOW))
    options = ("--run-id", "r1", "--workers", "1", "--redis", redis_server.url, "--quiet")
    with AstrumProcess("astrum_coordinator", "run", flow, *options) as leader:
        with redis_server.client() as client:
            wait_until(lambda: client.exists("{astrum}:run:r1") == 1, "the run being stored")
        yield redis_server.url
        (tmp_path / "gate").touch()
        assert leader.wait() == 0


@contextmanager
def watching(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = warm_start.start(
        [*COMMAND, *arguments],
        cwd=folder,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def next_line(process: subprocess.Popen[str]) -> Any:
    assert process.stdout is not None
    return json.loads(process.stdout.readline())


def test_programs_and_people_see_a_run_that_another_process_leads_until_it_is_over(
    url: str, tmp_path: Path
) -> None:
    terminal = Terminal(tmp_path, "show", "r1", "--watch", "--results", "--redis", url)
    terminal.read_until("0 of 2|0/2")
    with watching(tmp_path, "show", "@last", "--watch", "--json", "--redis", url) as process:
        told = [next_line(process)]
        assert (told[0]["run_id"], told[0]["status"], told[0]["total"]) == ("r1", "running", 2)
        (tmp_path / "gate").touch()
        out, errors = process.communicate(timeout=TIMEOUT_S)
        told += map(json.loads, out.splitlines())
        assert (process.returncode, errors) == (0, "")
    for line in told:
        check("watch", line)
    last = told[-1]
    assert (last["status"], last["succeeded"], last["outstanding"]) == ("completed", 2, 0)
    assert all(line != before for before, line in pairwise(told))
    assert terminal.read_to_end() == 0
    assert "run r1 completed: 2 of 2 tasks succeeded" in terminal.text
    assert "result of 'last': 'the end'" in terminal.text


def test_who_waits_on_a_terminal_sees_the_run_and_in_a_pipe_if_it_is_asked_for(
    url: str, cli: Cli, tmp_path: Path
) -> None:
    refused = cli("wait", "r1", "--watch", "--quiet", "--redis", url)
    assert (refused.returncode, "give one of them" in refused.stderr) == (2, True)
    attaches = ("submit", "watching_flow.py", "--run-id", "r1", "--attach", "--redis", url)
    terminals = [
        Terminal(tmp_path, "wait", "r1", "--redis", url),
        Terminal(tmp_path, *attaches),
    ]
    for terminal in terminals:
        terminal.read_until("0 of 2|0/2")
    with (
        watching(tmp_path, "wait", "r1", "--redis", url) as silent,
        watching(tmp_path, "wait", "r1", "--watch", "--json", "--redis", url) as told,
    ):
        assert told.stderr is not None
        first = told.stderr.readline()
        (tmp_path / "gate").touch()
        out, errors = told.communicate(timeout=TIMEOUT_S)
        assert (told.returncode, first) == (0, "2 tasks in 2 stages\n"), errors
        assert json.loads(out)["task_return_set"] == {"waits": 1, "last": "the end"}
        assert "run r1 completed: 2 of 2 tasks succeeded" in errors
        out, errors = silent.communicate(timeout=TIMEOUT_S)
        assert (silent.returncode, out) == (0, "")
        assert errors.startswith("run r1 completed: 2 of 2 tasks succeeded")
    for terminal in terminals:
        assert terminal.read_to_end() == 0
        assert "run r1 completed: 2 of 2 tasks succeeded" in terminal.text
        assert SHOW_CURSOR in terminal.raw


def test_an_interrupt_ends_the_watching_and_not_the_run(cli: Cli, url: str, tmp_path: Path) -> None:
    seen = "0 of 2|0/2"
    commands = {("show", "r1"): seen, ("workers",): "Memory", ("wait", "r1"): seen}
    for command, shown in commands.items():
        terminal = Terminal(tmp_path, *command, "--watch", "--redis", url)
        terminal.read_until(shown)
        terminal.process.send_signal(signal.SIGINT)
        assert terminal.read_to_end() == 130
        assert "Traceback" not in terminal.text
        assert SHOW_CURSOR in terminal.raw
    [run] = json.loads(cli("runs", "--json", "--redis", url).stdout)
    assert run["status"] == "running"


def test_workers_are_shown_again_until_no_one_reads(url: str, tmp_path: Path) -> None:
    with watching(tmp_path, "workers", "--watch", "--json", "--redis", url) as process:
        for _ in range(2):
            check("workers", next_line(process))
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait(TIMEOUT_S) == 0
