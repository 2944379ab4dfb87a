"""Outputs that take no more: a full disk, a quota."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from astrum.runtime.exit_codes import ExitCode
from tests.integration.cli.conftest import COMMAND, Write, complete

FLOW = """
    from astrum import task

    @task("seven")
    def seven() -> int:
        return 7
"""
FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="this system has no full device")


@needs_full
def test_a_report_that_cannot_be_printed_is_reported_beside_the_outcome_of_the_run(
    write: Write, tmp_path: Path
) -> None:
    write("flow.py", FLOW)
    with FULL.open("w") as full:
        done = complete(
            [*COMMAND, "run", "flow.py", "--local", "--json", "-q"], tmp_path, stdout=full
        )
    assert done.returncode == ExitCode.NOT_HANDED_OVER
    assert done.stderr == (
        "error: the run completed, but its report cannot be written to standard output: "
        "No space left on device\n"
    )


def test_a_report_file_that_cannot_be_written_leaves_the_report_on_standard_output_intact(
    write: Write, tmp_path: Path
) -> None:
    write("flow.py", FLOW)
    words = [*COMMAND, "run", "flow.py", "--local", "--json", "-q", "--report", "out.json"]
    # No file may grow: the nearest to a full disk that needs none.
    done = complete(["sh", "-c", f"ulimit -f 0 && exec {shlex.join(words)}"], tmp_path)
    assert done.returncode == ExitCode.NOT_HANDED_OVER
    assert done.stderr == (
        "error: the run completed, but its report cannot be written to out.json: File too large\n"
    )
    assert json.loads(done.stdout)["execution_state"] == "completed"
    assert list(tmp_path.glob("*out*")) == []


@needs_full
@pytest.mark.parametrize(
    "arguments", [["plan", "flow.py", "--format", "json"], ["plan", "flow.py"], ["acl"]]
)
def test_a_display_command_reports_a_full_output_in_one_line(
    write: Write, tmp_path: Path, arguments: list[str]
) -> None:
    write("flow.py", FLOW)
    with FULL.open("w") as full:
        done = complete([*COMMAND, *arguments], tmp_path, stdout=full)
    assert (done.returncode, done.stderr) == (
        ExitCode.NOT_HANDED_OVER,
        "error: the output cannot be written: No space left on device\n",
    )
