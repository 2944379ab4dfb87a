"""Local workers that take long to start, as modules do that import a lot."""

from __future__ import annotations

import subprocess
from contextlib import ExitStack
from pathlib import Path

from tests.integration.cli.conftest import COMMAND, TIMEOUT_S, Cli, Write, environment

SLOW = """
    import pathlib, sys, time
    from astrum import task

    if "astrum_worker" in sys.argv[0]:
        while not pathlib.Path("go").exists():
            time.sleep(0.01)

    @task("seven")
    def seven() -> int:
        return 7
"""


def test_a_run_whose_own_workers_are_starting_says_so_and_asks_for_no_others(
    write: Write, tmp_path: Path
) -> None:
    write("flow.py", SLOW)
    command = [*COMMAND, "run", "flow.py", "--workers", "1"]
    with ExitStack() as stack:
        process = stack.enter_context(
            subprocess.Popen(
                command, cwd=tmp_path, env=environment(), stderr=subprocess.PIPE, text=True
            )
        )
        stack.callback(process.kill)
        assert process.stderr is not None
        said = ""
        while "its local workers are still starting" not in said:
            line = process.stderr.readline()
            assert line, said
            said += line
        (tmp_path / "go").touch()
        said += process.communicate(timeout=TIMEOUT_S)[1]
    assert process.returncode == 0
    assert "start one" not in said
    # The log says it once, and the lines about the progress once.
    assert said.count("its local workers are still starting") == 1
    assert said.count("the local workers are still starting") <= 1


def test_a_run_that_times_out_before_its_workers_have_started_says_that_they_are_starting(
    write: Write, cli: Cli
) -> None:
    write("flow.py", SLOW)
    done = cli("run", "flow.py", "--workers", "1", "--timeout", "4")
    assert done.returncode == 1
    assert "longer than its limit of 4 s: no worker serves task 'seven'" in done.stderr
    assert "the local workers are still starting" in done.stderr
    assert "start one" not in done.stderr
