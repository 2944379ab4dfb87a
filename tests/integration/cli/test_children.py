"""Children and progress, as the commands show them."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.integration.cli.conftest import Cli, Write
from tests.processes import AstrumProcess, wait_until
from tests.servers import Server

FANS_OUT = """
    from astrum import DROP, Each, F, Ref, Skip, task

    @task("files")
    def files() -> list[dict[str, int]]:
        return [{"name": n} for n in reversed(range(12))]

    @task("parse", on_failure="continue")
    def parse(one: Ref[dict[str, int], Each("files", key="name")]) -> int:
        if one["name"] >= 8:
            raise ValueError(f"file {one['name']} is broken")
        if one["name"] == 2:
            raise Skip("nothing in it")
        return one["name"] * 10

    @task("total")
    def total(values: Ref[list[int], F("parse", default=DROP)]) -> int:
        return sum(values)

    @task("strict")
    def strict(values: Ref[list[int], F("parse")]) -> int:
        return sum(values)
"""
TELLS = """
    import asyncio, pathlib, threading, time
    from astrum import current_attempt, task

    FOLDER = pathlib.Path(__file__).parent

    @task("threaded")
    def threaded() -> None:
        attempt = current_attempt()
        for done in range(341):
            attempt.progress(done, 1200, "reading")
        while not (FOLDER / "go").exists():
            time.sleep(0.01)

    @task("wrong")
    async def wrong() -> str:
        current_attempt().progress(-1)
        return "goes on"
"""
LOOKS = "340 of 1,200 (28 %), reading"


def run_fan_out(write: Write, cli: Cli, server: Server) -> dict[str, str]:
    flow = str(write("flow.py", FANS_OUT))
    env = {"ASTRUM_REDIS_URL": server.url, "COLUMNS": "80"}
    with AstrumProcess("astrum_worker", flow, environment=env):
        done = cli("run", flow, "--run-id", "r", **env)
    assert done.returncode == 1
    check_names(done.stderr)
    return env


def check_names(text: str) -> None:
    """Check that text names the children that failed by their keys, not by their places."""
    named = re.findall(r"parse\[(\d+)\][^\[]*?file (\d+) is broken", text)
    assert named, text
    assert all(key == number for key, number in named), text


def test_children_are_folded_under_their_task(write: Write, cli: Cli, redis_server: Server) -> None:
    env = run_fan_out(write, cli, redis_server)
    shown = cli("show", "r", **env).stdout
    text = " ".join(shown.split())
    assert "parse ×12 failed 12" in text, shown
    assert "7 completed, 1 skipped, 4 failed" in text, shown
    assert shown.count("  parse[") == 3, shown
    assert "strict" in text
    assert "blocked" in text
    assert "9 of 15 tasks succeeded, 4 failed, 1 skipped, 1 blocked" in text, shown
    check_names(shown)
    check_names(cli("why", "r", **env).stdout)
    everything = cli("show", "r", "--all", **env).stdout
    assert all(f"  parse[{number}]" in everything for number in range(12)), everything


def test_one_child_is_shown_by_its_name(write: Write, cli: Cli, redis_server: Server) -> None:
    env = run_fan_out(write, cli, redis_server)
    assert "result: 30" in cli("show", "r", "parse[3]", **env).stdout
    report = json.loads(cli("show", "r", "parse[9]", "--json", **env).stdout)
    [row] = report["task_statistics"]
    assert (row["task_name"], row["index"], row["key"]) == ("parse[9]", [2], "9")
    assert (row["status"], row["error_message"]) == ("failed", "ValueError: file 9 is broken")
    failed = json.loads(cli("show", "r", "--failed", "--json", **env).stdout)
    names = [row["task_name"] for row in failed["task_statistics"]]
    assert names == [f"parse[{number}]" for number in (11, 10, 9, 8)]
    whole = json.loads(cli("show", "r", "--json", **env).stdout)
    rows = {row["task_name"]: row for row in whole["task_statistics"]}
    assert len(rows["parse"]["children"]) == 12
    assert rows["strict"]["because"].startswith("parse[")
    wrong = cli("show", "r", "parse[99]", **env)
    assert (wrong.returncode, "has no task 'parse[99]'" in wrong.stderr) == (2, True)


def test_what_a_task_tells_is_shown_while_it_runs(
    write: Write, cli: Cli, redis_server: Server, tmp_path: Path
) -> None:
    flow = str(write("flow.py", TELLS))
    env = {"ASTRUM_REDIS_URL": redis_server.url, "COLUMNS": "80"}
    with (
        AstrumProcess("astrum_worker", flow, environment=env),
        AstrumProcess("astrum_coordinator", "serve", environment=env),
    ):
        assert cli("submit", flow, "--run-id", "r", **env).returncode == 0
        wait_until(
            lambda: LOOKS in " ".join(cli("show", "r", **env).stdout.split()), "the progress"
        )
        open_run = json.loads(cli("show", "r", "--json", **env).stdout)
        [task] = [one for one in open_run["unfinished_tasks"] if one["task_id"] == "threaded"]
        assert task["progress"] == {"done": 340.0, "total": 1200.0, "text": "reading"}
        told = json.loads(cli("workers", "--json", **env).stdout)[0]["status"]["running"][0]
        assert (told["done"], told["total"], told["text"]) == (340.0, 1200.0, "reading")
        assert "340" in cli("workers", **env).stdout
        (tmp_path / "go").touch()
        assert cli("wait", "r", "--timeout", "30", **env).returncode == 0
        wait_until(lambda: "reading" not in cli("workers", **env).stdout, "the end of the attempt")
    results = json.loads(cli("show", "r", "--json", **env).stdout)["task_return_set"]
    assert results["wrong"] == "goes on"
