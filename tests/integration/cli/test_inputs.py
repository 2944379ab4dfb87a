"""The inputs of a run on the command line, in all modes."""

from __future__ import annotations

import json

import pytest

from tests.integration.cli.conftest import Cli, Write
from tests.servers import Server

FLOW = """
    from dataclasses import dataclass
    from datetime import date
    from astrum import Input, Ref, task

    @dataclass
    class Order:
        number: int

    @task("bill")
    def bill(
        day: Ref[date, Input()],
        order: Ref[Order, Input("order")],
        token: Ref[str, Input("token", secret=True)],
        limit: Ref[int, Input()] = 10,
    ) -> str:
        return f"{day:%d.%m.%Y} {order.number} {token[:1]} {limit}"
"""
GIVEN = ("--input", "day=2026-11-28", "--input", "token=007-s3cret", "--inputs", "more.json")


@pytest.mark.parametrize("mode", [("--local",), ("--workers", "1")], ids=["local", "workers"])
def test_texts_and_a_file_give_the_inputs(write: Write, cli: Cli, mode: tuple[str, ...]) -> None:
    write("flow.py", FLOW)
    write("more.json", '{"order": {"number": 7}, "token": "not this one"}')
    done = cli("run", "flow.py", *mode, *GIVEN, "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["task_return_set"] == {"bill": "28.11.2026 7 0 10"}
    assert report["inputs"] == {
        "day": "2026-11-28",
        "limit": 10,
        "order": {"number": 7},
        "token": "***",
    }
    assert "s3cret" not in done.stdout + done.stderr


@pytest.mark.parametrize("command", ["run", "submit", "plan"])
def test_all_mistakes_are_listed_and_the_exit_code_is_2(
    write: Write, cli: Cli, redis_server: Server, command: str
) -> None:
    write("flow.py", FLOW)
    wrong = ("--input", "dya=2026-11-28", "--input", 'order={"number": "x"}')
    done = cli(command, "flow.py", *wrong, ASTRUM_REDIS_URL=redis_server.url)
    assert done.returncode == 2
    assert "there is no input 'dya'; did you mean 'day'?" in done.stderr
    assert "the input 'order': expected Order" in done.stderr
    assert "the input 'token' is missing: task 'bill' reads it, its type is str" in done.stderr
    assert ("missing" in done.stdout) == (command == "plan")
    runs = cli("runs", "--json", ASTRUM_REDIS_URL=redis_server.url)
    assert json.loads(runs.stdout) == []


def test_show_has_the_inputs_of_a_run_without_its_secrets(
    write: Write, cli: Cli, redis_server: Server
) -> None:
    write("flow.py", FLOW)
    write("more.json", '{"order": {"number": 7}}')
    env = {"ASTRUM_REDIS_URL": redis_server.url}
    assert cli("submit", "flow.py", *GIVEN, "--run-id", "r", **env).returncode == 0
    assert cli("submit", "flow.py", *GIVEN, "--run-id", "r", **env).returncode == 0
    other = cli("submit", "flow.py", *GIVEN, "--input", "limit=3", "--run-id", "r", **env)
    assert (other.returncode, "with another 'limit'" in other.stderr) == (1, True)
    shown = cli("show", "r", **env)
    assert "input day = " in shown.stdout
    assert "input token = ***" in shown.stdout
    assert "s3cret" not in shown.stdout + cli("show", "r", "--json", **env).stdout
