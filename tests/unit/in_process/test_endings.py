"""A run in process ends, no matter what its tasks raise or do with a cancel."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from astrum import RetryPolicy, SchedulerRegistry
from astrum.errors import TaskRegistrationError
from astrum.execution import in_process
from astrum.execution.in_process_options import InProcessOptions
from astrum.execution.invoke import Invoker
from tests.unit.in_process.flow_builder import FlowBuilder

ENOUGH_S = 20.0


class Mute(Exception):
    """Answers nothing at all."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(f"no {name}")


KINDS: dict[str, BaseException] = {
    type(error).__name__: error
    for error in (
        BaseException("mine"),
        SystemExit("mine"),
        GeneratorExit("mine"),
        asyncio.CancelledError("mine"),
        StopIteration("mine"),
        StopAsyncIteration("mine"),
        ValueError("cut \ud83d"),
        Mute(),
    )
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", ["async", "thread", "awaited"])
async def test_every_kind_of_exception_out_of_a_task_is_a_failure(kind: str, way: str) -> None:
    error = KINDS[kind]
    registry = SchedulerRegistry("n")
    if way == "thread":

        @registry.task("t")
        def raises() -> None:
            raise error

    elif way == "async":

        @registry.task("t")
        async def raises_too() -> None:
            raise error

    else:

        @registry.task("t")
        async def awaits() -> None:
            future = asyncio.get_running_loop().create_future()
            future.set_exception(RuntimeError() if kind == "StopIteration" else error)
            await future

    async with asyncio.timeout(ENOUGH_S):
        report = await registry.run()
    assert report.task_statistics[0].status == "failed"
    assert kind in report.error_summary[0] or "RuntimeError" in report.error_summary[0]


async def test_a_keyboard_interrupt_in_a_thread_is_a_failure() -> None:
    registry = SchedulerRegistry("n")

    @registry.task("t")
    def interrupts() -> None:
        raise KeyboardInterrupt("mine")

    report = await registry.run()
    assert "KeyboardInterrupt" in report.error_summary[0]


async def test_a_task_that_cancels_itself_is_charged_and_retried_as_any_other() -> None:
    registry = SchedulerRegistry("n")

    @registry.task("t", retry=RetryPolicy(2))
    async def cancels_itself() -> None:
        job = asyncio.current_task()
        assert job is not None
        asyncio.get_running_loop().call_soon(job.cancel)
        await asyncio.sleep(60)

    async with asyncio.timeout(ENOUGH_S):
        report = await registry.run()
    assert report.task_statistics[0].attempt_count == 3


@pytest.fixture
def swallowing(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    monkeypatch.setattr(in_process, "SWALLOW_GRACE_S", 0.05)
    return asyncio.Event()


async def swallows_until(end: asyncio.Event) -> None:
    while not end.is_set():
        try:
            await end.wait()
        except asyncio.CancelledError:
            continue


async def test_a_task_that_ignores_its_timeout_is_given_up_and_named(
    swallowing: asyncio.Event, caplog: pytest.LogCaptureFixture
) -> None:
    registry = SchedulerRegistry("n")

    @registry.task("stays", timeout=0.05)
    async def stays() -> None:
        await swallows_until(swallowing)

    async with asyncio.timeout(ENOUGH_S):
        report = await registry.run()
    swallowing.set()
    assert report.error_summary == [
        "task 'stays' failed: TimedOut: the attempt took longer than its 0.05 s"
    ]
    assert "task 'stays' goes on though it was cancelled" in caplog.text


async def test_a_task_that_ignores_a_cancel_does_not_delay_the_end_of_the_run(
    swallowing: asyncio.Event,
) -> None:
    registry = SchedulerRegistry("n")

    began = asyncio.Event()

    @registry.task("stays")
    async def stays() -> None:
        began.set()
        await swallows_until(swallowing)

    run = asyncio.create_task(registry.run())
    await began.wait()
    run.cancel()
    await asyncio.wait([run], timeout=ENOUGH_S)
    assert run.cancelled()
    swallowing.set()


def test_the_end_of_asyncio_run_does_not_wait_for_a_task_that_was_given_up(
    swallowing: asyncio.Event,
) -> None:
    registry = SchedulerRegistry("n")
    swallowed = 0

    @registry.task("stays", timeout=0.05)
    async def stays() -> None:
        nonlocal swallowed
        while swallowed < 5:
            try:
                await asyncio.sleep(ENOUGH_S)
            except asyncio.CancelledError:
                swallowed += 1

    begun = time.monotonic()
    report = asyncio.run(registry.run())
    assert report.task_statistics[0].status == "failed"
    assert time.monotonic() - begun < ENOUGH_S


def test_a_task_id_that_cannot_be_encoded_is_refused_when_it_is_declared() -> None:
    with pytest.raises(TaskRegistrationError, match="UTF-8"):
        SchedulerRegistry("n").task("caf\udce9")(lambda: None)


class Failing:
    """An observer whose display is broken."""

    def __init__(self) -> None:
        self.asked = 0

    def observe(self, *_: object) -> None:
        self.asked += 1
        raise OSError("the display's pipe is closed")


async def test_an_observer_that_raises_is_logged_once_and_the_run_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    graph, failing = FlowBuilder(), Failing()
    graph.add("a", lambda: 1)
    graph.add("b", lambda: 2)
    options = InProcessOptions(observer=failing)
    async with asyncio.timeout(ENOUGH_S):
        report = await in_process.run_in_process(graph.flow(), options)
    assert report.execution_state == "completed"
    assert failing.asked > 1
    assert caplog.text.count("an observer of a run failed") == 1


class Unexpected(BaseException):
    """Nothing that Astrum expects from its own parts."""


async def test_an_attempt_that_ends_by_a_bug_of_astrum_has_failed_and_its_run_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def fails(*_: object) -> None:
        raise Unexpected

    monkeypatch.setattr(Invoker, "invoke", fails)
    registry = SchedulerRegistry("n")

    @registry.task("t")
    async def fine() -> None: ...

    report = await asyncio.wait_for(registry.run(), ENOUGH_S)
    assert report.execution_state.value == "failed"
    assert "could not be recorded" in report.error_summary[0]
