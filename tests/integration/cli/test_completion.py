"""What shells complete, asked as they ask."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from astrum_coordinator.cli.completion import KEPT_S
from tests.integration.cli.conftest import TIMEOUT_S, Write, environment
from tests.processes import wait_until
from tests.servers import Server

COMMAND = Path(sys.executable).with_name("astrum-coordinator")
FLOW = """
    from astrum import task

    @task("load")
    def load() -> int: return 1

    @task("lo\\nad")
    def other() -> int: return 1

    @task("parse", depends_on=["load"])
    def parse() -> int: return 1

    HOSTILE = ["zz;touch PWNED;", "zz$(touch PWNED)", "zz`id`", "zz a", "zz*", "zz[0]", "zz>a",
               "zz&", "zz'", 'zz"', "zz{a,b}", "zz!x", "zz\\\\", "~zz", "--yes", "=ls", "#zz"]
    for name in [*HOSTILE, "zz.1"]:
        task(name, depends_on=["parse"])(lambda: 1)
"""
CHILDREN = """
    from astrum import Each, Ref, task

    @task("numbers")
    def numbers() -> list[int]: return list(range(200))

    @task("kid", on_failure="continue")
    def kid(number: Ref[int, Each("numbers")]) -> int:
        if number == 127:
            raise ValueError("as asked")
        return number

    @task("names")
    def names() -> list[dict]:
        return [{"id": name} for name in ("a-1", "b;touch PWNED", "c]", "d e")]

    @task("keyed")
    def keyed(name: Ref[str, Each("names", "id", key="id")]) -> str: return name
"""
Complete = Callable[..., list[str]]


@pytest.fixture
def complete(tmp_path: Path, write: Write, redis_server: Server) -> Complete:
    """Complete the last of some words in a real bash; return what it offers."""
    write("flow.py", FLOW)
    script, bash = tmp_path / "complete.sh", shutil.which("bash")
    assert bash is not None
    asked = environment(_ASTRUM_COORDINATOR_COMPLETE="bash_source")
    source = subprocess.run([COMMAND], env=asked, capture_output=True, text=True, check=True)
    script.write_text(
        f'PATH="{COMMAND.parent}:$PATH"\n{source.stdout}\n'
        'COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()\n'
        "_astrum_coordinator_completion astrum-coordinator\n"
        'printf "%s\\n" "${COMPREPLY[@]}"\n'
    )

    def offered(*words: str, **env: str) -> list[str]:
        variables = {"ASTRUM_REDIS_URL": redis_server.url, "XDG_CACHE_HOME": str(tmp_path / "c")}
        done = subprocess.run(
            [bash, str(script), "astrum-coordinator", *words],
            env=environment(**(variables | env)),
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout.split()

    return offered


def test_a_shell_completes_runs_and_their_tasks(
    complete: Complete, tmp_path: Path, redis_server: Server
) -> None:
    for run_id in ("nightly-1", "nightly-2", "hourly"):
        submit = [
            str(COMMAND),
            "submit",
            "flow.py",
            "--run-id",
            run_id,
            "--redis",
            redis_server.url,
        ]
        subprocess.run(submit, cwd=tmp_path, env=environment(), check=True, capture_output=True)
    # The server has two seconds to answer: on a busy machine a person types Tab again.
    wait_until(lambda: complete("show", "ni") == ["nightly-2", "nightly-1"], "an answer in time")
    assert complete("cancel", "hourly", "@l") == ["@last"]
    # A task whose name has a line end cannot be offered.
    wait_until(lambda: complete("show", "hour", "lo") == ["load"], "an answer in time")
    # Nor can one that a shell would not take as it stands for a word of its command line.
    assert complete("show", "hour", "zz") == ["zz.1"]
    assert complete("show", "hour", "") == ["load", "parse", "zz.1"]
    assert complete("show", "nightly", "") == []  # two runs begin so


def test_a_shell_completes_children_those_first_that_a_person_needs(
    complete: Complete, tmp_path: Path, write: Write, redis_server: Server
) -> None:
    write("kids.py", CHILDREN)
    options = ("--run-id", "kids-1", "--workers", "1", "--redis", redis_server.url, "--quiet")
    words = [str(COMMAND), "run", "kids.py", *options]
    subprocess.run(words, cwd=tmp_path, env=environment(), check=False, capture_output=True)

    def completed(*words: str) -> list[str]:
        found: list[str] = []

        def is_answered() -> bool:
            found[:] = complete(*words)
            return found != []

        wait_until(is_answered, "an answer in time")
        return found

    # Bash takes brackets for its own unless they are in quotes, which it closes itself.
    first = completed("why", "kids-1", "kid[12")
    assert first == [f"'kid[{number}]'" for number in (127, 12, *range(120, 127), 128, 129)]
    offered = completed("release", "kids-1", "'kid[")
    assert (len(offered), offered[:2]) == (100, ["kid[127]", "kid[0]"])
    # A key that a shell would not take as it stands is not offered.
    assert completed("show", "kids-1", r"keyed\[") == ["'keyed[a-1]'"]


def test_an_answer_is_kept_for_seconds(complete: Complete, tmp_path: Path) -> None:
    assert complete("show", "") == []
    [kept] = (tmp_path / "c" / "astrum").iterdir()
    assert kept.stat().st_mode & 0o077 == 0
    kept.write_text('{"kept": "running"}')
    os.utime(kept, times=(time.time() + KEPT_S - 1,) * 2)  # a slow machine has time, too
    assert complete("show", "") == ["kept"]
    os.utime(kept, times=(0, 0))
    assert complete("show", "") == []


def test_what_cannot_be_asked_is_not_completed_and_says_nothing(complete: Complete) -> None:
    assert complete("show", "", ASTRUM_REDIS_URL="redis://127.0.0.1:1") == []
    assert complete("show", "", ASTRUM_REDIS_URL="") == []
    assert "failed" in complete("runs", "--state", "")
    assert "--state" in complete("runs", "--s")
