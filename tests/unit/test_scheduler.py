"""`DynamicScheduler`: hand-made graphs, refusals, and execution."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

import astrum
from astrum import (
    AstrumConfig,
    DynamicScheduler,
    ExecutionReport,
    F,
    Ref,
    RetryPolicy,
    SchedulerRegistry,
    TaskDependencyError,
    TaskDuplicateExecutionError,
    TaskNotFoundError,
    TaskOrder,
    TaskOrderLoopError,
    TaskRegistrationError,
)
from astrum.data_transport import DataItem, DTRela, TaskData
from astrum.execution.invoke import Flow


async def one() -> int:
    return 1


async def two() -> int:
    return 2


def scheduler_of(*names: str, **settings: object) -> DynamicScheduler:
    orders = [TaskOrder(name) for name in names]
    return DynamicScheduler([(name, one) for name in names], orders, **settings)  # type: ignore[arg-type]


# --- the constructor -------------------------------------------------------------------------


def test_a_coroutine_object_is_refused_and_closed() -> None:
    coroutine: Any = one()
    with pytest.raises(TypeError, match="'a' is a coroutine object"):
        DynamicScheduler([("a", coroutine)], [TaskOrder("a")])
    assert coroutine.cr_frame is None


def test_an_object_that_cannot_be_called_is_refused() -> None:
    with pytest.raises(TypeError, match="'a' must be a function"):
        DynamicScheduler([("a", 3)], [TaskOrder("a")])  # type: ignore[list-item]


def test_a_name_that_is_not_a_string_is_refused() -> None:
    with pytest.raises(TypeError, match="name must be a string, got 3"):
        DynamicScheduler([(3, one)], [])  # type: ignore[list-item]


def test_a_repeated_name_is_refused() -> None:
    with pytest.raises(TypeError, match="two tasks are called 'a'"):
        DynamicScheduler([("a", one), ("a", two)], [TaskOrder("a")])


def test_an_order_that_is_not_a_task_order_is_refused() -> None:
    with pytest.raises(TypeError, match="TaskOrder objects, got 'a'"):
        DynamicScheduler([("a", one)], ["a"])  # type: ignore[list-item]


def test_only_a_semaphore_bounds_a_hand_made_graph() -> None:
    semaphore = asyncio.Semaphore(3)
    assert scheduler_of("a", concurrency_context=semaphore).flow().plan.concurrency_limit == 3
    with pytest.raises(TypeError, match="concurrency_context"):
        scheduler_of("a", concurrency_context=3)
    with pytest.raises(ValueError, match="no free place"):
        scheduler_of("a", concurrency_context=asyncio.Semaphore(0))


def test_task_retries_shows_the_number_of_each_task() -> None:
    retries = {"a": 2, "b": RetryPolicy(3, delay=1.0)}
    scheduler = scheduler_of("a", "b", "c", task_retries=retries)
    assert scheduler.task_retries == {"a": 2, "b": 3, "c": 0}
    assert scheduler.flow().plan.tasks[1].retry == RetryPolicy(3, delay=1.0)


@pytest.mark.parametrize("retry", [-1, True, "2"])
def test_a_retry_that_is_not_a_non_negative_integer_is_refused(retry: object) -> None:
    with pytest.raises(TaskRegistrationError, match=r"'a'.*retry"):
        scheduler_of("a", task_retries={"a": retry})


def test_retries_of_an_unknown_task_are_refused() -> None:
    with pytest.raises(TaskNotFoundError, match="'x'"):
        scheduler_of("a", task_retries={"x": 1})


def test_find_task_by_name_gives_the_function() -> None:
    assert scheduler_of("extract").find_task_by_name("extract") is one
    with pytest.raises(TaskNotFoundError, match="'extrat'; did you mean 'extract'"):
        scheduler_of("extract").find_task_by_name("extrat")


# --- planning --------------------------------------------------------------------------------


def looped() -> DynamicScheduler:
    a, b = TaskOrder("a"), TaskOrder("b")
    a.depend, b.depend = b, a
    return DynamicScheduler([("a", one), ("b", two)], [a, b])


def unknown_in_order() -> DynamicScheduler:
    return DynamicScheduler([("a", one)], [TaskOrder("a"), TaskOrder("b")])


def missing_in_order() -> DynamicScheduler:
    return DynamicScheduler([("a", one), ("b", one)], [TaskOrder("a")])


def unknown_dependency() -> DynamicScheduler:
    return DynamicScheduler([("a", one)], [TaskOrder("a", [TaskOrder("x")])])


def unknown_tail() -> DynamicScheduler:
    return scheduler_of("a", ignore_tail_task=["x"])


PLANNING_ERRORS = [
    (looped, TaskOrderLoopError),
    (unknown_in_order, TaskNotFoundError),
    (missing_in_order, TaskDependencyError),
    (unknown_dependency, TaskDependencyError),
    (unknown_tail, TaskNotFoundError),
]


@pytest.mark.parametrize(("make", "error"), PLANNING_ERRORS)
async def test_a_planning_error_is_raised_by_the_timeline_and_reported_by_execute(
    make: Callable[[], DynamicScheduler], error: type[Exception]
) -> None:
    with pytest.raises(error) as caught:
        make().get_execute_timeline()
    report = await make().execute()
    assert report.execution_state == "failed"
    assert str(caught.value) in report.error_summary[0]


async def test_a_failed_planning_is_reported_under_names_that_users_can_import() -> None:
    for make, _ in PLANNING_ERRORS:
        report = await make().execute()
        [line] = report.error_summary
        name = line.removeprefix("planning failed: ").partition(":")[0]
        assert name in astrum.__all__


def test_detect_cycle_raises_for_a_cycle_only() -> None:
    scheduler_of("a", "b").detect_cycle()
    with pytest.raises(TaskOrderLoopError, match="a -> b -> a"):
        looped().detect_cycle()


def test_a_flow_is_planned_once() -> None:
    scheduler = scheduler_of("a")
    assert scheduler.flow().plan is scheduler.flow().plan


def test_fingerprints_are_computed_only_when_asked_for() -> None:
    scheduler = scheduler_of("a")
    assert scheduler.flow().plan.tasks[0].fingerprint == ""
    assert scheduler.flow(fingerprints=True).plan.tasks[0].fingerprint != ""


def test_tail_tasks_are_not_awaited() -> None:
    a, b = scheduler_of("a", "b", ignore_tail_task=["b"]).flow().plan.tasks
    assert (a.awaited, b.awaited) == (True, False)


# --- data ------------------------------------------------------------------------------------


def reading(**settings: object) -> DynamicScheduler:
    async def reader(x: int) -> int:
        return x + 1

    item = DataItem(
        from_relation=DTRela(single_item=True, related_task="source"),
        to_relation=DTRela(key="x", related_task="reader"),
    )
    source = TaskOrder("source")
    return DynamicScheduler(
        [("source", one), ("reader", reader)],
        [source, TaskOrder("reader", [source])],
        [TaskData(task_id="reader", input_data_item=[item])],
        **settings,  # type: ignore[arg-type]
    )


async def test_task_data_is_used_with_a_data_path() -> None:
    report = await reading(has_data_path=True).execute()
    assert report.task_return_set["reader"] == 2


async def test_task_data_is_not_used_without_a_data_path() -> None:
    report = await reading().execute()
    assert report.execution_state == "failed"


async def test_annotations_of_hand_made_graphs_count() -> None:
    async def reader(x: Ref[int, F("source")]) -> int:
        return x + 1

    tasks: list[tuple[str, Callable[..., Any]]] = [("reader", reader), ("source", one)]
    scheduler = DynamicScheduler(tasks, [TaskOrder("reader"), TaskOrder("source")])
    report = await scheduler.execute()
    assert report.original_tasks == {"source": [], "reader": ["source"]}
    assert report.task_return_set == {"source": 1, "reader": 2}


# --- executing -------------------------------------------------------------------------------


async def test_execute_fills_the_return_set() -> None:
    scheduler = scheduler_of("a", "b")
    assert scheduler.task_return_set == {}
    await scheduler.execute()
    assert scheduler.task_return_set == {"a": 1, "b": 1}


async def test_a_scheduler_that_is_executing_refuses_to_execute_again() -> None:
    started, go_on = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        started.set()
        await go_on.wait()

    scheduler = DynamicScheduler([("wait", wait)], [TaskOrder("wait")])
    first = asyncio.create_task(scheduler.execute())
    await started.wait()
    with pytest.raises(TaskDuplicateExecutionError):
        await scheduler.execute()
    go_on.set()
    assert (await first).execution_state == "completed"


async def test_a_scheduler_may_execute_again_when_it_is_done() -> None:
    scheduler = scheduler_of("a")
    await scheduler.execute()
    assert (await scheduler.execute()).execution_state == "completed"


async def test_a_cancelled_scheduler_may_execute_again() -> None:
    started = asyncio.Event()
    calls = []

    async def wait_once() -> None:
        calls.append(1)
        if len(calls) == 1:
            started.set()
            await asyncio.Event().wait()

    scheduler = DynamicScheduler([("wait", wait_once)], [TaskOrder("wait")])
    first = asyncio.create_task(scheduler.execute())
    await started.wait()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert (await scheduler.execute()).execution_state == "completed"


async def test_the_limit_bounds_the_tasks_that_run_at_once() -> None:
    running: list[int] = [0]
    most: list[int] = [0]

    async def work() -> None:
        running[0] += 1
        most[0] = max(most[0], running[0])
        for _ in range(5):  # long enough for the others to begin
            await asyncio.sleep(0)
        running[0] -= 1

    names = [str(i) for i in range(20)]
    scheduler = DynamicScheduler(
        [(name, work) for name in names],
        [TaskOrder(name) for name in names],
        config=AstrumConfig(concurrency_limit=3),
    )
    await scheduler.execute()
    assert most == [3]


async def test_an_executor_gets_the_flow_with_fingerprints_and_its_report_is_returned() -> None:
    seen: list[Flow] = []

    class Recording:
        async def run_flow(self, flow: Flow, config: AstrumConfig) -> ExecutionReport:
            seen.append(flow)
            return await scheduler_of("x").execute()

    scheduler = scheduler_of("a", namespace="nightly")
    report = await scheduler.execute(Recording())
    assert report.task_return_set == scheduler.task_return_set == {"x": 1}
    assert (seen[0].plan.namespace, list(seen[0].tasks)) == ("nightly", ["a"])
    assert seen[0].plan.tasks[0].fingerprint


@pytest.mark.parametrize("executor", ["redis://:secret@host", 5, AstrumConfig])
async def test_an_object_that_cannot_run_a_flow_is_not_an_executor(executor: object) -> None:
    with pytest.raises(TypeError, match=r"async with Coordinator\(url\) as coordinator") as caught:
        await scheduler_of("a").execute(executor)  # type: ignore[arg-type]
    assert "secret" not in str(caught.value)


async def test_the_class_of_an_executor_is_not_an_executor() -> None:
    with pytest.raises(TypeError, match="got the class Coordinator"):
        await scheduler_of("a").execute(astrum.Coordinator)  # type: ignore[arg-type]


@pytest.mark.parametrize("config", [{}, {"silence": False}, "quiet", AstrumConfig])
async def test_a_value_that_is_not_a_config_is_refused(config: object) -> None:
    registry = SchedulerRegistry()
    registry.task("a")(one)
    for use in (
        lambda: scheduler_of("a", config=config),
        lambda: registry.build_scheduler(config=config),  # type: ignore[arg-type]
        lambda: registry.build_task_orders(config=config),  # type: ignore[arg-type]
    ):
        with pytest.raises(TypeError, match=r"config must be an AstrumConfig, got"):
            use()


async def test_visualize_prints_the_graph_and_the_data_relations(
    capsys: pytest.CaptureFixture[str],
) -> None:
    await reading(has_data_path=True, config=AstrumConfig(visualize=True)).execute()
    out = capsys.readouterr().out
    assert "source" in out
    assert "reader" in out
    assert "(whole result)" in out


async def test_nothing_is_printed_without_visualize(capsys: pytest.CaptureFixture[str]) -> None:
    await scheduler_of("a").execute()
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("silence", [True, False])
async def test_silence_decides_whether_tasks_are_logged(
    silence: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="astrum")
    await scheduler_of("loud", silence=silence).execute()
    assert any("loud" in record.getMessage() for record in caplog.records) is not silence


async def test_checking_the_wire_finds_what_does_not_travel() -> None:
    async def local() -> object:
        return object()

    async def execute(check_wire: bool) -> ExecutionReport:
        config = AstrumConfig(check_wire=check_wire)
        return await DynamicScheduler([("a", local)], [TaskOrder("a")], config=config).execute()

    assert (await execute(False)).execution_state == "completed"
    report = await execute(True)
    assert report.execution_state == "failed"
    assert "object" in report.error_summary[0]


async def test_a_property_can_be_read_in_process_only() -> None:
    @dataclass
    class Invoice:
        price: int

        @property
        def total(self) -> int:
            return self.price * 2

    registry = SchedulerRegistry()

    @registry.task("bill")
    def bill() -> Invoice:
        return Invoice(2)

    @registry.task("pay")
    def pay(total: Ref[int, F(bill, "total")]) -> int:
        return total

    scheduler = registry.build_scheduler()
    assert (await scheduler.execute()).task_return_set["pay"] == 4
    assert scheduler.flow().local_only == ""
    assert "Invoice.total is a property" in scheduler.flow(fingerprints=True).local_only
    with pytest.raises(TaskRegistrationError, match=r"'pay', parameter 'total'.*only fields"):
        registry.build_scheduler(check_wire=True)


async def test_tail_tasks_appear_in_the_report() -> None:
    report = await scheduler_of("a", "audit", ignore_tail_task=["audit"]).execute()
    assert report.tail_tasks == ["audit"]


async def test_planning_counts_in_the_report() -> None:
    report = await scheduler_of("a").execute()
    assert report.planning_duration > 0
    assert report.total_duration == pytest.approx(
        report.planning_duration + report.execution_duration
    )
