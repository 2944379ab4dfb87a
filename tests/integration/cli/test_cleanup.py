"""What cleans up after a run, seen and ended from the command line, and tasks that are held."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from tests.integration.cli.conftest import Cli, Write
from tests.processes import AstrumProcess, wait_until
from tests.servers import Server

CLEANS = """
    import asyncio, pathlib
    from astrum import F, Ref, task

    FOLDER = pathlib.Path(__file__).parent

    @task("make")
    def make() -> str:
        return "bucket"

    @task("work")
    async def work(name: Ref[str, F("make")]) -> None:
        (FOLDER / "working").touch()
        await asyncio.Event().wait()

    @task("drop", after=["work"], always=True)
    async def drop(name: Ref[str, F("make")]) -> None:
        (FOLDER / "cleaning").touch()
        await asyncio.Event().wait()
"""
FAILS = """
    from astrum import F, Ref, task

    @task("bad")
    def bad() -> int:
        raise ValueError("no")

    @task("after")
    def after(x: Ref[int, F("bad")]) -> int:
        return x

    @task("one")
    async def one() -> int:
        return 1

    @task("two")
    async def two(x: Ref[int, F("one")]) -> int:
        return 2
"""
PAYS = """
    import pathlib, time
    from astrum import F, Ref, task

    FOLDER = pathlib.Path(__file__).parent

    @task("pay", on_lost="hold")
    def pay() -> dict[str, int]:
        (FOLDER / "paying").touch()
        time.sleep(60)
        return {}

    @task("tell")
    def tell(receipt: Ref[int, F("pay", "receipt")]) -> str:
        return f"receipt {receipt}"
"""


def test_the_second_interrupt_ends_the_clean_up_for_good(
    write: Write, cli: Cli, redis_server: Server, tmp_path: Path
) -> None:
    flow = str(write("flow.py", CLEANS))
    env = {"ASTRUM_REDIS_URL": redis_server.url}
    with (
        AstrumProcess("astrum_worker", flow, environment=env),
        AstrumProcess("astrum_coordinator", "run", flow, "--run-id", "r", environment=env) as run,
    ):
        wait_until((tmp_path / "working").exists, "the work")
        run.send(signal.SIGINT)
        told = "cancelling the run; its clean-up runs, at most 60 s; press Ctrl-C again"
        wait_until(lambda: told in run.output, "the first message")
        wait_until((tmp_path / "cleaning").exists, "the clean-up")

        def is_over() -> bool:
            run.send(signal.SIGINT)  # one that comes too soon counts as the first
            return "ending the clean-up" in run.output

        wait_until(is_over, "the second message")
        assert run.wait() == 130
        assert cli("resume", "r", **env).returncode == 1
    report = json.loads(cli("show", "r", "--json", **env).stdout)
    assert report["execution_state"] == "cancelled"
    assert any("(always=True) were ended: interrupted twice" in x for x in report["error_summary"])


def test_a_cancellation_now_ends_a_clean_up_under_way(
    write: Write, cli: Cli, redis_server: Server, tmp_path: Path
) -> None:
    flow = str(write("flow.py", CLEANS))
    env = {"ASTRUM_REDIS_URL": redis_server.url}
    with (
        AstrumProcess("astrum_worker", flow, environment=env),
        AstrumProcess("astrum_coordinator", "serve", environment=env),
    ):
        assert cli("submit", flow, "--run-id", "r", **env).returncode == 0
        wait_until((tmp_path / "working").exists, "the work")
        assert cli("cancel", "r", **env).returncode == 0
        wait_until((tmp_path / "cleaning").exists, "the clean-up")
        assert cli("cancel", "r", "--now", "--reason", "it hangs", **env).returncode == 0
        assert cli("wait", "r", "--timeout", "30", **env).returncode == 1
    report = json.loads(cli("show", "r", "--json", **env).stdout)
    assert report["execution_state"] == "cancelled"
    assert any("(always=True) were ended by" in line for line in report["error_summary"])
    assert report["error_summary"][-1].endswith(": it hangs")


@pytest.mark.parametrize("place", [["--local"], ["--embedded", "--workers", "1"]])
def test_an_option_bounds_the_clean_up(write: Write, cli: Cli, place: list[str]) -> None:
    source = CLEANS.replace("await asyncio.Event().wait()", 'raise ValueError("no")', 1)
    write("flow.py", source)
    done = cli("run", "flow.py", *place, "--cleanup", "0.2")
    assert done.returncode == 1
    assert "took longer than 0.2 s" in done.stderr, done.stderr


def test_what_does_not_need_a_failed_task_goes_on_if_asked_for(
    write: Write, cli: Cli, redis_server: Server
) -> None:
    flow = str(write("flow.py", FAILS))
    local = json.loads(cli("run", "flow.py", "--local", "--keep-going", "--json").stdout)
    env = {"ASTRUM_REDIS_URL": redis_server.url}
    with AstrumProcess("astrum_worker", flow, environment=env):
        done = cli("run", flow, "--keep-going", "--json", **env)
    distributed = json.loads(done.stdout)
    assert done.returncode == 1
    for report in (local, distributed):
        rows = {row["task_name"]: row for row in report["task_statistics"]}
        assert {name: row["status"] for name, row in rows.items()} == {
            "bad": "failed",
            "after": "blocked",
            "one": "completed",
            "two": "completed",
        }
        assert rows["after"]["because"] == "bad"


def test_a_held_task_waits_for_a_decision_and_gets_its_result(
    write: Write, cli: Cli, redis_server: Server, tmp_path: Path
) -> None:
    flow = str(write("flow.py", PAYS))
    env = {"ASTRUM_REDIS_URL": redis_server.url}
    with AstrumProcess("astrum_coordinator", "serve", environment=env):
        with AstrumProcess("astrum_worker", flow, "--lease", "3", environment=env) as killed:
            assert cli("submit", flow, "--run-id", "r", **env).returncode == 0
            wait_until((tmp_path / "paying").exists, "the task")
            early = cli("release", "r", "pay", "--retry", **env)
            assert (early.returncode, "is not held" in early.stderr) == (2, True)
            killed.kill()
        held = "is held (on_lost='hold'), since it may have had effects"
        wait_until(lambda: held in " ".join(cli("show", "r", **env).stdout.split()), "the hold")
        with AstrumProcess("astrum_worker", flow, environment=env):
            for wrong in ([], ["--retry", "--fail"], ["--succeed", "{"]):
                assert cli("release", "r", "pay", *wrong, **env).returncode == 2
            done = cli("release", "r", "pay", "--succeed", '{"receipt": 17}', "--json", **env)
            assert json.loads(done.stdout) == {"run_id": "r", "task": "pay", "how": "succeed"}
            assert cli("wait", "r", "--timeout", "30", **env).returncode == 0
    report = json.loads(cli("show", "r", "--json", **env).stdout)
    assert report["task_return_set"] == {"pay": {"receipt": 17}, "tell": "receipt 17"}
