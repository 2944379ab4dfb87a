"""``run -o`` and ``export``: what they write, and what they refuse before anything runs."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from astrum_coordinator.cli import main
from tests.integration.cli.conftest import Cli, Write
from tests.schemas import check
from tests.servers import Server

FLOW = """
    from astrum import Input, Each, F, Ref, task, use_namespace

    with use_namespace("exported"):
        @task("words")
        def words(text: Ref[str, Input("text")]) -> list[str]:
            return text.split()

        @task("upper", retry=1)
        def upper(word: Ref[str, Each("words")]) -> str:
            import logging
            from astrum import current_attempt
            logging.getLogger("exported").info("reads %s\\x1b </script>", word)
            print("printed")
            if current_attempt().attempt == 1 and word == "b":
                raise ValueError("not yet")
            return word.upper()

        @task("join")
        def join(parts: Ref[list[str], F("upper")]) -> str:
            return " ".join(parts)
"""
RUN = ("run", "flow.py", "--input", "text=a b c")


def export(server: Server, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["export", *arguments, "--redis", server.url])


def data_of(page: str) -> dict[str, object]:
    found = re.search(r'id="run">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    data: dict[str, object] = json.loads(found[1])
    return data


def logs_of(data: Any) -> list[list[list[Any]]]:
    """Return the lines of the logs, with the names of their loggers."""
    strings = data["strings"]
    return [
        [[at, level, strings[logger], text] for at, level, logger, text in log["lines"]]
        for log in data["logs"]
    ]


def test_a_local_run_writes_its_page(write: Write, cli: Cli, tmp_path: Path) -> None:
    write("flow.py", FLOW)
    done = cli(*RUN, "--local", "-o", "run.html")
    assert done.returncode == 0, done.stderr
    data = data_of((tmp_path / "run.html").read_text())
    assert data["run"]["counts"]["completed"] == 5  # type: ignore[index]
    workers = data["workers"]["id"]  # type: ignore[index]
    assert [data["strings"][worker] for worker in workers] == ["this process"]  # type: ignore[index]
    [log] = logs_of(data)
    assert [line[2:] for line in log] == [["exported", "reads b\x1b </script>"]]


def test_a_local_run_keeps_the_logs_that_are_asked_for(
    write: Write, cli: Cli, tmp_path: Path
) -> None:
    write("flow.py", FLOW)
    options = ("--task-logs", "all", "--capture-print", "--task-logs-limit", "1MiB")
    done = cli(*RUN, "--local", "-o", "run.json", *options)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("printed\n") == 4
    data = json.loads((tmp_path / "run.json").read_text())
    check("run-1", data)
    assert len(data["logs"]) == 4
    assert [line[1:3] for line in logs_of(data)[0]] == [["info", "exported"], ["info", "stdout"]]
    assert data["logs_left_out"]["limit_bytes"] == 1024 * 1024


def test_a_run_on_a_private_pool_writes_its_columns(write: Write, cli: Cli, tmp_path: Path) -> None:
    write("flow.py", FLOW)
    done = cli(*RUN, "--workers", "1", "--run-id", "mine", "-o", "run.json")
    assert done.returncode == 0, done.stderr
    data = json.loads((tmp_path / "run.json").read_text())
    assert (data["run"]["run_id"], data["run"]["state"]) == ("mine", "completed")
    assert len(data["attempts"]["task"]) == 6
    assert data["run"]["inputs"] == {}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("-o", "run.txt"), "end it with .html, .json, .csv or .trace.json"),
        (("-o", "no/such/folder/run.html"), "cannot be written"),
        (("-o", "/proc/run.html"), "cannot be written"),
        (("-o", f"{'long' * 62}.html"), "cannot be written"),
    ],
)
def test_a_file_that_cannot_be_written_is_refused_before_the_run(
    write: Write, cli: Cli, options: tuple[str, ...], says: str
) -> None:
    write("flow.py", FLOW)
    done = cli(*RUN, "--local", *options)
    assert done.returncode == 2
    assert says in " ".join(done.stderr.split())
    assert "completed" not in done.stderr


def test_a_run_is_exported_in_every_format(
    write: Write, cli: Cli, tmp_path: Path, redis_server: Server
) -> None:
    write("flow.py", FLOW)
    env = {"ASTRUM_REDIS_URL": redis_server.url}
    done = cli(*RUN, "--workers", "1", "--run-id", "r1", **env)
    assert done.returncode == 0, done.stderr
    for name in ("r.html", "r.json", "r.csv", "r.trace.json"):
        told = export(redis_server, "r1", "-o", str(tmp_path / name), "--with-values")
        assert told.exit_code == 0, told.output
    data = json.loads((tmp_path / "r.json").read_text())
    assert data["run"]["inputs"] == {"text": "'a b c'"}
    [log] = logs_of(data)
    assert [line[1:] for line in log] == [["info", "exported", "reads b\x1b </script>"]]
    failed = [data["attempts"]["failure"][one["attempt"]] for one in data["logs"]]
    assert failed == [0]
    assert data_of((tmp_path / "r.html").read_text()) == data
    rows = list(csv.DictReader((tmp_path / "r.csv").read_text().splitlines()))
    assert [row["error"] for row in rows if row["error"]] == ["ValueError: not yet"]
    trace = json.loads((tmp_path / "r.trace.json").read_text())
    bars = [event for event in trace["traceEvents"] if event["ph"] == "X"]
    assert sum(bar["cat"] != "transfer" for bar in bars) == 6
    same = ["compare", "@last", str(tmp_path / "r.json"), "--redis", redis_server.url]
    told = CliRunner().invoke(main, same)
    assert "about as long as run r1" in told.stdout
    assert "as before, within 10 % or 20 ms: 3 tasks" in told.stdout
    told = export(redis_server, "r1", "-o", str(tmp_path / "two.html"), "--compare", "@last")
    assert told.exit_code == 0, told.output
    found = re.search(r'id="compared">(.*?)</script>', (tmp_path / "two.html").read_text())
    assert found is not None
    assert json.loads(found[1])["before"]["run_id"] == "r1"
    assert "give -o FILE.html" in export(redis_server, "r1", "--compare", "@last").output
    told = export(redis_server, "@last", "--redact")
    assert "not yet" not in told.stdout
    assert "reads b" not in told.stdout
    assert json.loads(told.stdout)["run"]["redacted"]
    assert export(redis_server, "r1", "--redact", "--with-values").exit_code == 2
    unknown = cli("export", "r9", **env)
    assert unknown.returncode == 2
    assert "did you mean 'r1'" in unknown.stderr
