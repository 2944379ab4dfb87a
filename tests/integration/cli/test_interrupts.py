"""Ctrl-C and SIGTERM: once for a clean end with a report, twice for an end at once."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.integration.cli.conftest import COMMAND, TIMEOUT_S, Write, environment
from tests.processes import wait_until

Start = Callable[..., "subprocess.Popen[str]"]
WAITS = """
    import asyncio, pathlib
    from astrum import task

    @task("waits")
    async def waits() -> None:
        pathlib.Path("started").touch()
        try:
            await asyncio.Event().wait()
        finally:
            print("cleaned up")
"""
STUBBORN = """
    import pathlib, time
    from astrum import task

    @task("stubborn")
    async def stubborn() -> None:
        pathlib.Path("started").touch()
        while True:
            time.sleep(0.01)
"""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    with ExitStack() as stack:

        def begin(*arguments: str, launcher: Sequence[str] = ()) -> subprocess.Popen[str]:
            process = stack.enter_context(
                subprocess.Popen(
                    [*launcher, *COMMAND, *arguments],
                    cwd=tmp_path,
                    env=environment(),
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )
            stack.callback(process.kill)
            wait_until((tmp_path / "started").exists, "the task")
            return process

        yield begin


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_one_signal_cancels_cleanly_and_the_report_still_comes(
    write: Write, start: Start, number: signal.Signals, code: int
) -> None:
    write("flow.py", WAITS)
    process = start("run", "flow.py", "--local", "--json")
    process.send_signal(number)
    out, err = process.communicate(timeout=TIMEOUT_S)
    report = json.loads(out)
    assert (process.returncode, report["execution_state"]) == (code, "cancelled")
    assert [stat["status"] for stat in report["task_statistics"]] == ["cancelled"]
    assert "cleaned up" in err
    assert "was cancelled: 0 of 1 task succeeded" in err


def test_under_nohup_the_end_of_the_terminal_is_ignored(write: Write, start: Start) -> None:
    write("flow.py", WAITS)
    process = start("run", "flow.py", "--local", launcher=["nohup"])
    process.send_signal(signal.SIGHUP)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(1.0)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 143


def test_an_interrupt_while_a_module_is_imported_needs_no_traceback(
    write: Write, start: Start
) -> None:
    write("flow.py", "import pathlib, time\npathlib.Path('started').touch()\ntime.sleep(60)\n")
    process = start("run", "flow.py", "--local")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=TIMEOUT_S)
    assert (process.returncode, out, err) == (130, "", "interrupted\n")


def test_the_second_interrupt_ends_a_command_that_does_not_stop(write: Write, start: Start) -> None:
    write("flow.py", STUBBORN)
    process = start("run", "flow.py", "--local")
    assert process.stderr is not None
    process.send_signal(signal.SIGINT)
    while "again to exit immediately" not in process.stderr.readline():
        pass

    def over() -> bool:
        process.send_signal(signal.SIGINT)  # one that comes too soon counts as the first
        return process.poll() is not None

    wait_until(over, "the end")
    assert process.wait(TIMEOUT_S) == 130


def test_a_signal_that_arrives_twice_at_once_counts_once(write: Write, start: Start) -> None:
    write("flow.py", WAITS)
    process = start("run", "flow.py", "--local", "--json")
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)  # another one: two of a kind may become one on their way
    out, _ = process.communicate(timeout=TIMEOUT_S)
    assert json.loads(out)["execution_state"] == "cancelled"
    assert process.returncode in (130, 143)
