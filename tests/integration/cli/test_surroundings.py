"""Odd folders, files with awkward names, and flows that change their surroundings."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.cli.conftest import COMMAND, TIMEOUT_S, Cli, Write, complete, environment
from tests.sampling import sampled
from tests.servers import Server
from tests.warm_start import COLD_VARIABLE

FLOW = """
    from astrum import task

    @task("seven")
    def seven() -> int:
        return 7
"""
# Without -P, -m would put the folder first by itself; the installed commands do not.
SCRIPT = (COMMAND[0], "-P", *COMMAND[1:])
PLACES = {"in process": ["--local"], "on workers": ["--embedded", "--workers", "1"]}


@pytest.fixture(autouse=True)
def interpreters_start_as_usual(monkeypatch: pytest.MonkeyPatch) -> None:
    """What surrounds the start of an interpreter is what these tests change."""
    monkeypatch.setenv(COLD_VARIABLE, "1")


# --- the first line, and the choice of the place --------------------------------------------


def test_the_first_line_says_where_the_run_takes_place(
    write: Write, cli: Cli, redis_server: Server
) -> None:
    write("flow.py", FLOW)
    url = redis_server.url
    for arguments, said in (
        (["--local"], "running in this process"),
        (["--workers", "1"], "running on a private server with 1 local worker"),
        (["--redis", url, "--workers", "2"], f"running on {url}, prefix 'astrum', and 2 local"),
    ):
        done = cli("run", "flow.py", *arguments)
        assert done.returncode == 0, done.stderr
        assert done.stderr.splitlines()[0].startswith(said)


def test_a_password_in_the_url_is_not_in_the_first_line(write: Write, cli: Cli) -> None:
    write("flow.py", FLOW)
    done = cli("run", "flow.py", ASTRUM_REDIS_URL="redis://svc:hunter2@127.0.0.1:1/0")
    first = "running on redis://svc:***@127.0.0.1:1/0, prefix 'astrum', with the workers that serve"
    assert done.stderr.startswith(first)


def test_embedded_overrides_the_url_of_the_environment(write: Write, cli: Cli) -> None:
    write("flow.py", FLOW)
    url = {"ASTRUM_REDIS_URL": "redis://unreachable.invalid:1"}
    assert cli("run", "flow.py", "--embedded", "--workers", "1", **url).returncode == 0
    both = cli("run", "flow.py", "--workers", "1", ASTRUM_EMBEDDED="1", **url)
    assert both.returncode == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--embedded", "--local"], "--local runs all tasks in this process, --embedded on a"),
        (["--embedded", "--redis", "redis://x"], "--redis names a running one: drop one of them"),
    ],
)
def test_embedded_contradicts_other_places(
    write: Write, cli: Cli, arguments: list[str], said: str
) -> None:
    write("flow.py", FLOW)
    done = cli("run", "flow.py", *arguments)
    assert (done.returncode, said in done.stderr) == (2, True)


def test_command_line_options_override_an_embedded_server_of_the_environment(
    write: Write, cli: Cli
) -> None:
    write("flow.py", FLOW)
    assert cli("run", "flow.py", "--local", ASTRUM_EMBEDDED="1").returncode == 0
    done = cli("run", "flow.py", "--redis", "redis://unreachable.invalid:1", ASTRUM_EMBEDDED="1")
    assert "running on redis://unreachable.invalid:1" in done.stderr


# --- temporary folders ----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["job%2Fx/a#b/what?/a b@c/it's/größe", "d" * 120])
def test_a_temporary_folder_of_any_name_is_usable(
    write: Write, cli: Cli, short_folder: Path, name: str
) -> None:
    write("flow.py", FLOW)
    (short_folder / name).mkdir(parents=True)
    done = cli("run", "flow.py", "--workers", "1", TMPDIR=str(short_folder / name))
    assert done.returncode == 0, done.stderr


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A folder whose path leaves room for that of a socket: in longer ones none is made."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        yield Path(folder)


def test_a_temporary_folder_whose_name_is_not_valid_unicode_is_usable(
    write: Write, tmp_path: Path, short_folder: Path
) -> None:
    write("flow.py", FLOW)
    folder = os.fsencode(short_folder) + b"/\xff"
    os.mkdir(folder)
    env = {os.fsencode(k): os.fsencode(v) for k, v in environment().items()}
    done = subprocess.run(
        [*COMMAND, "run", "flow.py", "--workers", "1"],
        cwd=tmp_path,
        env={**env, b"TMPDIR": folder},
        capture_output=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr


# --- files beside the flow ------------------------------------------------------------------

NAMES = ["queue", "types", "random", "select", "token", "json", "redis", "email", "secrets"]
OTHERS = ["rich", "click", "logging", "asyncio", "socket", "signal", "msgpack", "ssl", "copy"]


def test_files_with_the_names_of_modules_of_astrum_break_nothing(
    write: Write, tmp_path: Path, redis_server: Server
) -> None:
    write("flow.py", FLOW)
    for name in NAMES + OTHERS:
        write(f"{name}.py", "raise SystemExit(f'{__file__} is not what is meant')")
    for arguments in (["--local"], ["--redis", redis_server.url, "--workers", "1"]):
        done = subprocess.run(
            [*SCRIPT, "run", "flow.py", *arguments],
            cwd=tmp_path,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr


def test_a_flow_that_needs_such_a_file_gets_the_advice_to_rename_it(
    write: Write, tmp_path: Path
) -> None:
    path = write("secrets.py", "def password_of(user): return user")
    write("flow.py", "from secrets import password_of\n")
    done = complete([*SCRIPT, "run", "flow.py", "--local"], tmp_path)
    assert done.returncode == 2
    assert str(path) in done.stderr
    assert "rename the file" in done.stderr


@pytest.mark.parametrize(
    ("name", "place"),
    sampled(["etl.v2.py", "2026.11.report.py", "my flow 2.py", "my-flow.py"], PLACES),
)
def test_a_file_of_any_name_runs_and_its_types_travel(
    write: Write, cli: Cli, name: str, place: str
) -> None:
    write("helper.py", "FACTOR = 6")
    write(
        name,
        """
        from dataclasses import dataclass
        from astrum import F, Ref, task
        from helper import FACTOR

        @dataclass
        class Part:
            size: int

        @task("part")
        def part() -> Part:
            return Part(7)

        @task("whole")
        def whole(part: Ref[Part, F("part")]) -> int:
            return FACTOR * part.size
        """,
    )
    done = cli("run", name, "--json", *PLACES[place])
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["task_return_set"]["whole"] == 42


def test_a_file_with_dots_in_a_package_may_import_its_siblings(write: Write, cli: Cli) -> None:
    folder = write("flow.py", FLOW).parent
    (folder / "app").mkdir()
    write("app/__init__.py", "")
    write("app/helper.py", "FACTOR = 6")
    write("app/daily.v2.py", "from .helper import FACTOR\n" + _dedented(FLOW))
    assert cli("run", "app/daily.v2.py", "--local").returncode == 0


def _dedented(text: str) -> str:
    return "\n".join(line.removeprefix("    ") for line in text.splitlines())


# --- what a flow changes while it is imported -----------------------------------------------


CHANGES = [
    "import os; os.makedirs('else', exist_ok=True); os.chdir('else')",
    "import os, shutil; os.makedirs('gone', exist_ok=True); os.chdir('gone'); "
    "shutil.rmtree(os.getcwd())",
    "import sys; sys.path.clear()",
    "import sys; sys.path = ['/nowhere']",
    "import sys; sys.argv[:] = ['other', '--help']; sys.argv = []",
    "import sys; sys.stdout = open('/dev/null', 'w'); sys.stderr = None",
    "import sys; sys.stderr.close()",
    "import logging; logging.disable(); logging.raiseExceptions = True",
]


@pytest.mark.parametrize(("change", "place"), sampled(CHANGES, PLACES))
def test_changes_that_a_flow_makes_during_its_import_do_not_break_the_run(
    write: Write, cli: Cli, tmp_path: Path, change: str, place: str
) -> None:
    write("first.py", change)
    write("flow.py", FLOW)
    done = cli("run", "first.py", "flow.py", "--report", "out.json", *PLACES[place])
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "out.json").read_text())["task_return_set"] == {"seven": 7}


def test_a_folder_that_was_removed_needs_no_traceback(write: Write, tmp_path: Path) -> None:
    path = write("flow.py", FLOW)
    for arguments, code in ((["run", str(path), "--local"], 0), (["plan", "flow.py"], 2)):
        script = 'mkdir gone; cd gone; rmdir ../gone; "$@"'
        done = subprocess.run(
            ["sh", "-c", script, "sh", *SCRIPT, *arguments],
            cwd=tmp_path,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr


# --- levels and characters ------------------------------------------------------------------


@pytest.mark.parametrize("level", ["INFO", "Warning", "WARN", "critical", " debug "])
def test_a_log_level_may_be_written_as_elsewhere(write: Write, cli: Cli, level: str) -> None:
    write("flow.py", FLOW)
    done = cli("run", "flow.py", "--local", ASTRUM_LOG_LEVEL=level)
    assert done.returncode == 0, done.stderr


def test_an_unknown_log_level_is_refused(write: Write, cli: Cli) -> None:
    write("flow.py", FLOW)
    done = cli("run", "flow.py", "--local", "--log-level", "loud")
    assert (done.returncode, "'loud' is not one of" in done.stderr) == (2, True)


@pytest.mark.parametrize(
    ("command", "encoding"),
    sampled(
        ["plan", "run --local", "run --local --json", "plan --format dot"],
        ["utf-8", "ascii", "ascii:strict", ""],
    ),
)
def test_an_output_that_lacks_characters_loses_only_those(
    write: Write, cli: Cli, command: str, encoding: str
) -> None:
    write("flow.py", FLOW.replace('"seven"', '"größe→計算"').replace("return", "print('→');return"))
    first, *rest = command.split()
    env = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    if encoding:
        env["PYTHONIOENCODING"] = encoding
    done = cli(first, "flow.py", *rest, **env)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False)
    if encoding == "utf-8" and command == "plan":
        assert "größe→計算" in done.stdout
