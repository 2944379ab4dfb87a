"""``show`` and ``queues`` over runs in real processes: what is true, and little traffic."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.cli.conftest import Cli, Write
from tests.processes import AstrumProcess, wait_until
from tests.servers import Server

FLOW = """
    import pathlib, time
    from astrum import F, Ref, task

    GATE = pathlib.Path(__file__).with_name("gate")

    @task("first")
    def first() -> int:
        while not GATE.exists():
            time.sleep(0.01)
        return 1

    @task("second")
    def second(value: Ref[int, F("first")]) -> int: return value

    @task("elsewhere", queue="gpu")
    def elsewhere() -> int: return 1
"""
FAILING = """
    from astrum import task

    @task("bad", retry=1)
    def bad() -> int:
        raise ValueError("broken in bad")

    @task("good")
    def good() -> str: return "fine" * 2000
"""

MANY = """
    from astrum import task

    for n in range(60):
        @task(f"t{n}", queue="none")
        def t() -> int: return 1
"""
RESULTS = """
    import os
    from astrum import task

    for n in range(40):
        @task(f"inline {n}")
        def inline() -> bytes: return os.urandom(60_000)
        @task(f"apart {n}")
        def apart() -> bytes: return os.urandom(200_000)
"""


@pytest.fixture
def url(redis_server: Server) -> str:
    return redis_server.url


@pytest.fixture
def serving(url: str) -> Iterator[AstrumProcess]:
    """A serving coordinator."""
    with AstrumProcess("astrum_coordinator", "serve", environment={"ASTRUM_REDIS_URL": url}) as one:
        yield one


def unfinished(cli: Cli, url: str, run_id: str = "r1") -> dict[str, dict[str, Any]]:
    shown = json.loads(cli("show", run_id, "--json", "--redis", url).stdout)
    return {task["task_id"]: task for task in shown.get("unfinished_tasks", ())}


def statuses(cli: Cli, url: str) -> dict[str, str]:
    shown = json.loads(cli("show", "r1", "--json", "--redis", url).stdout)
    assert "late_ends" not in shown
    return {stat["task_name"]: stat["status"] for stat in shown["task_statistics"]}


def test_show_prints_the_state_of_every_unfinished_task(
    write: Write, cli: Cli, url: str, serving: AstrumProcess
) -> None:
    path = write("flow.py", FLOW)
    assert cli("submit", "flow.py", "--run-id", "r1", "--redis", url).returncode == 0
    wait_until(lambda: "r1 is started here" in serving.output, "adoption")
    assert "there is no live worker" in unfinished(cli, url)["first"]["text"]
    assert statuses(cli, url) == {"first": "pending", "second": "pending", "elsewhere": "pending"}
    assert "no live worker: open runs wait" in cli("runs", "--redis", url).stderr
    with AstrumProcess("astrum_worker", str(path), "--redis", url) as worker:
        wait_until(lambda: unfinished(cli, url)["first"]["state"] == "running", "the attempt")
        tasks = unfinished(cli, url)
        assert str(worker.pid) in tasks["first"]["worker_id"]
        assert (tasks["second"]["state"], tasks["second"]["waits_for"]) == ("waiting", ["first"])
        assert tasks["elsewhere"]["state"] == "unserved"
        assert statuses(cli, url)["first"] == "running"
        assert "--queue gpu" in tasks["elsewhere"]["text"]
        lines = cli("show", "r1", "--redis", url).stdout.splitlines()
        assert any(line.split()[:2] == ["elsewhere", "unserved"] for line in lines), lines
        with AstrumProcess("astrum_worker", str(path), "--queue", "gpu", "--redis", url):
            write("gate", "")
            assert cli("wait", "r1", "--redis", url).returncode == 0
    assert unfinished(cli, url) == {}


def failed_run(write: Write, cli: Cli, url: str) -> None:
    write("flow.py", FAILING)
    done = cli("run", "flow.py", "--workers", "1", "--redis", url, "--run-id", "r1", "-q")
    assert done.returncode == 1, done.stderr


def test_show_prints_the_tracebacks_of_failures_and_of_the_chosen_tasks(
    write: Write, cli: Cli, url: str
) -> None:
    failed_run(write, cli, url)
    whole = cli("show", "r1", "--redis", url).stdout
    assert "task 'bad', attempt 2:" in whole
    assert 'raise ValueError("broken in bad")' in whole
    assert "good" in whole
    only = cli("show", "r1", "--failed", "--redis", url).stdout
    assert ("bad" in only, "good" in only) == (True, False)
    one = cli("show", "r1", "--task", "bad", "--redis", url).stdout
    assert [f"task 'bad', attempt {n}:" in one for n in (1, 2, 3)] == [True, True, False]
    shown = json.loads(cli("show", "r1", "--json", "--failed", "--redis", url).stdout)
    [bad] = shown["task_statistics"]
    assert "broken in bad" in bad["attempt_statistics"][1]["traceback"]
    assert shown["task_return_set"] == {}


def test_show_of_one_task_has_its_result_and_a_wrong_name_gets_the_nearest(
    write: Write, cli: Cli, url: str
) -> None:
    write("flow.py", FAILING.replace('raise ValueError("broken in bad")', "return 7"))
    assert cli("run", "flow.py", "--workers", "1", "--redis", url, "--run-id", "r1").returncode == 0
    assert "result: 7" in cli("show", "r1", "--task", "bad", "--redis", url).stdout
    long = cli("show", "r1", "--task", "good", "--redis", url).stdout
    assert "finefine" in long
    assert "8,002 characters" in long
    shown = json.loads(cli("show", "r1", "--task", "bad", "--json", "--redis", url).stdout)
    assert shown["task_return_set"] == {"bad": 7}
    wrong = cli("show", "r1", "--task", "godo", "--redis", url)
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "did you mean 'good'?" in wrong.stderr


def test_show_lists_all_tasks_where_it_is_asked_to(write: Write, cli: Cli, url: str) -> None:
    write("flow.py", MANY)
    assert cli("submit", "flow.py", "--run-id", "r1", "--redis", url).returncode == 0
    assert "... and 10 more; --all shows them" in cli("show", "r1", "--redis", url).stdout
    rows = cli("show", "r1", "--all", "--redis", url).stdout.splitlines()
    assert sum(row.strip().startswith("t") and "unserved" in row for row in rows) == 60


def test_a_run_of_big_results_is_shown_with_little_traffic(
    write: Write, cli: Cli, url: str, redis_server: Server
) -> None:
    write("flow.py", RESULTS)
    done = cli("run", "flow.py", "--workers", "1", "--redis", url, "--run-id", "r1", "-q")
    assert done.returncode == 0, done.stderr

    def sent_by_server() -> int:
        with redis_server.client() as admin:
            stats: dict[str, Any] = admin.info("stats")
            return int(stats["total_net_output_bytes"])

    for options, most in (((), 150_000), (("--task", "inline 3"), 220_000)):
        before = sent_by_server()
        shown = cli("show", "r1", *options, "--redis", url)
        assert shown.returncode == 0, shown.stderr
        assert sent_by_server() - before < most, options


def test_queues_lists_waiting_attempts_also_without_any_worker(
    write: Write, cli: Cli, url: str, serving: AstrumProcess
) -> None:
    assert "no queues" in cli("queues", "--redis", url).stdout
    path = write("flow.py", FLOW)
    assert cli("submit", "flow.py", "--run-id", "r1", "--redis", url).returncode == 0

    def listed(*names: str) -> dict[str, dict[str, Any]]:
        found = json.loads(cli("queues", *names, "--json", "--redis", url).stdout)
        return {one["queue"]: one for one in found}

    wait_until(lambda: len(listed()) == 2, "both queues")
    gpu = listed("gpu")["gpu"]
    assert (gpu["waiting"], gpu["running"], gpu["workers"]) == (1, 0, [])
    assert 0 <= gpu["oldest_waiting_s"] < 60
    assert "start one with --queue gpu" in cli("queues", "--redis", url).stdout
    with AstrumProcess("astrum_worker", str(path), "--redis", url):
        wait_until(lambda: listed()["default"]["running"] == 1, "the attempt")
        [worker] = listed()["default"]["workers"]
        assert worker in cli("workers", "--redis", url).stdout
    wrong = cli("queues", "gup", "--redis", url)
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "no queue 'gup'; did you mean 'gpu'?" in wrong.stderr
