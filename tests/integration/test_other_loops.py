"""Services on uvloop, as many web servers are, or on eager tasks run flows as others do."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from astrum import ExecutionReport, run
from astrum_coordinator import Coordinator
from astrum_coordinator.embedded import EmbeddedServer, LocalWorkers, LocalWorkerSettings
from tests.flows import parity

NAMESPACES = ("direct", "retried", "timed_out", "cut_short")


@asynccontextmanager
async def pool() -> AsyncIterator[Coordinator]:
    async with EmbeddedServer() as server, Coordinator(server.url) as coordinator:
        settings = LocalWorkerSettings(redis_url=server.url)
        async with LocalWorkers([parity.__name__], coordinator, settings):
            yield coordinator


async def here() -> list[Any]:
    return [info_of(await run(namespace=each)) for each in NAMESPACES]


async def on_workers() -> list[Any]:
    async with pool() as coordinator:
        return [info_of(await run(namespace=each, executor=coordinator)) for each in NAMESPACES]


def info_of(report: ExecutionReport) -> Any:
    statuses = {each.task_name: each.status for each in report.task_statistics}
    return report.execution_state, report.task_return_set, statuses, report.error_summary


def uvloop_loop() -> asyncio.AbstractEventLoop:
    uvloop = pytest.importorskip("uvloop", reason="uvloop is not made for this platform")
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


def eager_loop() -> asyncio.AbstractEventLoop:
    if sys.version_info < (3, 12):
        pytest.skip("eager tasks came with Python 3.12")
    loop = asyncio.new_event_loop()
    loop.set_task_factory(asyncio.eager_task_factory)
    return loop


@pytest.mark.parametrize("make_loop", [uvloop_loop, eager_loop])
def test_flows_end_the_same_on_other_event_loops_in_process_and_on_workers(
    make_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    with asyncio.Runner(loop_factory=make_loop) as runner:
        got = runner.run(here()), runner.run(on_workers())
    expected = asyncio.run(here())
    assert got == (expected, expected)
