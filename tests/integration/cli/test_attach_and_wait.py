"""A run id that exists already, and waiting for a run that others lead; in real processes."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

from tests import warm_start
from tests.integration.cli.conftest import COMMAND, Cli, Write, environment
from tests.processes import AstrumProcess, wait_until
from tests.servers import Server

FLOW = """
    import pathlib, time
    from astrum import task

    @task("answer")
    def answer() -> int:
        gate = pathlib.Path(__file__).with_name("gate")
        while not gate.exists():
            time.sleep(0.01)
        if gate.read_text() == "fail":
            raise ValueError("as asked")
        return 42
"""


def begun(folder: Path, env: dict[str, str], *arguments: str) -> subprocess.Popen[str]:
    """Start a command and do not wait for it."""
    return warm_start.start(
        [*COMMAND, *arguments],
        cwd=folder,
        env=environment(**env),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(write: Write, cli: Cli, url: str, gate: str = "") -> None:
    """Have the run r1 end on the server, well or not."""
    write("flow.py", FLOW)
    write("gate", gate)
    cli("run", "flow.py", "--workers", "1", "--redis", url, "--run-id", "r1", "-q")


def test_the_run_id_of_an_ended_run_starts_nothing_and_is_an_error(
    write: Write, cli: Cli, redis_server: Server
) -> None:
    ended(write, cli, redis_server.url)
    for command in (["run", "flow.py", "--json"], ["submit", "flow.py"]):
        done = cli(*command, "--run-id", "r1", "--redis", redis_server.url)
        assert (done.returncode, done.stdout) == (2, "")
        assert "run r1 completed already" in done.stderr
        assert "--attach" in done.stderr


def test_attaching_to_a_run_that_ended_gives_its_report_and_its_exit_code(
    write: Write, cli: Cli, redis_server: Server
) -> None:
    ended(write, cli, redis_server.url, gate="fail")
    options = ("--run-id", "r1", "--attach", "--redis", redis_server.url)
    ran = cli("run", "flow.py", "--json", "--workers", "1", *options)
    assert (ran.returncode, json.loads(ran.stdout)["failed_tasks"]) == (1, 1), ran.stderr
    assert "run r1 failed" in ran.stderr
    submitted = cli("submit", "flow.py", *options)
    assert (submitted.returncode, submitted.stdout) == (1, "r1\n")
    assert "run r1 failed" in submitted.stderr


def test_attaching_needs_a_run_and_a_server(write: Write, cli: Cli, redis_server: Server) -> None:
    write("flow.py", FLOW)
    for command in (
        ("run", "flow.py", "--attach"),
        ("submit", "flow.py", "--attach", "--redis", redis_server.url),
        ("run", "flow.py", "--attach", "--run-id", "r1", "--local"),
    ):
        done = cli(*command)
        assert (done.returncode, "--attach" in done.stderr) == (2, True)


def test_waiting_and_attaching_follow_a_run_that_another_process_leads(
    write: Write, cli: Cli, redis_server: Server, tmp_path: Path
) -> None:
    path = write("flow.py", FLOW)
    env = {"ASTRUM_REDIS_URL": redis_server.url}
    with AstrumProcess("astrum_coordinator", "serve", environment=env) as serve:
        attached = begun(tmp_path, env, "submit", str(path), "--run-id", "r1", "--attach")
        wait_until(lambda: "run r1 is started here" in serve.output, "adoption")
        timed_out = cli("wait", "r1", "--timeout", "0.2", **env)
        assert (timed_out.returncode, timed_out.stdout) == (1, "")
        assert "run r1 is still open after 0.2 s" in timed_out.stderr
        waiting = begun(tmp_path, env, "wait", "r1", "--json")
        with AstrumProcess("astrum_worker", str(path), environment=env) as worker:
            write("gate", "")
            out, _ = waiting.communicate(timeout=30)
            assert (waiting.returncode, json.loads(out)["task_return_set"]) == (0, {"answer": 42})
            out, told = attached.communicate(timeout=30)
            assert (attached.returncode, out) == (0, "r1\n")
            assert "run r1 completed: 1 of 1 task succeeded" in told
            worker.send(signal.SIGTERM)
            worker.wait()


def test_ctrl_c_while_waiting_does_not_cancel_the_run(
    write: Write, cli: Cli, redis_server: Server, tmp_path: Path
) -> None:
    write("flow.py", FLOW)
    env = {"ASTRUM_REDIS_URL": redis_server.url}
    cli("submit", "flow.py", "--run-id", "r1", **env)
    waiting = begun(tmp_path, env, "wait", "r1")
    with redis_server.client() as admin:
        wait_until(lambda: any(one["cmd"] == "xread" for one in admin.client_list()), "the wait")
    waiting.send_signal(signal.SIGINT)
    _, told = waiting.communicate(timeout=30)
    assert (waiting.returncode, "run r1 continues" in told) == (130, True)
    [run] = json.loads(cli("runs", "--json", **env).stdout)
    assert run["state"] == "open"


def test_waiting_for_a_misspelt_run_id_suggests_the_nearest(
    write: Write, cli: Cli, redis_server: Server
) -> None:
    write("flow.py", FLOW)
    cli("submit", "flow.py", "--run-id", "nightly-17", "--redis", redis_server.url)
    for command in ("wait", "show", "cancel", "resume"):
        done = cli(command, "nightly-71", "--redis", redis_server.url)
        assert (done.returncode, done.stdout) == (2, "")
        assert "no run has the id 'nightly-71'" in done.stderr
        assert "did you mean 'nightly-17'?" in done.stderr
