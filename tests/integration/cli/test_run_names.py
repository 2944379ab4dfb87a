"""Runs that a command line names by the beginning of an id, or by a word, on a real server."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.integration.cli.conftest import Cli, Write
from tests.servers import Server

FLOW = """
    from astrum import task

    @task("named")
    def named() -> int: return 1
"""
BROKEN = """
    from astrum import task

    @task("named")
    def named() -> int: raise ValueError("broken")
"""


@pytest.fixture
def url(write: Write, redis_server: Server) -> str:
    write("flow.py", FLOW)
    return redis_server.url


def submitted(cli: Cli, url: str, *run_ids: str) -> None:
    for run_id in run_ids:
        done = cli("submit", "flow.py", "--run-id", run_id, "--redis", url)
        assert done.returncode == 0, done.stderr


def shown(cli: Cli, url: str, name: str) -> str:
    done = cli("show", name, "--json", "--redis", url)
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return str(report["run_id"])


def test_commands_take_the_beginning_of_an_id_and_the_newest_run(cli: Cli, url: str) -> None:
    submitted(cli, url, "first-1", "second-1")
    assert shown(cli, url, "fir") == "first-1"
    assert shown(cli, url, "@last") == "second-1"
    done = cli("cancel", "first", "--redis", url)
    assert "run first-1: cancellation asked for" in done.stderr
    assert done.returncode == 0
    for command in (("wait", "first", "--timeout", "0.1"), ("forget", "@last")):
        done = cli(*command, "--redis", url)
        assert done.returncode == 1, done.stderr
        assert ("run first-1" if "first" in command else "run second-1") in done.stderr


def test_a_name_that_means_several_runs_or_none_changes_nothing(cli: Cli, url: str) -> None:
    submitted(cli, url, "nightly-1", "nightly-2")
    mistakes = {
        "nightly": "'nightly' begins the ids of 2 runs: 'nightly-2', 'nightly-1'",
        "nihgtly-1": "did you mean 'nightly-1'?",
        "@failed": "@failed is the newest run that failed, and there is none",
    }
    commands = {
        "show": mistakes,
        "cancel": ["nightly"],
        "forget": ["nightly"],
        "retry": ["@failed"],
    }
    for command, names in commands.items():
        for name in names:
            done = cli(command, name, "--redis", url)
            assert (done.returncode, done.stdout) == (2, ""), done.stderr
            assert mistakes[name] in done.stderr
    done = cli("plan", "flow.py", "--from", "nightly", "--redis", url)
    assert done.returncode == 2
    assert "begins the ids of 2 runs" in done.stderr
    done = cli("submit", "flow.py", "--run-id", "@last", "--redis", url)
    assert done.returncode == 2
    assert "stand for runs" in done.stderr
    runs = json.loads(cli("runs", "--json", "--redis", url).stdout)
    assert [run["run_id"] for run in runs] == ["nightly-2", "nightly-1"]


def test_the_newest_failed_run_is_retried_and_taken_over_from(
    cli: Cli, write: Write, url: str
) -> None:
    write("flow.py", BROKEN)
    done = cli("run", "flow.py", "--run-id", "bad", "--workers", "1", "--redis", url)
    assert done.returncode == 1, done.stderr
    write("flow.py", FLOW)
    submitted(cli, url, "open")
    assert shown(cli, url, "@failed") == "bad"
    planned = cli("plan", "flow.py", "--from", "@failed", "--format", "json", "--redis", url)
    assert json.loads(planned.stdout)["from"]["run_id"] == "bad", planned.stderr
    submit = ("submit", "flow.py", "--run-id", "again", "--redis", url)
    done = cli(*submit, "--from", "@failed")
    assert done.stdout == "again\n", done.stderr
    assert "taken over from run bad" in done.stderr
    done = cli("retry", "@failed", "--json", "--redis", url)
    assert json.loads(done.stdout)["run_id"] == "bad", done.stderr
