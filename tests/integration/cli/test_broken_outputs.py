"""Every command with every kind of broken output: its work and its exit code stay the same."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.broken_outputs import KINDS, broken_output
from tests.integration.cli.conftest import (
    COMMAND,
    TIMEOUT_S,
    Cli,
    Write,
    complete,
    environment,
)
from tests.processes import AstrumProcess, wait_until
from tests.sampling import sampled
from tests.servers import RedisServer, Server

FLOW = """
    import logging, pathlib, subprocess, sys
    from astrum import task

    @task("talk")
    def talk() -> int:
        print("to standard error", file=sys.stderr)
        logging.getLogger("astrum.mine").warning("a record")
        return 7
"""
PRINTS = """
    from astrum import task

    @task("prints")
    def prints() -> int:
        for number in range(20_000):
            print(f"line {number} of those that are never read", flush=True)
        return 7
"""
COMMANDS = {
    "run in process": ["run", "flow.py", "--local", "--log-level", "debug"],
    "run in process, JSON": ["run", "flow.py", "--local", "--json"],
    "run on workers": ["run", "flow.py", "--workers", "1", "--log-level", "debug"],
    "run that is quiet": ["run", "flow.py", "--local", "-q"],
    "plan": ["plan", "flow.py"],
    "submit": ["submit", "flow.py"],
    "resume": ["resume", "done"],
    "show": ["show", "done"],
    "runs": ["runs", "--json"],
    "workers": ["workers"],
    "acl": ["acl"],
    "help": ["--help"],
    "version": ["--version"],
}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with RedisServer() as server:
        yield server


@pytest.fixture(autouse=True)
def folder(write: Write, tmp_path: Path, server: Server) -> Path:
    """A folder with the flow; the server knows a run that is done."""
    write("flow.py", FLOW)
    write("prints.py", PRINTS)
    with server.client() as client:
        if not any(b"done" in key for key in client.scan_iter(count=1000)):
            run = [*COMMAND, "run", "flow.py", "--redis", server.url, "--workers", "1"]
            assert complete([*run, "--run-id", "done"], tmp_path).returncode == 0
    return tmp_path


def finish(
    arguments: Sequence[str], folder: Path, server: Server, stdout: int, stderr: int, wrap: str = ""
) -> int:
    """Run a command to its end with these outputs and return its exit code."""
    needs_server = arguments[0] not in ("run", "plan", "acl", "--help", "--version")
    env = environment(**({"ASTRUM_REDIS_URL": server.url} if needs_server else {}))
    command = [*COMMAND, *arguments]
    if wrap:
        command = ["sh", "-c", f'exec "$@" {wrap}', "sh", *command]
    return subprocess.run(
        command,
        cwd=folder,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        timeout=TIMEOUT_S,
        check=False,
    ).returncode


@pytest.mark.parametrize(("name", "kind"), sampled(COMMANDS, KINDS))
def test_a_broken_standard_error_changes_no_exit_code(
    name: str, kind: str, folder: Path, server: Server
) -> None:
    with broken_output(kind) as broken:
        assert finish(COMMANDS[name], folder, server, subprocess.DEVNULL, broken) == 0


@pytest.mark.parametrize(
    ("name", "closed"), sampled(COMMANDS, ["0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-"])
)
def test_closed_descriptors_change_no_exit_code_and_nothing_takes_their_place(
    name: str, closed: str, folder: Path, server: Server
) -> None:
    out = folder / "out"
    with out.open("w") as file:
        code = finish(COMMANDS[name], folder, server, file.fileno(), file.fileno(), wrap=closed)
    assert (code, "Traceback" in out.read_text()) == (0, False)


@pytest.mark.parametrize("name", COMMANDS)
def test_closing_standard_output_early_is_not_an_error(
    name: str, folder: Path, server: Server
) -> None:
    with broken_output("reader gone") as broken, (folder / "err").open("w") as err:
        assert finish(COMMANDS[name], folder, server, broken, err.fileno()) == 0
    said = (folder / "err").read_text()
    assert "Traceback" not in said, said[-1500:]
    assert "error:" not in said


@pytest.mark.parametrize(
    ("name", "kind"), sampled(COMMANDS, ["full disk", "terminal gone", "read only"])
)
def test_a_broken_standard_output_is_reported_in_one_line(
    name: str, kind: str, folder: Path, server: Server
) -> None:
    arguments = COMMANDS[name]
    prints_nothing = arguments[0] == "run" and "--json" not in arguments
    with broken_output(kind) as broken, (folder / "err").open("w") as err:
        code = finish(arguments, folder, server, broken, err.fileno())
    said = (folder / "err").read_text()
    assert "Traceback" not in said, said[-1500:]
    assert code == (0 if prints_nothing or arguments[0] == "resume" else 4)
    assert ("cannot be written" in said) == bool(code)


@pytest.mark.parametrize("kind", ["full disk", "reader gone", "reader stopped"])
def test_the_output_of_tasks_on_local_workers_does_not_block_the_run(
    kind: str, folder: Path, server: Server
) -> None:
    with broken_output(kind) as broken:
        arguments = ["run", "prints.py", "--workers", "1"]
        assert finish(arguments, folder, server, broken, broken) == 0


@pytest.mark.parametrize(
    ("kind", "module"), sampled(KINDS, ["astrum_worker", "astrum_coordinator"])
)
def test_a_service_with_a_broken_log_continues_and_stops_normally(
    kind: str, module: str, folder: Path, cli: Cli, server: Server
) -> None:
    arguments = ["prints.py"] if module == "astrum_worker" else ["serve"]
    other = ["astrum_coordinator", "serve"]
    if module != "astrum_worker":
        other = ["astrum_worker", str(folder / "prints.py")]
    env = {"ASTRUM_REDIS_URL": server.url, "ASTRUM_LOG_LEVEL": "debug"}
    with (
        broken_output(kind) as broken,
        AstrumProcess(other[0], *other[1:], environment=env),
        subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=folder,
            env=environment(**env),
            stdin=subprocess.DEVNULL,
            stdout=broken,
            stderr=broken,
        ) as process,
    ):
        try:
            run_id = cli("submit", "prints.py", **env).stdout.strip()
            done = cli("wait", run_id, "--json", **env)  # who serves leads it
            assert json.loads(done.stdout)["execution_state"] == "completed", done.stderr
            process.send_signal(signal.SIGTERM)
            assert process.wait(TIMEOUT_S) == 0
        finally:
            process.kill()


def test_ctrl_c_that_ends_tee_too_still_cancels_the_run_and_reports(
    write: Write, folder: Path
) -> None:
    write("waits.py", FLOW.replace("return 7", "pathlib.Path('go').touch(); signal.pause()"))
    write("waits.py", (folder / "waits.py").read_text().replace("import log", "import signal, log"))
    reading, writing = os.pipe()
    arguments = ["run", "waits.py", "--workers", "1", "--report", "report.json"]
    with subprocess.Popen(
        [*COMMAND, *arguments],
        cwd=folder,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=writing,
        stderr=writing,
    ) as process:
        os.close(writing)
        wait_until((folder / "go").exists, "the task")
        os.close(reading)
        process.send_signal(signal.SIGINT)
        assert process.wait(TIMEOUT_S) == 130
    assert json.loads((folder / "report.json").read_text())["execution_state"] == "cancelled"
