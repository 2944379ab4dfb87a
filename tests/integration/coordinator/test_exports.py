"""Exports of runs that are under way, wait for their time, or have children with names."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from astrum.machine.events import Outcome
from astrum.planning import TaskSpec
from astrum.planning.axes import Axis, ListSource, Watch
from astrum.values.codec import Codec
from astrum.view.report.columns_check import checked_columns
from astrum_coordinator import Coordinator
from tests.eventually import eventually
from tests.integration.coordinator.manual_worker import ManualWorker, flow
from tests.schemas import check


def states_of(data: dict[str, Any]) -> dict[str, str]:
    names, states = data["tasks"]["name"], data["tasks"]["state"]
    return {
        data["strings"][name]: data["states"][state]
        for name, state in zip(names, states, strict=True)
    }


async def exported(coordinator: Coordinator, run_id: str) -> dict[str, Any]:
    data = await coordinator.export(run_id)
    check("run-1", data)
    return checked_columns(data, "it")


async def test_an_open_run_is_exported_with_what_runs_now(
    coordinator: Coordinator, hand: ManualWorker
) -> None:
    specs = (TaskSpec("a"), TaskSpec("b", ("a",)), TaskSpec("c"), TaskSpec("nowhere", queue="q"))
    run_id = await coordinator.submit_flow(flow(*specs))
    await hand.register("a", "b", "c")
    leading = asyncio.create_task(coordinator.resume(run_id))
    held = await hand.claim()

    async def is_taken() -> dict[str, Any] | None:
        data = await exported(coordinator, run_id)
        return data if "running" in states_of(data).values() else None

    data = await eventually(is_taken)
    name = held.message.task_id
    other = {"a": "c", "c": "a"}[name]
    assert states_of(data) == {
        name: "running",
        other: "queued",
        "b": "waiting",
        "nowhere": "unserved",
    }
    assert data["run"]["state"] == "running"
    assert data["run"]["ended_at"] is None
    assert data["run"]["counts"]["unfinished"] == 4
    [outcome] = data["attempts"]["outcome"]
    [worker] = data["attempts"]["worker"]
    assert data["outcomes"][outcome] == "running"
    assert data["strings"][data["workers"]["id"][worker]] == "hand"
    assert data["attempts"]["ended_at"] == [None]
    assert data["attempts"]["queued_at"][0] <= data["attempts"]["claimed_at"][0]
    leading.cancel()
    await asyncio.wait([leading])


async def test_a_delayed_run_is_exported_before_it_begins(coordinator: Coordinator) -> None:
    run_id = await coordinator.submit_flow(flow(TaskSpec("a")), at=timedelta(hours=1))
    data = await exported(coordinator, run_id)
    assert data["run"]["state"] == "pending"
    assert data["run"]["duration_ms"] == 0
    assert states_of(data) == {"a": "waiting"}


async def test_children_have_the_names_that_their_lists_give_them(
    coordinator: Coordinator, hand: ManualWorker
) -> None:
    lists = TaskSpec("pages", watches=(Watch("length", key=("name",)),))
    each = TaskSpec("parse", ("pages",), axes=(Axis((ListSource("pages"),), key=("name",)),))
    run_id = await coordinator.submit_flow(flow(lists, each))
    await hand.register("pages", "parse")
    leading = asyncio.create_task(coordinator.resume(run_id))
    held = await hand.claim()
    value = Codec().encode([{"name": "one"}, {"name": "</script>"}])
    await hand.settle(held, hand.record(held, Outcome.SUCCEEDED, value=value, seen=(2,)))
    for _ in range(2):
        await hand.succeed(await hand.claim())
    await leading
    data = await exported(coordinator, run_id)
    assert states_of(data) == dict.fromkeys(
        ["pages", "parse[one]", "parse[</script>]"], "completed"
    )
    assert data["tasks"]["needs"][1:] == [[0], [0]]
