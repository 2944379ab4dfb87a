"""Deployments that share a server, in another database or under another prefix, are apart.

Run ids, worker ids, tasks and queues are the same in all of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from astrum.config import AstrumConfig
from astrum.machine.report import ExecutionReport
from astrum.planning import TaskSpec
from astrum.protocol.hints import Hint, encode_hint
from astrum.redis import RedisSettings, RunStore, WorkerStore
from astrum_coordinator import Coordinator
from tests.eventually import eventually
from tests.integration.coordinator.manual_worker import FAST, ManualWorker, flow
from tests.servers import Server

PLACES = ((0, "a"), (1, "a"), (11, "a"), (0, "a:q"), (0, "ab"), (0, "ab:ctl:1"), (0, "^ü$'@+|a"))
"""Database and prefix: one the beginning of another, and with odd characters."""


class Deployment:
    """A coordinator and a worker by hand, in a place of their own."""

    def __init__(self, settings: RedisSettings) -> None:
        self.settings = settings
        self.coordinator = Coordinator(settings, config=FAST)
        self.hand = ManualWorker(WorkerStore(settings, "hand"))

    async def enter(self, stack: AsyncExitStack) -> None:
        """Begin, and end with the stack."""
        await stack.enter_async_context(self.coordinator)
        await stack.enter_async_context(self.hand.store)
        stack.push_async_callback(self.hand.store.leave)
        await self.hand.register("t")

    def begin(self) -> asyncio.Task[ExecutionReport]:
        """Run one task as the run "r"."""
        work = self.coordinator.run_flow(flow(TaskSpec(task_id="t")), AstrumConfig(), run_id="r")
        return asyncio.create_task(work)


def settings_of(server: Server, database: int, prefix: str) -> RedisSettings:
    separator = "&" if "?" in server.url else "?"
    return RedisSettings(url=f"{server.url}{separator}db={database}", prefix=prefix)


@pytest.fixture
async def deployments(redis_server: Server) -> AsyncIterator[list[Deployment]]:
    async with AsyncExitStack() as stack:
        found = [Deployment(settings_of(redis_server, *place)) for place in PLACES]
        for deployment in found:
            await deployment.enter(stack)
        yield found


async def test_runs_of_the_same_id_have_separate_attempts_values_and_cancels(
    deployments: list[Deployment],
) -> None:
    runs = [deployment.begin() for deployment in deployments]
    held = [await deployment.hand.claim() for deployment in deployments]
    cancelled, *others = deployments
    await cancelled.coordinator.cancel("r")
    assert (await runs[0]).execution_state == "cancelled"
    for number, deployment in enumerate(others, 1):
        await deployment.hand.succeed(held[number], number)
    for number, run in enumerate(runs[1:], 1):
        assert (await run).task_return_set == {"t": number}


async def test_a_worker_that_dies_in_one_is_lost_in_no_other(
    deployments: list[Deployment],
) -> None:
    runs = [deployment.begin() for deployment in deployments]
    held = [await deployment.hand.claim() for deployment in deployments]
    dead, *others = deployments
    await dead.hand.register("t", lease_s=0.001)
    again = await dead.hand.claim("exclusive")
    assert again.message.attempt == 2
    await dead.hand.succeed(again)
    for number, deployment in enumerate(others, 1):
        assert len(await deployment.coordinator.workers()) == 1
        await deployment.hand.succeed(held[number])
    for run in runs:
        [task] = (await run).task_statistics
        assert task.attempt_count == (2 if run is runs[0] else 1)


async def test_a_hint_is_heard_in_its_own_deployment_only(redis_server: Server) -> None:
    """Channels are the server's, not a database's."""
    async with AsyncExitStack() as stack:
        places = [settings_of(redis_server, *place) for place in PLACES]
        senders = [await stack.enter_async_context(RunStore(place)) for place in places]
        hearers = [await stack.enter_async_context(WorkerStore(place, "hand")) for place in places]
        hints = [hearer.hints() for hearer in hearers]
        heard = [asyncio.ensure_future(anext(one)) for one in hints]
        with redis_server.client() as client:
            names = [sender.keys.control for sender in senders]
            await eventually(lambda: all(n == 1 for _, n in client.pubsub_numsub(*names)))
        for number, sender in reversed(list(enumerate(senders))):
            await sender.publish(encode_hint(Hint("r", [(number, 1)])))
        for number, one in enumerate(heard):
            assert await one == encode_hint(Hint("r", [(number, 1)]))
        for stream in hints:
            await stream.aclose()  # type: ignore[attr-defined]
