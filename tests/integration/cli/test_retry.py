"""The command ``retry``, with real workers, and a leader that is killed at the worst moment."""

from __future__ import annotations

import json
import signal
from pathlib import Path

from tests.integration.cli.conftest import Cli, Write
from tests.processes import AstrumProcess, wait_until
from tests.servers import Server

FLOW = """
    import pathlib
    from astrum import F, Ref, task

    FOLDER = pathlib.Path(__file__).parent

    def note(name: str) -> None:
        with open(FOLDER / "ran", "a") as file:
            file.write(name + "\\n")

    @task("load")
    def load() -> int:
        note("load")
        return 3

    @task("parse")
    def parse(count: Ref[int, F("load")]) -> int:
        note("parse")
        if not (FOLDER / "fixed").exists():
            raise ValueError("the file is missing")
        return 2 * count

    @task("store")
    def store(count: Ref[int, F("parse")]) -> int:
        note("store")
        return count
"""


def ran(folder: Path) -> list[str]:
    return (folder / "ran").read_text().split()


def test_a_failed_run_is_retried_after_its_cause_was_mended(
    write: Write, cli: Cli, redis_server: Server, tmp_path: Path
) -> None:
    write("flow.py", FLOW)
    env = {"ASTRUM_REDIS_URL": redis_server.url}
    with AstrumProcess("astrum_worker", str(tmp_path / "flow.py"), environment=env):
        assert cli("run", "flow.py", "--run-id", "r", **env).returncode == 1
        wrong = cli("retry", "r", "pars", **env)
        assert (wrong.returncode, "did you mean 'parse'" in wrong.stderr) == (2, True)
        (tmp_path / "fixed").touch()
        done = cli("retry", "r", "--json", **env)
        assert json.loads(done.stdout) == {
            "run_id": "r",
            "tasks": ["parse", "store"],
            "reopened": True,
        }
        again = cli("retry", "r", **env)
        assert (again.returncode, "is under way" in again.stderr) == (2, True)
        assert cli("resume", "r", **env).returncode == 0
    assert ran(tmp_path) == ["load", "parse", "parse", "store"]
    shown = cli("show", "r", **env)
    assert "retried" in shown.stdout
    report = json.loads(cli("show", "r", "--json", **env).stdout)
    assert len(report["reopened"]) == 1
    assert report["task_return_set"] == {"load": 3, "parse": 6, "store": 6}
    ended = cli("retry", "r", **env)
    assert (ended.returncode, "name the tasks" in ended.stderr) == (2, True)


def test_the_death_of_the_leader_after_a_retry_loses_nothing(
    write: Write, cli: Cli, redis_server: Server, tmp_path: Path
) -> None:
    write("flow.py", FLOW)
    env = {"ASTRUM_REDIS_URL": redis_server.url}
    with AstrumProcess("astrum_worker", str(tmp_path / "flow.py"), environment=env) as worker:
        assert cli("run", "flow.py", "--run-id", "r", **env).returncode == 1
        worker.send(signal.SIGSTOP)
        (tmp_path / "fixed").touch()
        assert cli("retry", "r", "--json", **env).returncode == 0
        with AstrumProcess("astrum_coordinator", "serve", environment=env) as first:
            wait_until(lambda: "is resumed here" in first.output, "the run to be led")
            first.kill()
        worker.send(signal.SIGCONT)
        with AstrumProcess("astrum_coordinator", "serve", environment=env):
            assert cli("wait", "r", "--timeout", "40", **env).returncode == 0
    assert ran(tmp_path) == ["load", "parse", "parse", "store"]
