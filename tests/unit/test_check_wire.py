"""``check_wire`` finds in process the values that cannot travel, with the same messages."""

from __future__ import annotations

import asyncio
import io
import os
import threading
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import pytest

from astrum import (
    AstrumConfig,
    DynamicScheduler,
    ExecutionReport,
    F,
    Ref,
    SchedulerRegistry,
    TaskOrder,
    current_attempt,
)
from astrum.data_transport.bindings import Binding, TaskInputs
from astrum.errors import DecodeError, EncodeError, PayloadTooLargeError
from astrum.execution.in_process import run_in_process
from astrum.execution.in_process_options import InProcessOptions
from astrum.execution.invoke import BoundTask, Flow
from astrum.machine import TaskTable
from astrum.planning import Plan, TaskSpec
from astrum.planning.build import NO_INPUTS
from astrum.values import Codec, project
from astrum.values.payload import INLINE_BYTES, MAX_ARGUMENT_BYTES, MAX_VALUE_BYTES, pack_result
from astrum_coordinator import CoordinatorConfig
from astrum_coordinator.leading.results import Results
from astrum_worker.config import WorkerConfig
from astrum_worker.running.catalog import Served
from astrum_worker.running.values import encode_result

MIB = 1024 * 1024


async def run(*tasks: tuple[str, Any]) -> ExecutionReport:
    orders = [TaskOrder(name) for name, _ in tasks]
    config = AstrumConfig(check_wire=True)
    return await DynamicScheduler(tasks, orders, config=config).execute()


async def test_a_result_beyond_the_limit_of_workers_is_refused_with_their_message() -> None:
    value = b"x" * (70 * MIB)
    report = await run(("make", lambda: value))
    assert report.execution_state == "failed"
    served = Served(BoundTask("make", print, NO_INPUTS, "thread"), "", Codec())
    with pytest.raises(PayloadTooLargeError) as caught:
        encode_result(value, served, inline_bytes=INLINE_BYTES, max_bytes=MAX_VALUE_BYTES)
    assert f"PayloadTooLargeError: {caught.value}" in report.error_summary[0]


async def test_arguments_beyond_the_limit_of_coordinators_are_refused_with_their_message() -> None:
    value = os.urandom(INLINE_BYTES - 100)  # too small to be kept apart, too random to be shrunk
    bindings = tuple(Binding(place, "make", ()) for place in range(1100))
    inputs = TaskInputs(bindings=bindings)
    specs = (
        TaskSpec(task_id="make", lane="thread"),
        TaskSpec(task_id="take", lane="thread", needs=("make",), bindings=bindings),
    )
    plan = Plan("test", specs)
    bound = {
        "make": BoundTask("make", lambda: value, NO_INPUTS, "thread"),
        "take": BoundTask("take", lambda *values: None, inputs, "thread"),
    }
    report = await run_in_process(Flow(plan, bound), InProcessOptions(check_wire=True))
    results = Results(TaskTable(plan), CoordinatorConfig().max_argument_bytes)
    results.keep(0, pack_result("make", Codec().encode(value)).value)
    with pytest.raises(PayloadTooLargeError) as caught:
        results.arguments(specs[1])
    assert f"PayloadTooLargeError: {caught.value}" in report.error_summary[0]


async def test_big_results_and_their_fields_are_read_completely() -> None:
    def make() -> dict[str, Any]:
        return {"data": os.urandom(3 * INLINE_BYTES), "text": "x" * (3 * INLINE_BYTES), "n": 7}

    def take(whole: Ref[dict, F(make)], data: Ref[bytes, F(make, "data")]) -> bool:
        return bool(whole["data"] == data and whole["text"] == "x" * (3 * INLINE_BYTES))

    def count(n: Ref[int, F(make, "n")]) -> int:
        return n

    report = await run(("make", make), ("take", take), ("count", count))
    assert report.error_summary == []
    assert (report.task_return_set["take"], report.task_return_set["count"]) == (True, 7)


async def test_a_missing_field_of_a_big_result_is_an_error() -> None:
    def make() -> dict[str, bytes]:
        return {"data": os.urandom(3 * INLINE_BYTES)}

    def take(data: Ref[bytes, F(make, "dta")]) -> None: ...

    report = await run(("make", make), ("take", take))
    assert "'take', parameter 'data'" in report.error_summary[0]
    assert "no field 'dta'" in report.error_summary[0]


def make_settings() -> dict[str, list[int]]:
    return {"rows": [1, 2, 3]}


def change(rows: Ref[list, F("settings", "rows")]) -> int:
    rows.append(99)
    return len(rows)


def see(rows: Ref[list, F("settings", "rows")], changed: Ref[int, F("change")]) -> list[int]:
    return rows


async def run_branches(config: AstrumConfig) -> ExecutionReport:
    functions: dict[str, Callable[..., Any]] = {
        "settings": make_settings,
        "change": change,
        "see": see,
    }
    orders = [TaskOrder(name) for name in functions]
    return await DynamicScheduler(functions.items(), orders, config=config).execute()


async def test_a_branch_that_changes_its_value_changes_it_for_others_only_in_process() -> None:
    shared = await run_branches(AstrumConfig())
    assert shared.task_return_set["see"] == [1, 2, 3, 99]
    apart = await run_branches(AstrumConfig(check_wire=True))
    assert apart.task_return_set["see"] == [1, 2, 3]
    assert apart.task_return_set["settings"] == {"rows": [1, 2, 3]}


@pytest.mark.parametrize(("check_wire", "total"), [(False, 1), (True, 6)])
async def test_a_retry_gets_a_value_of_its_own_when_the_wire_is_checked(
    check_wire: bool, total: int
) -> None:
    def todo() -> list[int]:
        return [1, 2, 3]

    def work_off(items: Ref[list[int], F(todo)]) -> int:
        done = 0
        while items:
            done += items.pop()
            if current_attempt().attempt == 1 and len(items) == 1:
                raise ConnectionError
        return done

    report = await DynamicScheduler(
        [("todo", todo), ("work_off", work_off)],
        [TaskOrder("todo"), TaskOrder("work_off")],
        task_retries={"work_off": 1},
        config=AstrumConfig(check_wire=check_wire),
    ).execute()
    assert report.task_return_set["work_off"] == total


READ_ONCE = {
    "a generator": lambda: (n for n in [1]),
    "an iterator": lambda: iter([1]),
    "a map": lambda: map(str, [1]),
    "a stream": lambda: io.BytesIO(b"x"),
}


@pytest.mark.parametrize("kind", READ_ONCE)
@pytest.mark.parametrize("check_wire", [False, True])
async def test_a_result_that_can_be_read_only_once_is_refused_in_every_mode(
    kind: str, check_wire: bool
) -> None:
    tasks, orders = [("rows", READ_ONCE[kind])], [TaskOrder("rows")]
    config = AstrumConfig(check_wire=check_wire)
    report = await DynamicScheduler(tasks, orders, config=config).execute()
    assert report.execution_state == "failed"
    assert "task 'rows' failed: EncodeError: result is a" in report.error_summary[0]
    assert "cannot travel" in report.error_summary[0]


@pytest.mark.parametrize("check_wire", [False, True])
async def test_awaitables_and_async_generators_are_refused_in_every_mode(check_wire: bool) -> None:
    async def numbers() -> Any:
        yield 1

    async def later() -> int:
        return 1

    for made in (numbers, later, lambda: asyncio.ensure_future(later())):

        async def rows(made: Any = made) -> Any:
            return made()

        config = AstrumConfig(check_wire=check_wire)
        scheduler = DynamicScheduler([("rows", rows)], [TaskOrder("rows")], config=config)
        report = await scheduler.execute()
        assert "task 'rows' failed: EncodeError: result is a" in report.error_summary[0]
        await asyncio.sleep(0)


async def test_a_generator_inside_a_result_is_refused_to_every_reader() -> None:
    def rows() -> dict[str, Any]:
        return {"rows": (n for n in [1])}

    def reader(found: Ref[object, F(rows, "rows")]) -> None: ...

    report = await DynamicScheduler(
        [("rows", rows), ("reader", reader)], [TaskOrder("rows"), TaskOrder("reader")]
    ).execute()
    assert (
        "task 'reader' failed: EncodeError: the result of 'rows'['rows'] is a generator"
        in (report.error_summary[0])
    )


def test_the_limits_in_process_are_those_that_workers_and_coordinators_have_by_default() -> None:
    defaults = {field.name: field.default for field in fields(WorkerConfig)}
    assert defaults["inline_bytes"] == INLINE_BYTES
    assert defaults["max_value_bytes"] == MAX_VALUE_BYTES
    assert CoordinatorConfig().max_argument_bytes == MAX_ARGUMENT_BYTES


async def test_a_result_that_cannot_travel_is_left_out_if_only_its_end_is_awaited() -> None:
    registry = SchedulerRegistry("left-out")

    @registry.task("notify")
    def notify() -> Any:
        return {"lock": threading.Lock()}

    @registry.task("after", depends_on=["notify"])
    def after() -> str:
        return "after"

    report = await registry.run(config=AstrumConfig(check_wire=True))
    assert report.execution_state == "completed"
    assert report.task_return_set["after"] == "after"
    assert "result['lock'] is a _thread.lock" in repr(report.task_return_set["notify"])


async def test_a_result_that_a_task_reads_and_that_cannot_travel_is_refused() -> None:
    def make() -> Any:
        return threading.Lock()

    def take(lock: Ref[object, F(make)]) -> None: ...

    report = await run(("make", make), ("take", take))
    assert report.execution_state == "failed"
    assert "task 'make' failed: EncodeError" in report.error_summary[0]


def test_a_worker_leaves_out_only_results_that_are_not_wanted() -> None:
    task = BoundTask("make", print, NO_INPUTS, "thread")
    limits = {"inline_bytes": INLINE_BYTES, "max_bytes": MAX_VALUE_BYTES}
    lock = threading.Lock()
    value = encode_result(lock, Served(task, "", Codec(), is_wanted=False), **limits).value
    assert "_thread.lock" in repr(Codec.opaque().decode(value))
    for read in (Codec().decode, lambda data: project(data, ("a",))):
        with pytest.raises(DecodeError, match=r"left out.*result is a _thread\.lock"):
            read(value)
    with pytest.raises(EncodeError):
        encode_result(lock, Served(task, "", Codec()), **limits)
    with pytest.raises(EncodeError):
        encode_result(iter([1]), Served(task, "", Codec(), is_wanted=False), **limits)
