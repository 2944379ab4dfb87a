"""The standard error of workers and commands as JSON, and logs on the command line."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from astrum.redis import RedisSettings
from astrum_coordinator import Coordinator
from tests import warm_start
from tests.flows.task_logs import HOSTILE
from tests.integration.cli.conftest import environment
from tests.integration.logs.conftest import (
    FOLDER_VARIABLE,
    MODULE,
    astrum,
    json_lines,
    run,
)
from tests.processes import ROOT, AstrumProcess, wait_until
from tests.schemas import check
from tests.servers import RedisServer

Coordinators = dict[str, Coordinator]
Workers = dict[str, AstrumProcess]


def command(server: RedisServer, *words: str) -> Any:
    """Ask about the runs of the worker that stores all logs."""
    return astrum(*words, "--redis", server.url, "--prefix", "all")


@pytest.fixture
def errors_worker(server: RedisServer, tmp_path: Path) -> Any:
    """A worker of which all lines of standard error are read."""
    log = (tmp_path / "stderr").open("wb")
    options = ("--redis", server.url, "--prefix", "errors", "--log-format", "json")
    process = warm_start.start(
        [sys.executable, "-m", "astrum_worker", MODULE, *options],
        cwd=ROOT,
        env=environment(**{FOLDER_VARIABLE: str(tmp_path)}),
        stdout=subprocess.DEVNULL,
        stderr=log,
    )
    yield process, tmp_path / "stderr"
    process.kill()
    process.wait()
    log.close()


async def test_each_line_of_a_workers_standard_error_is_json(
    server: RedisServer, errors_worker: Any
) -> None:
    process, log = errors_worker
    async with Coordinator(RedisSettings(url=server.url, prefix="errors")) as coordinator:
        await run(
            coordinator,
            "logged_errors",
            run_id="r",
            traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        )
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    assert log.read_bytes().isascii()
    lines = json_lines(log.read_text())
    for line in lines:
        check("log-line", line)
    by_logger = {line["logger"]: line for line in lines}
    caught = by_logger["tests.logged"]
    assert (caught["run_id"], caught["task_id"], caught["attempt"]) == ("r", "shouts", 1)
    assert caught["namespace"] == "logged_errors"
    assert caught["trace_id"] == "0af7651916cd43dd8448eb211c80319c"
    assert caught["message"] == f"caught {HOSTILE}"
    assert caught["exception"]["type"] == "KeyError"
    assert 'raise KeyError("inner\\nerror")' in caught["exception"]["stacktrace"]
    assert caught["extra"] == {"order": 17}
    assert "bad arguments" in by_logger["tests.other"]["message"]
    assert "UserWarning: a warning" in by_logger["py.warnings"]["message"]
    printed = [line for line in lines if line["message"] in ("printed", "lines")]
    assert [line["task_id"] for line in printed] == ["shouts", "shouts"]
    serves = next(line for line in lines if " serves " in line["message"])
    assert {line["worker_id"] for line in lines if "task_id" in line} == {serves["worker_id"]}


async def test_info_of_a_task_is_seen_and_says_which_task_it_is(
    coordinators: Coordinators, workers: Workers
) -> None:
    await run(coordinators["failed"], "logged", run_id="seen")
    wait_until(lambda: "attempt 2 begins" in workers["failed"].output, "the line")
    lines = workers["failed"].output.splitlines()
    [line] = [line for line in lines if "run seen" in line and line.endswith("attempt 2 begins")]
    assert " INFO tests.logged[" in line
    assert line.endswith("run seen, task 'flaky', attempt 2: attempt 2 begins")
    assert not any("\x1b" in line or "\u202e" in line for line in lines)


async def test_show_prints_a_log_and_says_what_it_knows(
    coordinators: Coordinators, server: RedisServer
) -> None:
    await run(coordinators["all"], "logged", run_id="s1")
    done = command(server, "show", "s1", "flaky", "--log", "--attempt", "1")
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(" INFO tests.logged: attempt 1 begins\n")
    assert "task 'flaky', attempt 1 of 2, failed, on " in done.stderr
    talks = command(server, "show", "s1", "talks", "--log").stdout
    assert "\\x1b[2J \\u202e </script> and\na second line\n" in talks
    data = json.loads(command(server, "show", "s1", "talks", "--log", "--json").stdout)
    check("task-log", data)
    assert data["lines"][-1]["message"] == HOSTILE
    assert (data["status"], data["attempt"], data["note"]) == ("completed", 1, "")
    quiet = command(server, "show", "s1", "quiet", "--log")
    assert (quiet.returncode, quiet.stdout) == (0, "")
    assert "nothing is stored" in quiet.stderr


async def test_show_refuses_what_has_no_log(
    coordinators: Coordinators, server: RedisServer
) -> None:
    await run(coordinators["all"], "logged", run_id="s2")
    for words, said in (
        (("s2", "--log"), "name it after RUN"),
        (("s2", "flaky", "--log", "--attempt", "7"), "there is not one 7"),
        (("s2", "flakey", "--log"), "did you mean 'flaky'"),
    ):
        done = command(server, "show", *words)
        assert (done.returncode, said in done.stderr) == (2, True), done.stderr


async def test_follow_prints_each_line_once_until_the_end(
    coordinators: Coordinators, server: RedisServer
) -> None:
    await run(coordinators["all"], "logged", run_id="s3")
    done = command(server, "show", "s3", "flaky", "--log", "--follow", "--json")
    assert done.returncode == 0, done.stderr
    assert [line["message"] for line in json_lines(done.stdout)] == ["attempt 2 begins"]
    assert "attempt 2: completed" in done.stderr


def test_run_gives_its_local_workers_the_options() -> None:
    words = ("run", MODULE, "-n", "logged", "--workers", "1", "--run-id", "l1", "--embedded")
    options = ("--task-logs", "all", "--log-format", "json", "--log-level", "info")
    done = astrum(*words, *options)
    assert done.returncode == 0, done.stderr
    lines = json_lines(done.stderr)
    for line in lines:
        check("log-line", line)
    own = [line for line in lines if line["logger"] == "tests.logged"]
    assert "from a nested task" in [line["message"] for line in own]
    assert {line["run_id"] for line in own} == {"l1"}
    assert "running on a private server" in " ".join(line["message"] for line in lines)


def test_a_run_in_process_puts_the_attempt_on_the_lines_of_users() -> None:
    words = ("run", MODULE, "-n", "logged", "--local", "--run-id", "l2")
    done = astrum(*words, "--log-format", "json", "--log-level", "info")
    assert done.returncode == 0, done.stderr
    lines = json_lines(done.stderr)
    [line] = [one for one in lines if one["message"] == "child b"]
    assert (line["task_id"], line["attempt"], line["run_id"]) == ("each[1]", 1, "l2")
