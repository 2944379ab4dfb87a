"""Resources on the command line: local runs, interrupts, plans, and what a failure looks like."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from pathlib import Path

import pytest

from tests import warm_start
from tests.integration.cli.conftest import COMMAND, TIMEOUT_S, Cli, Write, environment
from tests.processes import wait_until

FLOW = """
    import asyncio, os, pathlib, time
    from collections.abc import AsyncIterator, Iterator
    from astrum import F, Ref, Resource, resource, task

    def note(what):
        with open("events", "a") as events:
            print(what, file=events)

    @resource("pool")
    def pool() -> Iterator[list[int]]:
        note("pool opened")
        yield [4]
        note("pool closed")

    @resource("db")
    async def db(pool: Ref[list[int], Resource("pool")]) -> AsyncIterator[dict[str, int]]:
        if os.environ.get("DB_FAILS"):
            raise ConnectionRefusedError("no database at db:5432")
        note("db opened")
        yield {"size": len(pool)}
        note("db closed")

    @task("size")
    async def size(db: Ref[dict[str, int], Resource("db")]) -> int:
        return db["size"]

    @task("wait", depends_on=["size"])
    async def wait(pool: Ref[list[int], Resource("pool")]) -> None:
        pathlib.Path("started").touch()
        while os.environ.get("WAITS"):
            await asyncio.sleep(0.01)
"""
EVENTS = ["pool opened", "db opened", "db closed", "pool closed"]


@pytest.mark.parametrize("place", [["--local"], ["--workers", "1"]])
def test_a_local_run_opens_its_resources_once_and_closes_them_in_the_reverse_order(
    write: Write, cli: Cli, tmp_path: Path, place: list[str]
) -> None:
    write("flow.py", FLOW)
    done = cli("run", "flow.py", *place)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "events").read_text().splitlines() == EVENTS


@pytest.mark.parametrize("place", [["--local"], ["--workers", "2"]])
def test_a_local_run_without_a_resource_ends_with_1_and_names_it(
    write: Write, cli: Cli, tmp_path: Path, place: list[str]
) -> None:
    write("flow.py", FLOW)
    done = cli("run", "flow.py", *place, DB_FAILS="1")
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    why = "resource 'db' could not be opened: ConnectionRefusedError: no database at db:5432"
    assert re.fullmatch(rf"error: (worker .*: )?{re.escape(why)}", last)
    assert 'raise ConnectionRefusedError("no database at db:5432")' in done.stderr
    assert "resource_steps.py" not in done.stderr
    assert set((tmp_path / "events").read_text().splitlines()) == {"pool opened", "pool closed"}


@pytest.mark.parametrize("place", [["--local"], ["--workers", "1"]])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_resources_are_closed_when_a_local_run_is_interrupted(
    write: Write, tmp_path: Path, place: list[str], number: signal.Signals
) -> None:
    write("flow.py", FLOW)
    with warm_start.start(
        [*COMMAND, "run", "flow.py", *place],
        cwd=tmp_path,
        env=environment(WAITS="1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        wait_until((tmp_path / "started").exists, "the task")
        process.send_signal(number)
        process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 128 + number
    assert (tmp_path / "events").read_text().splitlines() == EVENTS


def test_a_plan_shows_the_resources_that_tasks_need(write: Write, cli: Cli) -> None:
    write("flow.py", FLOW)
    shown = cli("plan", "flow.py").stdout
    assert re.search(r"resource db\s+size\.db\s+dict\[str, int\]", shown)
    tasks = json.loads(cli("plan", "flow.py", "--format", "json").stdout)["tasks"]
    assert {task["task"]: task["resources"] for task in tasks} == {
        "size": ["db", "pool"],
        "wait": ["pool"],
    }


def test_a_flow_that_needs_an_unknown_resource_ends_with_2(write: Write, cli: Cli) -> None:
    write("flow.py", FLOW.replace('Resource("db")', 'Resource("bd")'))
    done = cli("run", "flow.py", "--local")
    assert done.returncode == 2
    assert "needs the resource 'bd', which no function of namespace 'default' gives" in done.stderr
    assert "did you mean 'db'?" in done.stderr
