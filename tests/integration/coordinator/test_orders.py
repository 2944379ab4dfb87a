"""Commands reach the server whatever it answers, and a run that is gone ends at once."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from astrum.config import AstrumConfig
from astrum.data_transport.bindings import Binding
from astrum.errors import RunError, StoreConfigurationError
from astrum.planning import RetryPolicy, TaskSpec
from astrum.redis import RedisSettings, RunStore
from astrum.redis.records import Dispatched
from astrum_coordinator import Coordinator
from tests.eventually import eventually
from tests.integration.coordinator.manual_worker import FAST, ManualWorker, flow
from tests.servers import Server

NEVER_RENEWING = replace(FAST, lease_s=300.0, step_down_after_s=200.0, renew_every_s=100.0)
LATER = RetryPolicy(1, delay=0.3)


def refusing_once(method: str, monkeypatch: pytest.MonkeyPatch, error: Exception) -> list[Any]:
    """Let the first call of a store's method fail; returns the calls."""
    calls: list[Any] = []
    original = getattr(RunStore, method)

    async def sometimes(self: RunStore, *args: Any, **options: Any) -> Any:
        calls.append(args)
        if len(calls) == 1:
            raise error
        return await original(self, *args, **options)

    monkeypatch.setattr(RunStore, method, sometimes)
    return calls


async def test_a_dispatch_that_the_server_refused_is_sent_again_when_it_may_be(
    coordinator: Coordinator, hand: ManualWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusing_once("dispatch", monkeypatch, StoreConfigurationError("no permission yet"))
    await hand.register("a", "b")
    thread = TaskSpec(task_id="b", lane="thread")
    run = asyncio.create_task(
        coordinator.run_flow(flow(TaskSpec(task_id="a"), thread), AstrumConfig())
    )
    await hand.succeed(await hand.claim("async"))
    await hand.succeed(await hand.claim("thread"))
    assert (await run).execution_state == "completed"


async def test_a_revocation_that_the_server_refused_is_sent_again_when_it_may_be(
    coordinator: Coordinator, hand: ManualWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusing_once("revoke", monkeypatch, StoreConfigurationError("no permission yet"))
    await hand.register("a")
    run = asyncio.create_task(
        coordinator.run_flow(flow(TaskSpec(task_id="a")), AstrumConfig(), run_id="r")
    )
    await hand.claim()
    await coordinator.cancel("r")
    assert (await run).execution_state == "cancelled"


async def test_an_end_that_the_server_refused_is_sent_again_when_it_may_be(
    coordinator: Coordinator, hand: ManualWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = refusing_once("finish", monkeypatch, StoreConfigurationError("no permission yet"))
    await hand.register("a")
    run = asyncio.create_task(coordinator.run_flow(flow(TaskSpec(task_id="a")), AstrumConfig()))
    await hand.succeed(await hand.claim())
    assert (await run).execution_state == "completed"
    assert calls[0][1] == calls[1][1], "the leader gave up its epoch"


async def test_an_attempt_whose_message_cannot_be_encoded_fails_alone(
    coordinator: Coordinator, hand: ManualWorker
) -> None:
    first = TaskSpec(task_id="first")
    broken = TaskSpec(
        task_id="broken",
        needs=("first",),
        bindings=(Binding("x", "first", ("no", "such", "field")),),
        awaited=False,
    )
    sound = TaskSpec(task_id="sound", needs=("first",))
    await hand.register("first", "broken", "sound")
    run = asyncio.create_task(coordinator.run_flow(flow(first, broken, sound), AstrumConfig()))
    await hand.succeed(await hand.claim(), {"yes": 1})
    sent = await hand.claim()
    assert sent.place == ("sound", 1)
    await hand.succeed(sent)
    assert (await run).execution_state == "completed"


async def test_a_run_that_is_gone_when_it_dispatches_ends_at_once_and_says_so(
    settings: RedisSettings, redis_server: Server, hand: ManualWorker
) -> None:
    await hand.register("a")
    async with Coordinator(settings, config=NEVER_RENEWING) as coordinator:
        spec = TaskSpec(task_id="a", retry=LATER)
        run = asyncio.create_task(coordinator.run_flow(flow(spec), AstrumConfig(), run_id="r"))
        await hand.fail(await hand.claim())
        leader = coordinator._parts.leaderships.get("r")
        assert leader is not None
        await eventually(lambda: not list(leader.state.outstanding()), "the leader to know")
        with redis_server.client() as client:
            client.flushall()
        with pytest.raises(RunError, match="vanished"):
            async with asyncio.timeout(5):
                await run


async def test_a_run_that_is_gone_when_it_ends_says_so(
    coordinator: Coordinator,
    hand: ManualWorker,
    redis_server: Server,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    finish = RunStore.finish

    async def flushed(self: RunStore, *args: Any, **options: Any) -> bool:
        with redis_server.client() as client:
            client.flushall()
        return await finish(self, *args, **options)

    monkeypatch.setattr(RunStore, "finish", flushed)
    await hand.register("a")
    run = asyncio.create_task(coordinator.run_flow(flow(TaskSpec(task_id="a")), AstrumConfig()))
    await hand.succeed(await hand.claim())
    with pytest.raises(RunError, match="vanished"):
        await run


async def test_a_cancelled_run_withdraws_what_was_never_sent(
    coordinator: Coordinator, hand: ManualWorker, runs: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached, allowed = asyncio.Event(), asyncio.Event()
    dispatch, sent = RunStore.dispatch, 0

    async def slow(self: RunStore, *args: Any, **options: Any) -> Dispatched:
        nonlocal sent
        sent += len(args[-1])
        reached.set()
        await allowed.wait()
        return await dispatch(self, *args, **options)

    monkeypatch.setattr(RunStore, "dispatch", slow)
    specs = [TaskSpec(task_id=f"t{n}") for n in range(300)]  # more than one batch
    await hand.register(*(spec.task_id for spec in specs))
    run = asyncio.create_task(coordinator.run_flow(flow(*specs), AstrumConfig(), run_id="r"))
    await reached.wait()
    await coordinator.cancel("r")
    await eventually(
        lambda: coordinator._parts.leaderships.get("r").state.stopping,  # type: ignore[union-attr]
        "the leader to know",
    )
    allowed.set()
    report = await run
    assert report.execution_state == "cancelled"
    assert sent == FAST.batch_items
    assert (await runs.run_info("r")).outstanding == 0  # type: ignore[union-attr]
    assert await hand.claim_all() == []
