"""The arguments of `Coordinator.run` and ``run(executor=...)``."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

import pytest

from astrum import AstrumConfig, F, Ref, SchedulerRegistry, TaskRegistrationError, get_registry
from astrum.machine import ExecutionReport
from astrum_coordinator import Coordinator
from tests.integration.coordinator.manual_worker import NAMESPACE, ManualWorker


@pytest.fixture
def registry() -> SchedulerRegistry:
    """A registry with one task, "a", which is the namespace of that name as well."""
    registry = get_registry(NAMESPACE)

    @registry.task("a", retry=1)
    async def a() -> None: ...

    return registry


async def seen_through(
    run: asyncio.Task[ExecutionReport], hand: ManualWorker, *, fails: int = 0
) -> ExecutionReport:
    await hand.register("a")
    for _ in range(fails):
        await hand.fail(await hand.claim())
    await hand.succeed(await hand.claim())
    return await run


LOUD = AstrumConfig(silence=False)


@pytest.mark.parametrize("as_executor", [True, False])
async def test_a_run_on_workers_is_logged_unless_silent(
    coordinator: Coordinator,
    hand: ManualWorker,
    registry: SchedulerRegistry,
    caplog: pytest.LogCaptureFixture,
    as_executor: bool,
) -> None:
    caplog.set_level(logging.INFO, "astrum.run")
    loud = (
        registry.run(config=LOUD, executor=coordinator)
        if as_executor
        else coordinator.run(namespace=NAMESPACE, config=LOUD)
    )
    await seen_through(asyncio.create_task(loud), hand, fails=1)
    start, retried, again, done = caplog.messages
    assert start == "task a: attempt 1 is sent to the workers"
    assert "s on hand: ValueError: no; it is tried again" in retried
    assert again == "task a: attempt 2 is sent to the workers"
    assert done.startswith("task a: done in")
    assert done.endswith("s on hand")


async def test_a_silent_run_on_workers_is_not_logged(
    coordinator: Coordinator,
    hand: ManualWorker,
    registry: SchedulerRegistry,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "astrum.run")
    await seen_through(asyncio.create_task(registry.run(executor=coordinator)), hand)
    assert caplog.messages == []


async def test_planning_counts_in_the_report_of_a_run_on_workers(
    coordinator: Coordinator, hand: ManualWorker, registry: SchedulerRegistry
) -> None:
    async def submitted() -> ExecutionReport:
        flow = registry.build_scheduler().flow(fingerprints=True)
        return await coordinator.resume(await coordinator.submit_flow(flow))

    for run in (
        registry.run(executor=coordinator),
        coordinator.run(namespace=NAMESPACE),
        submitted(),
    ):
        report = await seen_through(asyncio.create_task(run), hand)
        assert report.planning_duration > 0
        assert report.total_duration == pytest.approx(
            report.planning_duration + report.execution_duration
        )
        began = report.total_end_time - report.total_duration
        assert report.total_start_time == pytest.approx(began)


@dataclass
class Invoice:
    price: int = 1

    @property
    def total(self) -> int:
        return self.price


async def test_a_flow_that_reads_a_property_is_refused_before_there_is_a_run(
    coordinator: Coordinator, registry: SchedulerRegistry
) -> None:
    @registry.task("bill")
    def bill() -> Invoice:
        return Invoice()

    @registry.task("pay")
    def pay(total: Ref[int, F(bill, "total")]) -> None: ...

    for run in (registry.run(executor=coordinator), coordinator.run(namespace=NAMESPACE)):
        with pytest.raises(TaskRegistrationError, match=r"cannot run on workers: task 'pay'"):
            await run
    assert await coordinator.runs() == []


@pytest.mark.usefixtures("registry")
async def test_undeclared_task_names_are_refused_as_in_process(
    coordinator: Coordinator,
) -> None:
    with pytest.raises(TaskRegistrationError, match=r"namespace 'tset'.*did you mean 'test'"):
        await coordinator.run(namespace="tset")
    with pytest.raises(TaskRegistrationError, match=r"must be a list.*write \['a'\]"):
        await coordinator.run("a", namespace=NAMESPACE)
