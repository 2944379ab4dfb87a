"""Runs in process: branches do not wait for each other, and values go to parameters."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from astrum.data_transport.bindings import Binding, TaskInputs
from astrum.execution.attempt import current_attempt
from astrum.planning import RetryPolicy
from tests.unit.in_process.flow_builder import (
    FlowBuilder,
    from_result,
    nothing,
    statuses,
)


async def test_a_straggler_delays_only_its_own_dependents() -> None:
    flow = FlowBuilder()
    other_branch_is_done = asyncio.Event()
    order: list[str] = []

    async def straggler() -> None:
        await other_branch_is_done.wait()
        order.append("straggler")

    async def last_of_the_other_branch() -> None:
        order.append("other")
        other_branch_is_done.set()

    flow.add("straggler", straggler)
    flow.add("first", nothing)
    flow.add("after", nothing, needs=["straggler"])
    flow.add("second", nothing, needs=["first"])
    flow.add("third", last_of_the_other_branch, needs=["second"])
    report = await flow.run()
    assert report.execution_state == "completed"
    assert order == ["other", "straggler"]


async def test_a_task_that_waits_for_its_retry_delays_only_its_own_dependents() -> None:
    flow = FlowBuilder()
    order: list[str] = []

    async def flaky() -> None:
        attempt = current_attempt().attempt
        order.append(f"flaky {attempt}")
        if attempt == 1:
            raise ValueError("not yet")

    async def other() -> None:
        order.append("other")

    flow.add("flaky", flaky, retry=RetryPolicy(1, delay=0.05))
    flow.add("a", nothing)
    flow.add("b", nothing, needs=["a"])
    flow.add("other", other, needs=["b"])
    report = await flow.run()
    assert report.execution_state == "completed"
    assert order == ["flaky 1", "other", "flaky 2"]


async def test_sync_functions_run_beside_each_other_and_beside_the_loop() -> None:
    flow = FlowBuilder()
    all_are_in = threading.Barrier(3)
    threads: set[int] = set()

    def meets_the_others() -> None:
        threads.add(threading.get_ident())
        all_are_in.wait(10)

    async def meets_them_from_the_loop() -> None:
        await asyncio.to_thread(all_are_in.wait, 10)

    flow.add("one", meets_the_others)
    flow.add("two", meets_the_others)
    flow.add("async", meets_them_from_the_loop)
    report = await flow.run()
    assert report.execution_state == "completed"
    assert len(threads) == 2
    assert threading.get_ident() not in threads


async def test_a_chain_of_sync_functions_needs_few_threads() -> None:
    flow = FlowBuilder()
    names: set[str] = set()

    def note_thread() -> None:
        names.add(threading.current_thread().name)

    for number in range(50):
        needs = [str(number - 1)] if number else []
        flow.add(str(number), note_thread, needs=needs)
    await flow.run()
    assert len(names) == 1


# --- values ----------------------------------------------------------------------------------


async def test_values_go_from_result_to_parameter() -> None:
    flow = FlowBuilder()

    async def source() -> dict[str, Any]:
        return {"rows": [1, 2, 3]}

    def target(rows: list[int], last: int) -> int:
        return sum(rows) + last

    bindings = (Binding("rows", "source", ("rows",)), Binding(1, "source", ("rows", -1)))
    flow.add("source", source)
    flow.add(
        "target",
        lambda last, rows: target(rows, last),
        inputs=TaskInputs(bindings=(bindings[0], Binding(0, "source", ("rows", -1)))),
    )
    report = await flow.run()
    assert report.task_return_set == {"source": {"rows": [1, 2, 3]}, "target": 9}


async def test_a_field_that_is_not_there_fails_the_task_once_and_names_all_ends() -> None:
    flow = FlowBuilder()

    async def source() -> dict[str, int]:
        return {"amount": 1}

    async def target(x: int) -> None:
        raise AssertionError("it has no value to run with")

    flow.add("source", source)
    flow.add("target", target, inputs=from_result("x", "source", "price"), retry=RetryPolicy(3))
    report = await flow.run()
    assert report.execution_state == "failed"
    assert report.task_statistics[1].attempt_count == 1
    [line] = report.error_summary
    for word in ("'target'", "'x'", "'source'", "'price'", "'amount'"):
        assert word in line


async def test_a_property_that_raises_fails_the_task() -> None:
    class Broken:
        @property
        def rows(self) -> int:
            raise ZeroDivisionError("broken property")

    async def source() -> Broken:
        return Broken()

    async def target(x: int) -> None: ...

    flow = FlowBuilder()
    flow.add("source", source)
    flow.add("target", target, inputs=from_result("x", "source", "rows"))
    report = await flow.run()
    assert statuses(report) == {"source": "completed", "target": "failed"}
    assert "broken property" in report.error_summary[0]


async def test_check_wire_gives_every_reader_its_own_copy() -> None:
    given: list[Any] = []

    async def source() -> dict[str, list[int]]:
        return {"rows": [1, 2]}

    async def target(rows: list[int]) -> None:
        given.append(rows)

    for check_wire in (False, True):
        flow = FlowBuilder()
        given.clear()
        flow.add("source", source)
        for name in ("one", "two"):
            flow.add(name, target, inputs=from_result("rows", "source", "rows"))
        await flow.run(check_wire=check_wire)
        assert given == [[1, 2], [1, 2]]
        assert (given[0] is given[1]) is not check_wire


async def test_check_wire_finds_what_does_not_travel() -> None:
    async def source() -> Any:
        return {"lock": threading.Lock()}

    flow = FlowBuilder()
    flow.add("source", source, retry=RetryPolicy(2))
    assert (await flow.run()).execution_state == "completed"
    report = await flow.run(check_wire=True)
    assert report.execution_state == "failed"
    assert report.task_statistics[0].attempt_count == 1
    assert "lock" in report.error_summary[0]
