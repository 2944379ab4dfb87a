"""What a type checker must know of the public API; never run.

Each ``type: ignore`` stands for a mistake that every checker must find: the checkers report one
that is not needed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import assert_type

from astrum import (
    AstrumConfig,
    Client,
    Coordinator,
    ExecutionReport,
    F,
    FromRun,
    Ref,
    Resource,
    RetryPolicy,
    RunEvent,
    RunHandle,
    SchedulerRegistry,
    SyncClient,
    SyncRunHandle,
    TakeOver,
    build_scheduler,
    resource,
    run,
    task,
)
from astrum.protocol.records import RunInfo
from astrum_coordinator import CoordinatorConfig

registry = SchedulerRegistry("typed")


@task
async def numbers() -> list[int]:
    return [1, 2]


@task(retry=RetryPolicy(2), timeout=5.0)
def total(values: Ref[list[int], F("numbers")]) -> int:
    return sum(values)


@registry.task("half", depends_on=["numbers"], queue="cpu")
def half(of: Ref[int, F("total")]) -> float:
    return of / 2


class Pool:
    def size(self) -> int:
        return 4


@resource
def settings() -> Iterator[dict[str, int]]:
    yield {"size": 4}


@resource("db", namespace="typed")
async def db(settings: Ref[dict[str, int], Resource("settings")]) -> AsyncIterator[Pool]:
    yield Pool()


@registry.resource("cache")
def cache() -> Iterator[Pool]:
    yield Pool()


@registry.task("sizes")
async def sizes(db: Ref[Pool, Resource("db")], cache: Ref[Pool, Resource()]) -> int:
    return db.size() + cache.size()


async def resources_keep_their_types() -> None:
    assert_type(next(settings()), dict[str, int])
    assert_type(await anext(db({"size": 1})), Pool)
    assert_type(await sizes(Pool(), Pool()), int)
    await sizes(4, Pool())  # type: ignore[arg-type]

    @resource("pool")  # type: ignore[type-var]
    def no_generator() -> Pool:
        return Pool()

    Resource(7)  # type: ignore[arg-type]


async def tasks_keep_their_types() -> None:
    assert_type(await numbers(), list[int])
    assert_type(half(total([1])), float)
    half("one")  # type: ignore[arg-type]


async def in_process() -> None:
    assert_type(await run(["total"], config=AstrumConfig(silence=True)), ExecutionReport)


async def from_an_earlier_run() -> None:
    def tell(found: TakeOver) -> None:
        assert_type(found.tasks, list[str])

    flow = build_scheduler().flow(fingerprints=True)
    async with Coordinator("redis://host") as coordinator:
        assert_type(await coordinator.taken_over(flow, "july"), TakeOver)
        await coordinator.submit_flow(flow, from_run=FromRun("july", again=["total"], tell=tell))
        await coordinator.run(["total"], from_run="july")
        await coordinator.run(["total"], from_run=7)  # type: ignore[arg-type]


async def on_a_pool() -> None:
    async with Coordinator("redis://host", config=CoordinatorConfig()) as coordinator:
        assert_type(coordinator, Coordinator)
        assert_type(await coordinator.run(["total"]), ExecutionReport)
        assert_type(await coordinator.wait("r", timeout_s=1.0), ExecutionReport)
        assert_type(await coordinator.run_info("r"), RunInfo | None)
        assert_type(await coordinator.cancel("r"), bool)
        assert_type(await run(executor=coordinator), ExecutionReport)
        coordinator.no_such_method()  # type: ignore[attr-defined]
        await coordinator.run(timeout_s="soon")  # type: ignore[arg-type]
    Coordinator(7)  # type: ignore[arg-type]


async def from_a_service() -> None:
    async with Client("redis://host") as client:
        handle = await client.start("billing", inputs={"order": "A-17"}, run_id="bill-A-17")
        assert_type(handle, RunHandle)
        assert_type(await handle.result(type=str), str)
        assert_type(await handle.result("price", timeout=1.0, type=list[int]), list[int])
        assert_type(await handle.wait(1.0), RunInfo)
        assert_type(await handle.report(), ExecutionReport)
        assert_type(await handle.cancel("why"), bool)
        assert_type([event async for event in handle.events()], list[RunEvent])
        assert_type(await client.start_many("billing", [{"order": "a"}]), list[RunHandle])
        await client.start("billing", inputs=7)  # type: ignore[arg-type]


def from_a_script() -> None:
    with SyncClient("redis://host") as client:
        handle = client.start("billing")
        assert_type(handle, SyncRunHandle)
        assert_type(handle.result(type=str), str)
        assert_type(list(handle.events()), list[RunEvent])
        handle.result(timeout="soon")  # type: ignore[call-overload]
