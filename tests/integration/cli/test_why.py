"""The command ``why``: exit codes, valid JSON, and what it says of wrong names."""

from __future__ import annotations

import json

import pytest

from astrum.view import Code
from tests.integration.cli.conftest import Cli, Write
from tests.schemas import SCHEMAS, check
from tests.servers import Server

FLOW = """
    from astrum import Each, F, Ref, task

    @task("numbers")
    def numbers() -> list[int]: return [1, 2, 3]

    @task("parse", on_failure="continue")
    def parse(number: Ref[int, Each("numbers")]) -> int:
        if number == 2:
            raise ValueError("two \\x1b[31m is odd")
        return number

    @task("total")
    def total(parsed: Ref[list[int], F("parse")]) -> int: return sum(parsed)
"""
HOSTILE = """
    from astrum import task

    @task("\\x1b[31mred\\u202e")
    def red() -> int: return 1
"""


@pytest.fixture
def url(redis_server: Server) -> str:
    return redis_server.url


def test_the_schema_has_all_codes() -> None:
    schema = json.loads((SCHEMAS / "why.json").read_text(encoding="utf-8"))
    assert schema["$defs"]["code"]["enum"] == [str(code) for code in Code]


def test_an_open_run_needs_a_person_until_there_is_a_worker(
    write: Write, cli: Cli, url: str
) -> None:
    write("flow.py", FLOW)
    assert cli("submit", "flow.py", "--run-id", "r1", "--redis", url).returncode == 0
    done = cli("why", "@last", "--json", "--redis", url)
    told = json.loads(done.stdout)
    check("why", told)
    assert (done.returncode, told["code"], told["run_id"]) == (3, "run-not-begun", "r1")
    assert {group["code"]: group["count"] for group in told["groups"]} == {
        "unserved-no-worker": 1,
        "waits-list": 1,
        "waits-upstream": 1,
    }
    done = cli("why", "r1", "total", "--redis", url)
    assert done.returncode == 3
    first, *lines = done.stdout.splitlines()
    assert first == "task 'total' of run r1 waits for 'parse' [waits-upstream]"
    assert lines[0].startswith("  1 unserved-no-worker: 'numbers' has no worker that serves it")
    assert lines[-1] == "to do: astrum-worker flow"


def test_a_run_that_is_over_says_how_it_ended_and_which_task_failed(
    write: Write, cli: Cli, url: str
) -> None:
    write("flow.py", FLOW)
    run = cli("run", "flow.py", "--workers", "1", "--redis", url, "--run-id", "r1", "-q")
    assert run.returncode == 1, run.stderr
    done = cli("why", "r1", "--redis", url)
    assert done.returncode == 0
    first, *lines = done.stdout.splitlines()
    assert first.startswith("run r1 has failed after ")
    assert "\x1b" not in done.stdout
    assert any(line.startswith("  1 failed: 'parse[1]' failed in attempt 1:") for line in lines)
    assert any(line.startswith("  1 blocked: 'total' did not run: ") for line in lines)
    assert lines[-1] == "to do: astrum-coordinator retry r1"
    for task, code in (("parse[1]", "failed"), ("parse[0]", "succeeded"), ("total", "blocked")):
        done = cli("why", "r1", task, "--json", "--redis", url)
        told = json.loads(done.stdout)
        check("why", told)
        assert (done.returncode, told["code"], told["task_id"]) == (0, code, task)


def test_wrong_names_get_the_nearest(write: Write, cli: Cli, url: str) -> None:
    write("flow.py", FLOW)
    assert cli("submit", "flow.py", "--run-id", "nightly", "--redis", url).returncode == 0
    wrong = cli("why", "nihgtly", "--redis", url)
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "did you mean 'nightly'?" in wrong.stderr
    assert "an ended run is kept for 24 h" in wrong.stderr
    wrong = cli("why", "nightly", "totl", "--redis", url)
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "did you mean 'total'?" in wrong.stderr


def test_names_with_control_characters_are_shown_as_text(write: Write, cli: Cli, url: str) -> None:
    write("flow.py", HOSTILE)
    assert cli("submit", "flow.py", "--run-id", "r1", "--redis", url).returncode == 0
    done = cli("why", "r1", "--redis", url)
    assert "red" in done.stdout
    assert not {"\x1b", "\u202e"} & set(done.stdout)
