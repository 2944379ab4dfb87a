"""``check_wire`` finds in process what would not travel, and says it in the same words."""

from __future__ import annotations

import os
from dataclasses import fields
from typing import Any

import pytest

from astrum import AstrumConfig, DynamicScheduler, ExecutionReport, F, Ref, TaskOrder
from astrum.data_transport.bindings import Binding, TaskInputs
from astrum.errors import PayloadTooLargeError
from astrum.in_process import InProcessOptions, run_in_process
from astrum.invoke import BoundTask, Flow
from astrum.planning import Plan, TaskSpec
from astrum.planning.build import NO_INPUTS
from astrum.wire import Codec
from astrum.wire.payload import INLINE_BYTES, MAX_ARGUMENT_BYTES, MAX_VALUE_BYTES, pack_result
from astrum_coordinator import CoordinatorConfig
from astrum_coordinator.results import Results
from astrum_worker.catalog import Served
from astrum_worker.config import WorkerConfig
from astrum_worker.values import encode_result

MIB = 1024 * 1024


async def run(*tasks: tuple[str, Any]) -> ExecutionReport:
    orders = [TaskOrder(name) for name, _ in tasks]
    config = AstrumConfig(check_wire=True)
    return await DynamicScheduler(tasks, orders, config=config).execute()


async def test_a_result_beyond_the_limit_of_workers_is_refused_in_their_words() -> None:
    value = b"x" * (70 * MIB)
    report = await run(("make", lambda: value))
    assert report.execution_state == "failed"
    served = Served(BoundTask("make", print, NO_INPUTS, "thread"), "", Codec())
    with pytest.raises(PayloadTooLargeError) as caught:
        encode_result(value, served, inline_bytes=INLINE_BYTES, max_bytes=MAX_VALUE_BYTES)
    assert f"PayloadTooLargeError: {caught.value}" in report.error_summary[0]


async def test_arguments_beyond_the_limit_of_coordinators_are_refused_in_their_words() -> None:
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
    results = Results(plan, CoordinatorConfig().max_argument_bytes)
    results.keep(0, pack_result("make", Codec().encode(value)).value)
    with pytest.raises(PayloadTooLargeError) as caught:
        results.arguments(specs[1])
    assert f"PayloadTooLargeError: {caught.value}" in report.error_summary[0]


async def test_big_results_and_their_fields_are_read_whole() -> None:
    def make() -> dict[str, Any]:
        return {"data": os.urandom(3 * INLINE_BYTES), "text": "x" * (3 * INLINE_BYTES), "n": 7}

    def take(whole: Ref[dict, F(make)], data: Ref[bytes, F(make, "data")]) -> bool:
        return whole["data"] == data and whole["text"] == "x" * (3 * INLINE_BYTES)

    def count(n: Ref[int, F(make, "n")]) -> int:
        return n

    report = await run(("make", make), ("take", take), ("count", count))
    assert report.error_summary == []
    assert (report.task_return_set["take"], report.task_return_set["count"]) == (True, 7)


async def test_a_field_that_a_big_result_lacks_is_told() -> None:
    def make() -> dict[str, bytes]:
        return {"data": os.urandom(3 * INLINE_BYTES)}

    def take(data: Ref[bytes, F(make, "dta")]) -> None: ...

    report = await run(("make", make), ("take", take))
    assert "'take', parameter 'data'" in report.error_summary[0]
    assert "no field 'dta'" in report.error_summary[0]


def test_the_limits_in_process_are_those_that_workers_and_coordinators_have_by_default() -> None:
    defaults = {field.name: field.default for field in fields(WorkerConfig)}
    assert defaults["inline_bytes"] == INLINE_BYTES
    assert defaults["max_value_bytes"] == MAX_VALUE_BYTES
    assert CoordinatorConfig().max_argument_bytes == MAX_ARGUMENT_BYTES
