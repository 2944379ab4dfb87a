"""Runs that are led elsewhere: their end is pushed, and all are read with one call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping

import pytest

from astrum.machine.task_state import TaskState
from astrum.planning import TaskSpec
from astrum.redis import RedisSettings, RunStore
from astrum.redis.journals import News
from astrum_coordinator import Coordinator
from astrum_coordinator.display.progress import RunProgress
from astrum_coordinator.leading.subscriptions import Subscriptions
from tests.eventually import eventually
from tests.integration.coordinator.manual_worker import FAST, ManualWorker, flow

A, B = TaskSpec("a"), TaskSpec("b", needs=("a",))
NEVER_S = 3600.0


@pytest.fixture
async def leading(settings: RedisSettings, hand: ManualWorker) -> AsyncIterator[Coordinator]:
    """Another coordinator, which leads the run "r"; its task "a" is served."""
    await hand.register("a", "b")
    async with Coordinator(settings, config=FAST) as other:
        await other.submit_flow(flow(A, B), run_id="r")
        run = asyncio.create_task(other.resume("r"))
        yield other
        await run


@pytest.fixture(autouse=True)
def _no_polling(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing but the server's own word end a wait in time."""
    monkeypatch.setattr("astrum_coordinator.asking.waiting.CHECK_EVERY_S", NEVER_S)
    monkeypatch.setattr("astrum_coordinator.asking.completion.CHECK_EVERY_S", NEVER_S)


async def test_the_end_of_a_run_is_pushed_to_who_waits_for_it(
    leading: Coordinator, coordinator: Coordinator, hand: ManualWorker
) -> None:
    first = await hand.claim()
    waiting = asyncio.create_task(coordinator.wait("r"))
    await eventually(lambda: coordinator._parts.subscriptions.done, "the wait")
    await hand.succeed(first)
    await hand.succeed(await hand.claim(), 2)
    report = await waiting
    assert (report.execution_state, report.task_return_set) == ("completed", {"a": None, "b": 2})


async def test_who_waits_for_a_run_that_has_ended_does_not_wait(
    coordinator: Coordinator, runs: RunStore, hand: ManualWorker, leading: Coordinator
) -> None:
    await hand.succeed(await hand.claim())
    await hand.succeed(await hand.claim())
    await eventually(lambda: not len(leading._parts.leaderships), "the end of the run")
    async with coordinator._parts.subscriptions.end_of("r") as end:
        coordinator._parts.reader.start()
        await end.wait(NEVER_S)
    assert (await coordinator.wait("r")).execution_state == "completed"


async def test_all_that_follow_and_wait_share_one_reading_call(
    leading: Coordinator,
    coordinator: Coordinator,
    hand: ManualWorker,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[tuple[set[str], bool]] = []
    store = coordinator._store
    wait_for_news = store.wait_for_news

    async def noted(
        journals: Mapping[str, str], done: str | None, *, block_s: float | None, count: int
    ) -> News:
        asked.append((set(journals), done is not None))
        return await wait_for_news(journals, done, block_s=block_s, count=count)

    monkeypatch.setattr(store, "wait_for_news", noted)
    held = await hand.claim()
    await coordinator.submit_flow(flow(A), run_id="other")
    progress = RunProgress()
    tasks = [
        asyncio.create_task(coordinator.resume("r", observer=progress)),
        asyncio.create_task(coordinator.wait("r")),
        asyncio.create_task(coordinator.wait("other")),
        asyncio.create_task(coordinator.resume("other")),
    ]
    both = {"r", "other"}
    await eventually(lambda: asked and asked[-1] == (both, True), "one call for all")
    await hand.succeed(held)
    await eventually(lambda: progress.succeeded == 1, "the follower to be told")
    await hand.succeed(await hand.claim())
    await hand.succeed(await hand.claim())
    reports = await asyncio.gather(*tasks)
    assert {report.execution_state for report in reports} == {"completed"}
    assert coordinator._parts.subscriptions.journal_cursors() == {}
    assert coordinator._parts.subscriptions.done is None


async def test_who_follows_without_wanting_results_keeps_none(
    leading: Coordinator, coordinator: Coordinator, hand: ManualWorker
) -> None:
    held = await hand.claim()
    follower = await coordinator._parts.reports.follower("r")
    await follower.catch_up(coordinator._store)
    coordinator._parts.reader.start()
    await coordinator._parts.subscriptions.add(follower)
    await hand.succeed(held, "x" * 100)
    await hand.succeed(await hand.claim(), "y" * 100)
    states = follower.state.states
    await eventually(lambda: states.count(TaskState.SUCCEEDED) == 2, "the follower to see the end")
    assert follower.results == {}


async def test_a_reader_with_nothing_left_to_read_waits(runs: RunStore) -> None:
    """It would block the event loop otherwise: its loop had nothing else to wait for."""
    subscriptions = Subscriptions(runs)
    async with subscriptions.end_of("r"):
        subscriptions.give_up_ends()
        reading = asyncio.create_task(subscriptions.wait_for_one())
        await asyncio.sleep(0)
        assert not reading.done()
        async with subscriptions.end_of("another"):
            await reading


async def test_after_a_gap_in_the_stream_of_ends_all_that_wait_ask_again(runs: RunStore) -> None:
    subscriptions = Subscriptions(runs)
    async with subscriptions.end_of("r") as end:
        for news in (News([], ["r"], "5-0"), News([], ["another"], "6-0", has_gap=True)):
            subscriptions.hand_over(news, {})
            async with asyncio.timeout(5.0):
                await end.wait(NEVER_S)
        subscriptions.hand_over(News([], ["another"], "7-0"), {})
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await end.wait(NEVER_S)
