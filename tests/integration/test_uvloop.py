"""Services on uvloop, as many web servers are, run flows as others do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from astrum import ExecutionReport, run
from astrum_coordinator import Coordinator
from astrum_coordinator.embedded import EmbeddedServer, LocalWorkers
from tests.flows import parity

uvloop = pytest.importorskip("uvloop", reason="uvloop is not made for this platform")

NAMESPACES = ("direct", "retried", "timed_out", "cut_short")


@asynccontextmanager
async def pool() -> AsyncIterator[Coordinator]:
    async with EmbeddedServer() as server, Coordinator(server.url) as coordinator:

        async def registered() -> list[int]:
            return [int(worker.facts["pid"]) for worker in await coordinator.workers()]

        workers = LocalWorkers(
            [parity.__name__], redis_url=server.url, count=1, registered=registered
        )
        async with workers:
            yield coordinator


async def here() -> list[Any]:
    return [facts(await run(namespace=each)) for each in NAMESPACES]


async def on_workers() -> list[Any]:
    async with pool() as coordinator:
        return [facts(await run(namespace=each, executor=coordinator)) for each in NAMESPACES]


def facts(report: ExecutionReport) -> Any:
    statuses = {each.task_name: each.status for each in report.task_statistics}
    return report.execution_state, report.task_return_set, statuses, report.error_summary


def test_flows_end_on_uvloop_as_on_asyncio_here_and_on_workers_it_started() -> None:
    expected = asyncio.run(here())
    assert uvloop.run(here()) == expected
    assert uvloop.run(on_workers()) == expected
