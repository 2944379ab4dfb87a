"""Every flow of `tests.flows.parity` gives the same in process and on worker processes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

import tests.flows.parity as flows
from astrum import AstrumConfig, DynamicScheduler, ExecutionReport, build_scheduler
from astrum.errors import RunConflictError, RunInputError
from astrum.execution.planned_inputs import checked_against_plan
from astrum.protocol.run_header import RunHeader
from astrum.protocol.sealing import Seal
from astrum_coordinator import Coordinator
from astrum_coordinator.stored_runs import encode_plan, new_run

CONFIG = AstrumConfig(check_wire=True)


@dataclass(frozen=True)
class Outcome:
    """What both modes must agree on."""

    state: str
    results: dict[str, Any]
    tasks: dict[str, tuple[str, int, str | None]]
    attempts: dict[str, list[tuple[int, str, bool, str | None]]]
    errors: list[str]


def outcome_of(report: ExecutionReport) -> Outcome:
    stats = report.task_statistics
    return Outcome(
        state=report.execution_state,
        results=report.task_return_set,
        tasks={s.task_name: (s.status, s.attempt_count, s.error_message) for s in stats},
        attempts={
            s.task_name: [
                (a.attempt_number, a.status, a.will_retry, a.error_message)
                for a in s.attempt_statistics
            ]
            for s in stats
        },
        errors=report.error_summary,
    )


def namespace(name: str, config: AstrumConfig = CONFIG) -> Callable[[], Any]:
    return lambda: build_scheduler(namespace=name, config=config)


def registry(attribute: str) -> Callable[[], Any]:
    return lambda: getattr(flows, attribute).build_scheduler(config=CONFIG)


UNCHECKED = replace(CONFIG, skip_type_check=True)
SUCCEEDING = {
    "default": namespace("default", UNCHECKED),
    "direct": namespace("direct"),
    "typed": namespace("typed", UNCHECKED),
    "billing": registry("billing"),
    "manual": lambda: flows.manual,
    "explicit": namespace("explicit", UNCHECKED),
    "sent": namespace("sent", UNCHECKED),
    "methods": namespace("methods", UNCHECKED),
    "bound": registry("bound"),
    "retried": namespace("retried"),
    "falsy": namespace("falsy", UNCHECKED),
    "wide": registry("wide"),
    "long_after_short": registry("long_after_short"),
    "big_values": namespace("big_values", UNCHECKED),
    "references": namespace("references", UNCHECKED),
    "resources": namespace("resources"),
}
FAILING = {
    name: namespace(name)
    for name in (
        "failing_with_resource",
        "exhausted",
        "given_up",
        "timed_out",
        "unencodable",
        "exits",
        "wrong_type",
    )
} | {"missing_field": namespace("missing_field", UNCHECKED), "cut_short": namespace("cut_short")}


@pytest.mark.parametrize("name", SUCCEEDING | FAILING)
async def test_a_flow_gives_the_same_in_both_modes(name: str, coordinator: Coordinator) -> None:
    make = (SUCCEEDING | FAILING)[name]
    local = outcome_of(await make().execute())
    distributed = outcome_of(await make().execute(coordinator))
    assert distributed == local
    assert local.state == ("completed" if name in SUCCEEDING else "failed")


async def test_results_keep_their_types_across_processes(coordinator: Coordinator) -> None:
    report = await build_scheduler(namespace="typed", config=UNCHECKED).execute(coordinator)
    assert report.task_return_set["make"] == flows.Customer(
        name="Ann", orders=[flows.Order("A-1", Decimal("1.50"), ("x", "y"))]
    )
    assert report.task_return_set["point"] == flows.Point(3, 4)
    assert type(report.task_return_set["point"]) is flows.Point
    assert report.task_return_set["colours"] is flows.Colour.BLUE


ORDER = flows.Order("A-1", Decimal("1.50"), ("x", "y"))
INPUTS = {"first": date(2026, 11, 28), "order": ORDER, "token": "s3cret"}


async def test_inputs_give_the_same_in_both_modes(coordinator: Coordinator) -> None:
    def make() -> DynamicScheduler:
        return build_scheduler(namespace="inputs", config=CONFIG)

    local = await make().execute(inputs=INPUTS)
    distributed = await make().execute(coordinator, inputs=INPUTS)
    assert outcome_of(distributed) == outcome_of(local)
    assert local.task_return_set["bill"] == (ORDER, ("x", "y"), 6, 2)
    assert distributed.inputs == local.inputs == {**INPUTS, "count": 2, "token": "***"}
    again = await coordinator.report(distributed.run_id)
    assert again.inputs == local.inputs


async def test_plain_data_for_a_declared_class_becomes_one_on_the_worker(
    coordinator: Coordinator,
) -> None:
    flow = build_scheduler(namespace="inputs").flow(fingerprints=True)
    plain = {"order_id": "A-1", "amount": "1.50", "tags": ["x", "y"]}
    found = checked_against_plan(flow.plan, {**INPUTS, "order": plain})
    stored = encode_plan(flow.plan, Seal())
    run = new_run("plain", RunHeader("inputs", stored.digest), Seal(), {}, inputs=found)
    await coordinator._store.create_run(run, stored.data)
    report = await coordinator.resume("plain")
    assert report.task_return_set["bill"][0] == ORDER


async def test_a_run_id_is_for_one_flow_and_its_inputs(coordinator: Coordinator) -> None:
    flow = build_scheduler(namespace="inputs").flow(fingerprints=True)
    await coordinator.submit_flow(flow, inputs=INPUTS, run_id="once")
    await coordinator.submit_flow(flow, inputs=dict(reversed(INPUTS.items())), run_id="once")
    with pytest.raises(RunConflictError, match="run 'once' exists already, with another 'count'"):
        await coordinator.submit_flow(flow, inputs={**INPUTS, "count": 3}, run_id="once")
    with pytest.raises(RunInputError, match="'first' is missing"):
        await coordinator.submit_flow(flow, run_id="never")
    assert await coordinator.run_info("never") is None
    await coordinator.cancel("once")
    await coordinator.resume("once")


async def test_every_attempt_says_which_worker_ran_it(coordinator: Coordinator) -> None:
    report = await build_scheduler(namespace="direct").execute(coordinator)
    workers = {a.worker_id for s in report.task_statistics for a in s.attempt_statistics}
    assert workers
    assert all(worker.count(".") >= 2 for worker in workers), workers  # host.pid.random
