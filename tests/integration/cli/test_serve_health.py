"""What `serve` answers about its health and its work, and tells its service manager."""

from __future__ import annotations

import json
import re
import signal
import socket
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.integration.cli.conftest import Cli, Write
from tests.processes import AstrumProcess, wait_until
from tests.servers import RedisServer

FLOW = """
from astrum import task

@task("count", namespace="shelf", queue="books")
async def count() -> int:
    return 3

@task("tear", namespace="shelf", queue="books")
async def tear() -> None:
    raise ValueError("torn")
"""


def fetch(address: str, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(address + path, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def numbers(address: str, name: str) -> dict[tuple[str, ...], float]:
    """Return the values of a metric by their labels."""
    return {
        tuple(sample.labels.values()): sample.value
        for family in text_string_to_metric_families(fetch(address, "/metrics")[1])
        for sample in family.samples
        if sample.name == name
    }


def reasons(address: str) -> Any:
    status, body = fetch(address, "/ready")
    return json.loads(body).get("reasons", []) if status == 503 else []


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@contextmanager
def serving(url: str, **environment: str) -> Iterator[tuple[AstrumProcess, str]]:
    options = ("serve", "--health", "127.0.0.1:0")
    known = {"ASTRUM_REDIS_URL": url, **environment}
    with AstrumProcess("astrum_coordinator", *options, environment=known) as serve:
        wait_until(lambda: "answering on " in serve.output, "the address")
        [address] = re.findall(r"answering on (\S+)/queues", serve.output)
        yield serve, address


def test_serve_counts_runs_dispatches_and_the_pool(
    write: Write, cli: Cli, server: RedisServer
) -> None:
    flow = str(write("flow.py", FLOW))
    env = {"ASTRUM_REDIS_URL": server.url, "ASTRUM_QUEUE": "books"}
    with serving(server.url) as (_, address):
        wait_until(lambda: not reasons(address), "ready")
        assert cli("submit", flow, "--task", "count", "--run-id", "good", **env).returncode == 0
        wait_until(lambda: numbers(address, "astrum_runs_led") == {(): 1}, "led")
        waits = ("books", "async")
        wait_until(lambda: numbers(address, "astrum_queue_waiting").get(waits) == 1, "waiting")
        wait_until(lambda: numbers(address, "astrum_unserved_tasks") == {(): 1}, "unserved")
        assert numbers(address, "astrum_workers") == {(): 0}
        with AstrumProcess("astrum_worker", flow, environment=env):
            assert cli("wait", "good", **env).returncode == 0
            assert cli("submit", flow, "--task", "tear", "--run-id", "bad", **env).returncode == 0
            assert cli("wait", "bad", **env).returncode == 1
            ended = {("shelf", "completed"): 1, ("shelf", "failed"): 1}
            wait_until(lambda: numbers(address, "astrum_runs_ended_total") == ended, "ended")
            wait_until(lambda: numbers(address, "astrum_workers") == {(): 1}, "the worker")
        assert numbers(address, "astrum_dispatches_total") == {("books", "async"): 2}
        assert numbers(address, "astrum_run_seconds_count") == {("shelf",): 2}
        assert numbers(address, "astrum_adoptions_total") == {(): 2}
        wait_until(lambda: numbers(address, "astrum_runs")[("ended",)] == 2, "the totals")
        assert numbers(address, "astrum_runs_led") == {(): 0}
        told = json.loads(fetch(address, "/status")[1])
        assert told["status"]["led_count"] in (0, 1)
        known = "/live, /ready, /metrics, /status, /queues and /queues/NAME"
        assert fetch(address, "/other") == (404, f"there are {known}\n")


def test_serve_is_not_ready_while_its_server_is_away_and_answers_what_it_knows(
    server: RedisServer,
) -> None:
    with serving(server.url) as (serve, address):
        wait_until(lambda: not reasons(address), "ready")
        server.kill()
        wait_until(lambda: reasons(address) == ["no_server"], "not ready")
        assert fetch(address, "/live")[0] == 200
        assert numbers(address, "astrum_store_errors_total")[("unavailable",)] > 0
        assert numbers(address, "astrum_runs_led") == {(): 0}
        assert numbers(address, "astrum_workers") == {}
        server.start()
        wait_until(lambda: not reasons(address), "ready again")
        serve.send(signal.SIGTERM)
        assert serve.wait() == 0


def test_a_lost_attempt_is_counted_by_the_one_that_settles_it(
    write: Write, cli: Cli, server: RedisServer
) -> None:
    source = FLOW + "\n@task('hang', namespace='shelf')\nasync def hang() -> None:\n"
    source += "    import asyncio\n    await asyncio.sleep(600)\n"
    flow = str(write("hang.py", source))
    env = {"ASTRUM_REDIS_URL": server.url, "ASTRUM_LEASE": "1"}
    with (
        serving(server.url) as (_, address),
        AstrumProcess("astrum_worker", flow, environment=env) as worker,
    ):
        assert cli("submit", flow, "--task", "hang", "--run-id", "lost", **env).returncode == 0
        wait_until(
            lambda: numbers(address, "astrum_queue_claimed").get(("default", "async")) == 1,
            "the attempt",
        )
        worker.kill()
        wait_until(lambda: sum(numbers(address, "astrum_losses_total").values()) == 1, "the loss")
        assert cli("cancel", "lost", **env).returncode == 0


CHILDREN = """
from astrum import Each, Ref, task

@task("numbers", namespace="children_counted")
async def numbers() -> list[int]:
    return [1, 2, 3]

@task("double", namespace="children_counted")
async def double(number: Ref[int, Each("numbers")]) -> int:
    return 2 * number
"""


def test_the_children_of_a_task_are_counted_under_its_name(
    write: Write, cli: Cli, server: RedisServer
) -> None:
    flow = str(write("children.py", CHILDREN))
    env = {"ASTRUM_REDIS_URL": server.url}
    options = (flow, "--no-supervisor", "--health", "127.0.0.1:0")
    with AstrumProcess("astrum_worker", *options, environment=env) as worker:
        wait_until(lambda: "answering on " in worker.output, "the address")
        [address] = re.findall(r"answering on (\S+)/ready", worker.output)
        assert cli("run", flow, **env).returncode == 0
        assert numbers(address, "astrum_attempts_total") == {
            ("children_counted", "numbers", "succeeded"): 1,
            ("children_counted", "double", "succeeded"): 3,
        }


def test_serve_tells_its_service_manager_how_it_does(server: RedisServer) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager,
    ):
        manager.bind(str(Path(folder, "notify")))
        manager.settimeout(20.0)
        told: list[str] = []

        def hear(line: str) -> None:
            while line not in told:
                told.extend(manager.recv(4096).decode().split("\n"))

        known = {"NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": "300000"}
        with serving(server.url, **known) as (serve, _):
            hear("READY=1")
            assert any(line.startswith("STATUS=serving unix://") for line in told)
            hear("WATCHDOG=1")
            serve.send(signal.SIGTERM)
            hear("STOPPING=1")
            assert serve.wait() == 0
