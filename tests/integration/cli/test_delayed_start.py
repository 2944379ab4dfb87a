"""The options ``--at`` and ``--delay`` with real processes: runs that wait, and that begin."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from astrum.redis import RedisSettings
from tests.integration.cli.conftest import Cli, Write
from tests.processes import AstrumProcess, serving, wait_until
from tests.servers import RedisServer, Server

FLOW = """
    import pathlib
    from astrum import task

    @task("note")
    def note() -> int:
        with open(pathlib.Path(__file__).parent / "ran", "a") as file:
            file.write("once\\n")
        return 3
"""


def began_at(cli: Cli, run_id: str, env: dict[str, str]) -> float:
    """Return when the one task of a run began."""
    report = json.loads(cli("show", run_id, "--json", **env).stdout)
    began: float = report["task_statistics"][0]["start_time"]
    return began


def test_a_run_waits_says_so_and_is_cancelled(write: Write, cli: Cli, redis_server: Server) -> None:
    write("flow.py", FLOW)
    env = {"ASTRUM_REDIS_URL": redis_server.url}
    at = datetime.now(UTC) + timedelta(days=300, minutes=-5)
    local = at.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    done = cli("submit", "flow.py", "--run-id", "far", "--at", at.isoformat(), **env)
    assert (done.returncode, done.stdout) == (0, "far\n")
    assert f"run far waits until {local}" in done.stderr
    table = cli("runs", **env).stdout
    assert "delayed" in table
    assert f"waits until {local}" in " ".join(table.split())
    [run] = json.loads(cli("runs", "--json", **env).stdout)
    assert run["waits_until"] == run["start_at"] == pytest.approx(at.timestamp(), abs=0.001)
    shown = cli("show", "far", **env).stdout
    assert f"run far waits until {local}: 0 of 1 task succeeded" in shown
    assert "is sent when the run starts, in 7199 h" in " ".join(shown.split())
    assert json.loads(cli("show", "far", "--json", **env).stdout)["waits_until"] == run["start_at"]
    waited = cli("wait", "far", "--timeout", "0.2", **env)
    assert (waited.returncode, "still open" in waited.stderr) == (1, True)
    assert f"run far waits until {local}" in waited.stderr
    for words in (["retry", "far"], ["retry", "far", "--now"]):
        refused = cli(*words, **env)
        assert (refused.returncode, "nothing to try again" in refused.stderr) == (2, True)
    assert "run far is open" in cli("forget", "far", "--yes", **env).stderr
    assert json.loads(cli("dead", "--json", **env).stdout) == []
    assert cli("cancel", "far", **env).returncode == 0
    with AstrumProcess("astrum_coordinator", "serve", environment=env):
        ended = cli("wait", "far", **env)
    assert (ended.returncode, "run far was cancelled" in ended.stderr) == (1, True)
    assert cli("forget", "far", "--yes", **env).returncode == 0
    assert json.loads(cli("runs", "--json", **env).stdout) == []


def test_a_run_begins_once_at_its_time_with_several_that_serve(
    write: Write, cli: Cli, redis_server: Server, tmp_path: Path
) -> None:
    write("flow.py", FLOW)
    env = {"ASTRUM_REDIS_URL": redis_server.url}
    with (
        AstrumProcess("astrum_worker", str(tmp_path / "flow.py"), environment=env),
        AstrumProcess("astrum_coordinator", "serve", environment=env) as one,
        AstrumProcess("astrum_coordinator", "serve", environment=env) as two,
    ):
        wait_until(lambda: "serving" in one.output and "serving" in two.output, "serving")
        asked_at = time.time()
        done = cli("submit", "flow.py", "--run-id", "r", "--delay", "5s", "--attach", **env)
        assert done.returncode == 0
        assert "run r completed" in done.stderr
        began = began_at(cli, "r", env)
        assert began >= asked_at + 5
        past = cli("submit", "flow.py", "--run-id", "p", "--at", "2020-01-01", "--attach", **env)
        assert "run p does not wait: its time has passed" in past.stderr
        assert past.returncode == 0
        [_, info] = json.loads(cli("runs", "--json", **env).stdout)
        assert began == pytest.approx(info["start_at"], abs=2.0)
        assert info["waits_until"] is None
        said = [f"run r is {how} here" in one.output + two.output for how in ("started", "resumed")]
        assert said == [True, False]
    assert (tmp_path / "ran").read_text() == "once\n" * 2


def test_a_run_survives_a_restart_of_the_server_and_begins_when_one_serves(
    write: Write, cli: Cli, tmp_path: Path
) -> None:
    write("flow.py", FLOW)
    with RedisServer(tcp=True, options={"appendonly": "yes"}) as server:
        env = {"ASTRUM_REDIS_URL": server.url}
        done = cli("submit", "flow.py", "--run-id", "r", "--delay", "2", "--timeout", "60", **env)
        assert "waits until" in done.stderr
        server.restart()
        start_at = json.loads(cli("runs", "--json", **env).stdout)[0]["start_at"]
        wait_until(lambda: time.time() > start_at, "its time")
        assert "pending" in cli("runs", **env).stdout
        with (
            AstrumProcess("astrum_worker", str(tmp_path / "flow.py"), environment=env),
            AstrumProcess("astrum_coordinator", "serve", environment=env),
        ):
            assert cli("wait", "r", **env).returncode == 0


def test_a_run_is_resumed_before_its_time_and_begins_then(
    write: Write, cli: Cli, redis_server: Server, tmp_path: Path
) -> None:
    write("flow.py", FLOW)
    env = {"ASTRUM_REDIS_URL": redis_server.url}
    with AstrumProcess("astrum_worker", str(tmp_path / "flow.py"), environment=env):
        asyncio.run(serving(RedisSettings(url=redis_server.url), 1))
        # Its timeout counts from its start.
        cli("submit", "flow.py", "--run-id", "r", "--delay", "6s", "--timeout", "5", **env)
        assert cli("resume", "r", **env).returncode == 0
    [info] = json.loads(cli("runs", "--json", **env).stdout)
    assert began_at(cli, "r", env) >= info["start_at"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--at", "18:00", "--delay", "5m"], "--at and --delay both say when the run starts"),
        (["--at", "soon"], "'soon' is not a time: write 2026-12-24T18:00"),
        (["--delay", "soon"], "'soon' is not a duration: write 90, 90s, 15m, 2h or 3d"),
        (["--delay", "400d"], "'400d' is more than 366 days ahead"),
        (["--at", "9999-01-01"], "'9999-01-01' is more than 366 days ahead"),
    ],
)
def test_a_start_that_cannot_be_is_refused(
    write: Write, cli: Cli, words: list[str], said: str
) -> None:
    write("flow.py", FLOW)
    done = cli("submit", "flow.py", *words, ASTRUM_REDIS_URL="redis://localhost:1/0")
    assert (done.returncode, said in done.stderr) == (2, True)
