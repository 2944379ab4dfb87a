"""The commands that need a server, against a real one; and the default mode, which brings one."""

from __future__ import annotations

import json
import re
import signal
import socket

import pytest

from astrum_coordinator.cli.acl import ROLES
from tests.access import denied, make_user, url_of
from tests.integration.cli.conftest import Cli, Write
from tests.processes import AstrumProcess, wait_until
from tests.servers import RedisServer, Server, find_binaries

FLOW = """
    from dataclasses import dataclass
    from astrum import F, Ref, task

    @dataclass
    class Order:
        number: int

    @task("order")
    async def order() -> Order:
        print("ordering")
        return Order(7)

    @task("double", retry=1)
    def double(number: Ref[int, F("order", "number")]) -> int:
        from astrum import current_attempt
        if current_attempt().attempt == 1:
            raise ValueError("not yet")
        return 2 * number
"""


def test_without_any_option_a_private_server_and_workers_run_it(write: Write, cli: Cli) -> None:
    write("flow.py", FLOW)
    done = cli("run", "flow.py", "--workers", "1", "--json", "--run-id", "mine")
    report = json.loads(done.stdout)
    assert (done.returncode, report["run_id"], report["execution_state"]) == (
        0,
        "mine",
        "completed",
    )
    assert report["task_return_set"] == {"order": {"number": 7}, "double": 14}
    assert report["task_statistics"][1]["attempt_count"] == 2
    assert "task 'double' attempt 1 failed: ValueError: not yet; 0 retries left" in done.stderr
    assert "ordering" in done.stderr


def test_a_private_pool_serves_every_queue_of_the_flow(write: Write, cli: Cli) -> None:
    write("flow.py", FLOW.replace('@task("order"', '@task("order", queue="cpu"'))
    done = cli("run", "flow.py", "--workers", "1", "--timeout", "20", ASTRUM_QUEUE="others")
    assert done.returncode == 0, done.stderr


def test_a_run_that_fails_on_workers_shows_the_users_own_frames(write: Write, cli: Cli) -> None:
    write("flow.py", FLOW.replace("retry=1", "retry=0"))
    done = cli("run", "flow.py", "--workers", "1")
    assert (done.returncode, done.stdout) == (1, "ordering\n")
    frames = [line for line in done.stderr.splitlines() if line.startswith("  File ")]
    assert frames
    assert all("flow.py" in frame for frame in frames)


def test_a_submit_with_the_same_id_is_the_same_run_also_with_other_tasks(
    write: Write, cli: Cli, redis_server: Server
) -> None:
    write("flow.py", FLOW)
    for tasks in ([], [], ["-t", "order"]):
        done = cli("submit", "flow.py", *tasks, "--run-id", "r1", "--redis", redis_server.url)
        assert (done.returncode, done.stdout) == (0, "r1\n")
    [run] = json.loads(cli("runs", "--json", ASTRUM_REDIS_URL=redis_server.url).stdout)
    assert (run["run_id"], run["state"], run["details"]["tasks"]) == ("r1", "open", "2")


def test_a_served_run_can_be_watched_shown_and_cancelled(
    write: Write, cli: Cli, redis_server: Server
) -> None:
    write("flow.py", FLOW)
    env = {"ASTRUM_REDIS_URL": redis_server.url}
    run_id = cli("submit", "flow.py", **env).stdout.strip()
    assert "pending" in cli("runs", **env).stdout
    assert f"run {run_id} waits for a coordinator" in cli("show", run_id, **env).stdout
    with AstrumProcess("astrum_coordinator", "serve", environment=env) as serve:
        wait_until(lambda: f"run {run_id} is started here" in serve.output, "adoption")
        assert cli("cancel", run_id, "--reason", "not needed", **env).returncode == 0
        resumed = cli("resume", run_id, "--json", **env)
        serve.send(signal.SIGTERM)
        assert serve.wait() == 0
    report = json.loads(resumed.stdout)
    assert (resumed.returncode, report["execution_state"]) == (1, "cancelled")
    [why] = report["error_summary"]
    by = rf"by (\w+@)?{re.escape(socket.gethostname())}:\d+"
    assert re.fullmatch(f"the run was cancelled {by}: not needed", why)
    assert json.loads(cli("show", run_id, "--json", **env).stdout) == report
    assert why in cli("show", run_id, **env).stdout
    over = cli("cancel", run_id, **env)
    assert (over.returncode, "is over already" in over.stderr) == (1, True)


def test_show_prints_the_same_json_as_run_without_the_types_of_the_values(
    write: Write, cli: Cli, redis_server: Server
) -> None:
    write("flow.py", FLOW)
    url = redis_server.url
    ran = cli("run", "flow.py", "--redis", url, "--workers", "1", "--run-id", "r1", "--json")
    assert ran.returncode == 0, ran.stderr
    report = json.loads(ran.stdout)
    assert report["task_return_set"]["order"] == {"number": 7}
    assert json.loads(cli("show", "r1", "--json", "--redis", url).stdout) == report


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_serve_releases_its_runs_when_it_stops(
    write: Write, cli: Cli, redis_server: Server, number: signal.Signals
) -> None:
    write("flow.py", FLOW)
    env = {"ASTRUM_REDIS_URL": redis_server.url}
    run_id = cli("submit", "flow.py", **env).stdout.strip()
    with AstrumProcess("astrum_coordinator", "serve", environment=env) as serve:
        wait_until(lambda: f"run {run_id} is started here" in serve.output, "adoption")
        serve.send(number)
        assert serve.wait() == (0 if number == signal.SIGTERM else 129)
    assert f"run {run_id} waits for a coordinator" in cli("show", run_id, **env).stdout


def test_a_pipe_gets_one_line_for_each_run_and_worker(
    write: Write, cli: Cli, redis_server: Server
) -> None:
    write("flow.py", FLOW)
    run_id = "a-run-id-" + 150 * "x"
    assert cli("submit", "flow.py", "--run-id", run_id, "--redis", redis_server.url).returncode == 0
    lines = cli("runs", "--redis", redis_server.url).stdout.splitlines()
    [line] = [line for line in lines if run_id in line]
    assert "pending" in line


def test_an_unknown_run_is_an_error(cli: Cli, redis_server: Server) -> None:
    for command in ("show", "cancel", "resume"):
        done = cli(command, "nothing", "--redis", redis_server.url)
        assert (done.returncode, done.stdout) == (2, "")
        assert "no run has the id 'nothing'" in done.stderr


def test_workers_are_listed_with_their_properties(
    write: Write, cli: Cli, redis_server: Server
) -> None:
    path = write("flow.py", FLOW)
    url = redis_server.url
    assert "no live workers" in cli("workers", "--redis", url).stdout
    with AstrumProcess("astrum_worker", str(path), "--redis", url) as worker:

        def listed() -> list[dict[str, object]]:
            found: list[dict[str, object]] = json.loads(
                cli("workers", "--json", "--redis", url).stdout
            )
            return found

        wait_until(lambda: bool(listed()), "the worker")
        table = cli("workers", "--redis", url).stdout
        assert str(worker.pid) in table
        assert "default (2)" in table, "what it serves is not said"
        worker.send(signal.SIGTERM)
        worker.wait()


# --- access rules -------------------------------------------------------------------------


@pytest.mark.parametrize("binary", find_binaries().values(), ids=list(find_binaries()))
def test_the_printed_rules_suffice_for_a_whole_run_with_a_failure_and_a_cancel(
    write: Write, cli: Cli, binary: str
) -> None:
    path = write("flow.py", FLOW)
    with RedisServer(binary) as server, server.client() as admin:
        for role in ROLES:
            make_user(admin, role)
        leads, works = url_of(server.url, "coordinator"), url_of(server.url, "worker")
        with AstrumProcess("astrum_worker", str(path), "--redis", works) as worker:
            done = cli("run", "flow.py", "--redis", leads, "--json")
            assert json.loads(done.stdout)["execution_state"] == "completed", done.stderr
            assert cli("submit", "flow.py", "--redis", leads, "--run-id", "r2").returncode == 0
            assert cli("cancel", "r2", "--redis", leads).returncode == 0
            assert cli("resume", "r2", "--redis", leads).returncode == 1
            assert cli("runs", "--redis", leads).returncode == 0
            assert cli("workers", "--redis", leads).returncode == 0
            worker.send(signal.SIGTERM)
            assert worker.wait() == 0, worker.output
        assert denied(admin) == []


def test_priorities_are_shown_and_one_out_of_range_is_wrong_usage(
    write: Write, cli: Cli, redis_server: Server
) -> None:
    write("flow.py", FLOW.replace('@task("order"', '@task("order", priority=2'))
    url = ("--redis", redis_server.url)
    for command in ("run", "submit"):
        wrong = cli(command, "flow.py", "--priority", "10", *url)
        assert wrong.returncode == 2
        assert "10 is not in the range -9<=x<=9" in wrong.stderr
    assert cli("submit", "flow.py", "--run-id", "r", "--priority", "-3", *url).returncode == 0
    [row] = json.loads(cli("runs", "--json", *url).stdout)
    assert row["priority"] == -3
    assert "priority -3" in cli("runs", *url).stdout
    assert "priority -3" in cli("show", "r", *url).stdout
    assert json.loads(cli("show", "r", "--json", *url).stdout)["priority"] == -3
    plan = json.loads(cli("plan", "flow.py", "--format", "json").stdout)
    assert [task["priority"] for task in plan["tasks"]] == [2, 0]
    assert "+2" in cli("plan", "flow.py").stdout
