"""``run --local``: exit codes, what goes to which output, and what a user's mistake looks like."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests import warm_start
from tests.integration.cli.conftest import COMMAND, TIMEOUT_S, Cli, Write, environment

GOOD = """
    from astrum import F, Ref, task

    @task("extract")
    async def extract() -> dict:
        return {"rows": 100}

    @task("load")
    def load(rows: Ref[int, F("extract", "rows")]) -> int:
        print("loading")
        return rows + 1
"""
BAD = """
    from astrum import task

    @task("first")
    async def first() -> int:
        return 1

    @task("boom", depends_on=["first"], retry=1)
    def boom() -> None:
        raise RuntimeError("bad thing")

    @task("after", depends_on=["boom"])
    async def after() -> None: ...
"""


def test_a_run_that_succeeds_exits_with_0_and_leaves_stdout_to_the_tasks(
    write: Write, cli: Cli
) -> None:
    write("flow.py", GOOD)
    done = cli("run", "flow.py", "--local")
    assert (done.returncode, done.stdout) == (0, "loading\n")
    first, *_, last = done.stderr.splitlines()
    assert first == "running in this process"
    assert "completed: 2 of 2 tasks succeeded" in last


def test_a_run_that_fails_exits_with_1_and_says_which_task_why_and_where(
    write: Write, cli: Cli
) -> None:
    write("flow.py", BAD)
    done = cli("run", "flow", "--local")
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert "task 'boom' attempt 1 failed: RuntimeError: bad thing; 0 retries left" in lines
    assert "task 'boom' failed: RuntimeError: bad thing" in lines
    assert lines.count("task 'boom' attempt 1 failed: RuntimeError: bad thing; 0 retries left") == 1
    assert "1 of 3 tasks succeeded, 1 failed, 1 cancelled" in lines[-1]
    frames = [line for line in lines if line.startswith("  File ")]
    assert len(frames) == 1, "only the user's own frames"
    assert "flow.py" in frames[0]


def test_an_error_without_user_frames_is_printed_without_a_traceback(
    write: Write, cli: Cli
) -> None:
    write(
        "flow.py",
        """
        from functools import partial

        from astrum import task

        task("parse")(partial(int, "seven"))
        """,
    )
    done = cli("run", "flow.py", "--local")
    assert "task 'parse' failed: ValueError: invalid literal for int()" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_exception_group_keeps_its_traceback(write: Write, cli: Cli) -> None:
    write(
        "flow.py",
        """
        from astrum import task

        @task
        def several() -> None:
            raise ExceptionGroup("both", [ValueError("one"), ValueError("two")])
        """,
    )
    done = cli("run", "flow.py", "--local")
    assert "in several" in done.stderr
    assert "ValueError: two" in done.stderr


def test_quiet_prints_nothing_on_success_and_everything_on_failure(write: Write, cli: Cli) -> None:
    write("good.py", GOOD)
    write("bad.py", BAD)
    assert cli("run", "good.py", "--local", "--quiet").stderr == ""
    assert "task 'boom' failed" in cli("run", "bad.py", "--local", "--quiet").stderr


NOISY = """
    import os, subprocess, sys
    from astrum import task
    from datetime import date

    print("while importing")

    @task("noisy")
    def noisy() -> dict:
        print("through print")
        os.write(1, b"through the descriptor\\n")
        subprocess.run(["echo", "through a child"], check=True)
        return {"on": date(2026, 1, 2), "raw": b"x", "halves": "\\ud800"}
"""


def test_json_prints_exactly_one_object_whatever_the_tasks_print(write: Write, cli: Cli) -> None:
    write("flow.py", NOISY)
    done = cli("run", "flow.py", "--local", "--json", "--run-id", "mine")
    report = json.loads(done.stdout)
    assert (done.returncode, report["run_id"], report["execution_state"]) == (
        0,
        "mine",
        "completed",
    )
    assert report["task_return_set"]["noisy"] == {
        "on": "2026-01-02",
        "raw": "eA==",
        "halves": "\ud800",
    }
    for text in ("while importing", "through print", "through the descriptor", "through a child"):
        assert text in done.stderr


AT_THE_END = """
    import atexit, os, subprocess, sys, threading, time
    from astrum import task

    real, raw = sys.__stdout__, sys.stdout
    atexit.register(lambda: print("at exit\\n", end=""))  # one write: a thread writes, too
    atexit.register(lambda: print("at exit, to the real one", file=real))
    atexit.register(lambda: os.write(1, b"at exit, raw\\n"))
    subprocess.Popen(["sh", "-c", "sleep 1; echo a child that lives on"])

    def talk() -> None:
        while True:
            print("a thread", file=raw, flush=True)
            time.sleep(0.001)

    threading.Thread(target=talk, daemon=True).start()

    class Talks:
        def __del__(self) -> None:
            os.write(1, b"collected\\n")

    kept = Talks()

    @task("seven")
    def seven() -> int:
        return 7
"""


@pytest.mark.parametrize("place", [["--local"], ["--embedded", "--workers", "1"]])
def test_output_at_the_exit_of_the_process_does_not_follow_the_json_object(
    write: Write, cli: Cli, place: list[str]
) -> None:
    write("flow.py", AT_THE_END)
    done = cli("run", "flow.py", "--json", *place)
    assert json.loads(done.stdout)["task_return_set"] == {"seven": 7}
    for text in ("at exit\n", "at exit, to the real one", "at exit, raw", "a child that lives on"):
        assert text in done.stderr


def test_json_is_printed_for_a_failed_run_too(write: Write, cli: Cli) -> None:
    write("flow.py", BAD)
    done = cli("run", "flow.py", "--local", "--json")
    report = json.loads(done.stdout)
    assert done.returncode == 1
    assert [stat["status"] for stat in report["task_statistics"]] == [
        "completed",
        "failed",
        "cancelled",
    ]


def test_the_report_can_go_to_a_file_as_well(write: Write, cli: Cli, tmp_path: Path) -> None:
    write("flow.py", GOOD)
    assert cli("run", "flow.py", "--local", "--report", "out.json").returncode == 0
    assert json.loads((tmp_path / "out.json").read_text())["successful_tasks"] == 2
    assert {path.name for path in tmp_path.glob("*out*")} == {"out.json"}


def test_a_report_to_a_link_goes_where_the_link_points(
    write: Write, cli: Cli, tmp_path: Path
) -> None:
    write("flow.py", GOOD)
    (tmp_path / "link.json").symlink_to("target.json")
    for _ in range(2):  # the target is not there at first, and is then
        assert cli("run", "flow.py", "--local", "--report", "link.json").returncode == 0
        assert (tmp_path / "link.json").is_symlink()
        assert json.loads((tmp_path / "target.json").read_text())["successful_tasks"] == 2


def test_a_report_to_a_pipe_goes_through_it(write: Write, cli: Cli, tmp_path: Path) -> None:
    write("flow.py", GOOD)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor() as reader:
        text = reader.submit(pipe.read_text)
        assert cli("run", "flow.py", "--local", "--report", "pipe").returncode == 0
        assert pipe.is_fifo()
        assert json.loads(text.result())["successful_tasks"] == 2


def test_a_report_to_a_descriptor_goes_to_its_open_file(write: Write, tmp_path: Path) -> None:
    write("flow.py", GOOD)
    reading, writing = os.pipe()
    with open(reading) as reader, open(writing, "w") as writer:
        run_reporting_to(f"/dev/fd/{writing}", tmp_path, pass_fds=[writing])
        writer.close()
        assert json.load(reader)["successful_tasks"] == 2


def test_a_report_to_standard_output_keeps_the_output_of_the_tasks(
    write: Write, tmp_path: Path
) -> None:
    write("flow.py", GOOD)
    with (tmp_path / "out").open("w") as out:
        run_reporting_to("/dev/fd/1", tmp_path, stdout=out)
    printed, report = (tmp_path / "out").read_text().splitlines()
    assert (printed, json.loads(report)["successful_tasks"]) == ("loading", 2)


def run_reporting_to(path: str, folder: Path, **settings: Any) -> None:
    command = [*COMMAND, "run", "flow.py", "--local", "--report", path]
    warm_start.run(
        command, cwd=folder, env=environment(), timeout=TIMEOUT_S, check=True, **settings
    )


@pytest.mark.parametrize("name", ["missing/out.json", ".", "circle"])
def test_a_report_that_cannot_be_written_is_refused_before_anything_runs(
    write: Write, cli: Cli, tmp_path: Path, name: str
) -> None:
    write("flow.py", GOOD)
    (tmp_path / "circle").symlink_to("circle")
    done = cli("run", "flow.py", "--local", "--report", name)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{name} cannot be written" in done.stderr


def test_the_timeout_of_the_whole_run_fails_it(write: Write, cli: Cli) -> None:
    write(
        "flow.py",
        """
        import asyncio
        from astrum import task

        @task("waits")
        async def waits() -> None:
            await asyncio.Event().wait()
        """,
    )
    done = cli("run", "flow.py", "--local", "--timeout", "0.2")
    assert done.returncode == 1
    assert "the run took longer than its limit of 0.2 s" in done.stderr


def test_the_concurrency_limit_holds(write: Write, cli: Cli) -> None:
    write(
        "flow.py",
        """
        import asyncio
        from astrum import task

        running = 0

        async def one() -> None:
            global running
            running += 1
            assert running == 1
            await asyncio.sleep(0.01)
            running -= 1

        for number in range(4):
            task(f"t{number}")(one)
        """,
    )
    assert cli("run", "flow.py", "--local").returncode == 1
    assert cli("run", "flow.py", "--local", "--concurrency-limit", "1").returncode == 0
    assert cli("run", "flow.py", "--local", ASTRUM_CONCURRENCY_LIMIT="1").returncode == 0


# --- choosing -----------------------------------------------------------------------------

SEVERAL = """
    from astrum import DynamicScheduler, SchedulerRegistry, TaskOrder, task, use_namespace

    with use_namespace("daily"):
        @task("report")
        def report() -> None:
            print("daily")

    billing = SchedulerRegistry("billing")

    @billing.task("send")
    def send() -> None:
        print("billing")

    def by_hand() -> None:
        print("by hand")

    manual = DynamicScheduler([("by_hand", by_hand)], [TaskOrder("by_hand")])
"""


def test_several_namespaces_must_be_chosen_from(write: Write, cli: Cli) -> None:
    write("flow.py", SEVERAL)
    done = cli("run", "flow.py", "--local")
    assert (done.returncode, done.stdout) == (2, "")
    for name in ("'daily'", "'billing'", "'manual'"):
        assert name in done.stderr


@pytest.mark.parametrize(
    ("arguments", "printed"),
    [
        (["flow.py", "-n", "daily"], "daily"),
        (["flow", "-n", "billing"], "billing"),
        (["flow.py:billing"], "billing"),
        (["flow:manual"], "by hand"),
    ],
)
def test_one_of_several_is_chosen_by_namespace_or_attribute(
    write: Write, cli: Cli, arguments: list[str], printed: str
) -> None:
    write("flow.py", SEVERAL)
    done = cli("run", *arguments, "--local")
    assert (done.returncode, done.stdout.strip()) == (0, printed)


def test_targets_select_all_upstream_tasks_and_no_others(write: Write, cli: Cli) -> None:
    write("flow.py", BAD)
    assert cli("run", "flow.py", "--local", "-t", "first").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["flow.py", "-t", "extrat"], "did you mean 'extract'?"),
        (["flow.py", "-n", "defautl"], "did you mean 'default'?"),
        (["flow.py:billig"], "has no 'billig'"),
        (["flow.py:GOOD"], "is a str, not a SchedulerRegistry or DynamicScheduler"),
        (["nowhere.py"], "there is no file nowhere.py"),
        (["./"], "is a folder: name a Python file in it"),
        (["nowhere"], "there is no module 'nowhere'"),
        (["empty.py"], "declares no tasks"),
        (["flow.py", "--run-id", "a b"], "use 1 to 200 letters"),
        (["flow.py", "--workers", "2"], "without workers: drop --workers"),
        (["flow.py", "--redis", "redis://x"], "--redis has no meaning there"),
        (["flow.py", "--prefix", "p"], "no keys to give a --prefix"),
        (["flow.py", "--label", "team"], "'team' is not of the form name=value"),
        (["flow.py", "--label", "a=1", "--label", "a=2"], "the label 'a' is given twice"),
        (["flow.py", "--label", "team=data"], "no list could show --label: drop one of the two"),
    ],
)
def test_a_usage_error_prints_one_message_and_exits_with_2(
    write: Write, cli: Cli, arguments: list[str], said: str
) -> None:
    write("flow.py", GOOD + '\n    GOOD = ""\n')
    write("empty.py", "")
    done = cli("run", "--local", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_command_line_options_override_the_environment(write: Write, cli: Cli) -> None:
    write("flow.py", GOOD)
    assert (
        cli("run", "flow.py", "--local", ASTRUM_REDIS_URL="redis://unreachable:1").returncode == 0
    )
    assert cli("run", "flow.py", ASTRUM_LOCAL="1").returncode == 0
    both = cli("run", "flow.py", ASTRUM_LOCAL="1", ASTRUM_REDIS_URL="redis://unreachable:1")
    assert both.returncode == 2


def test_a_module_that_fails_to_import_shows_only_the_traceback_of_the_user(
    write: Write, cli: Cli
) -> None:
    write("flow.py", "def broken():\n    return 1 / 0\n\nbroken()\n")
    done = cli("run", "flow.py", "--local")
    assert done.returncode == 2
    assert "ZeroDivisionError" in done.stderr
    assert "in this process, the coordinator" in done.stderr
    frames = [line for line in done.stderr.splitlines() if line.startswith("  File ")]
    assert len(frames) == 2
    assert all("flow.py" in frame for frame in frames)
