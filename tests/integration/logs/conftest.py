"""A server, and workers that store logs in different ways, each under a prefix of its own."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

import tests.flows.task_logs  # noqa: F401  declares the flows
from astrum import AstrumConfig, ExecutionReport
from astrum.redis import RedisSettings
from astrum.view.task_log import AttemptLog
from astrum_coordinator import Coordinator
from tests import warm_start
from tests.integration.cli.conftest import environment
from tests.processes import ROOT, AstrumProcess, serving
from tests.servers import RedisServer

MODULE = "tests.flows.task_logs"
FOLDER_VARIABLE = "ASTRUM_TEST_FOLDER"
ALL = ("--task-logs", "all", "--capture-print", "--log-format", "json")
FAILED = ("--task-logs-limit", "3KiB")
CONFIG = AstrumConfig(check_wire=False)


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder whose files the tasks wait for."""
    return tmp_path_factory.mktemp("logs")


def logging_worker(url: str, folder: Path, *options: str, **environment: str) -> AstrumProcess:
    """Start a worker for the flows."""
    return AstrumProcess(
        "astrum_worker",
        *(MODULE, "--redis", url, *options),
        environment={FOLDER_VARIABLE: str(folder), **environment},
    )


@pytest.fixture(scope="module")
def workers(server: RedisServer, folder: Path) -> Iterator[dict[str, AstrumProcess]]:
    """A worker that stores all logs and one that stores those of failures, by prefix."""
    with ExitStack() as stack:
        started = {
            name: stack.enter_context(
                logging_worker(server.url, folder, "--prefix", name, *options)
            )
            for name, options in (("all", ALL), ("failed", FAILED))
        }
        for name in started:
            asyncio.run(serving(RedisSettings(url=server.url, prefix=name), 1))
        yield started


@pytest.fixture
async def coordinators(
    server: RedisServer, workers: dict[str, AstrumProcess]
) -> AsyncIterator[dict[str, Coordinator]]:
    """A coordinator for each of the workers."""
    opened = {name: Coordinator(RedisSettings(url=server.url, prefix=name)) for name in workers}
    for coordinator in opened.values():
        await coordinator.__aenter__()
    yield opened
    for coordinator in opened.values():
        await coordinator.__aexit__(None, None, None)


async def run(coordinator: Coordinator, namespace: str, **options: Any) -> ExecutionReport:
    """Run a flow to its end."""
    async with asyncio.timeout(30):
        return await coordinator.run(namespace=namespace, config=CONFIG, **options)


def texts(log: AttemptLog) -> list[str]:
    """Return the texts of a log's lines."""
    return [line.text for line in log.lines]


def json_lines(output: str) -> list[dict[str, Any]]:
    """Return the objects of an output each of whose lines must be one."""
    return [json.loads(line) for line in output.splitlines()]


def astrum(*words: str) -> Any:
    """Run a command of the coordinator to its end."""
    return warm_start.run(
        [sys.executable, "-m", "astrum_coordinator", *words],
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=45,
        check=False,
    )
