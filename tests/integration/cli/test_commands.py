"""The command line as a whole: help, options, plans, access rules."""

from __future__ import annotations

import json
import resource
import subprocess
import sys

import pytest
from click.testing import CliRunner

from astrum_coordinator.cli import main
from astrum_coordinator.cli.acl import ROLES
from tests.integration.cli.conftest import Cli, Write, environment

COMMANDS = ("run", "plan", "submit", "serve", "resume", "runs", "show", "cancel", "workers", "acl")
HEAVY = ("redis", "rich", "pydantic", "astrum.redis", "astrum_coordinator.app")


def test_help_names_every_command() -> None:
    text = CliRunner().invoke(main, ["--help"]).output
    assert all(f"\n  {name} " in text for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str) -> None:
    done = CliRunner().invoke(main, [name, "-h"])
    assert (done.exit_code, done.output.startswith("Usage:")) == (0, True)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_has_its_own_variable_of_the_environment(name: str) -> None:
    options = [p for p in main.commands[name].params if p.param_type_name == "option"]
    variables = [str(option.envvar) for option in options]
    assert len(set(variables)) == len(variables)
    assert all(variable.startswith("ASTRUM_") for variable in variables)


def test_help_loads_nothing_heavy() -> None:
    code = "import sys, astrum_coordinator.cli; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(HEAVY).intersection(done.stdout.split())


def test_help_is_printed_quickly() -> None:
    def took() -> float:
        # Processor time: what the clock says depends on what else the machine does.
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [sys.executable, "-m", "astrum_coordinator", "--help"]
        subprocess.run(command, env=environment(), capture_output=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    assert min(took() for _ in range(5)) < 0.3


def test_a_misspelt_command_gets_the_nearest_suggestion() -> None:
    done = CliRunner().invoke(main, ["flow.py"])
    assert (done.exit_code, "did you mean 'run flow.py'?" in done.output) == (2, True)
    done = CliRunner().invoke(main, ["sbmit"])
    assert (done.exit_code, "did you mean 'submit'?" in done.output) == (2, True)


@pytest.mark.parametrize("name", ["submit", "serve", "runs", "workers", "cancel", "show", "resume"])
def test_a_command_that_needs_a_server_asks_for_one(name: str) -> None:
    needs_argument = {"submit": ["flow"], "cancel": ["r"], "show": ["r"], "resume": ["r"]}
    done = CliRunner().invoke(
        main, [name, *needs_argument.get(name, [])], env={"ASTRUM_REDIS_URL": None}
    )
    assert (done.exit_code, "Give --redis URL" in done.output) == (2, True)


@pytest.mark.parametrize(
    ("url", "code", "said"),
    [
        ("redis://:secret@localhost:1", 1, "redis://:***@localhost:1"),
        ("http://x", 2, "it must begin with redis://"),
    ],
)
def test_a_server_that_cannot_be_used_is_named_without_its_password(
    cli: Cli, url: str, code: int, said: str
) -> None:
    done = cli("runs", "--redis", url)
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr
    assert "secret" not in done.stderr
    assert "Traceback" not in done.stderr


# --- plan and acl -------------------------------------------------------------------------

FLOW = """
    from astrum import F, Ref, task

    print("while importing")

    @task("extract")
    async def extract() -> dict:
        return {"rows": 100}

    @task("load")
    async def load(rows: Ref[int, F("extract", "rows")]) -> None: ...
"""


@pytest.mark.parametrize(
    ("form", "expected"),
    [("table", "extract['rows']"), ("mermaid", "t0 --> t1"), ("dot", "t0 -> t1;")],
)
def test_a_plan_is_shown_without_running_it(
    write: Write, cli: Cli, form: str, expected: str
) -> None:
    write("flow.py", FLOW)
    done = cli("plan", "flow.py", "--format", form)
    assert (done.returncode, expected in done.stdout) == (0, True)
    assert "while importing" not in done.stdout


def test_the_json_output_of_plan_is_only_json(write: Write, cli: Cli) -> None:
    write("flow.py", FLOW)
    plan = json.loads(cli("plan", "flow.py", "--format", "json", "-t", "extract").stdout)
    assert [task["task"] for task in plan["tasks"]] == ["extract"]


def test_a_plan_with_a_cycle_is_an_error_that_lists_the_cycle(write: Write, cli: Cli) -> None:
    write(
        "flow.py",
        """
        from astrum import task

        @task("a", depends_on=["b"])
        async def a() -> None: ...

        @task("b", depends_on=["a"])
        async def b() -> None: ...
        """,
    )
    done = cli("plan", "flow.py")
    assert (done.returncode, done.stdout) == (2, "")
    assert "a -> b -> a" in done.stderr or "b -> a -> b" in done.stderr


def test_access_rules_are_printed_for_the_prefix() -> None:
    lines = CliRunner().invoke(main, ["acl", "--prefix", "mine"]).output.splitlines()
    assert [line.split()[2] for line in lines] == [f"astrum-{role}" for role in ROLES]
    assert all(" ~{mine}:" in line and "~*" not in line for line in lines)
    assert CliRunner().invoke(main, ["acl", "--prefix", "a*"]).exit_code == 2
