"""Results of reports have the declared types where those are, and say how to get them elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

import pytest
from pydantic import BaseModel

from astrum import SchedulerRegistry, get_registry
from astrum.machine.events import Outcome
from astrum.planning import TaskSpec
from astrum.values import Codec, Opaque
from astrum_coordinator import Coordinator
from astrum_coordinator.display.json_values import to_json
from tests.integration.coordinator.manual_worker import NAMESPACE, ManualWorker, flow


class Model(BaseModel):
    a: int


@dataclass
class Row:
    a: int


class Pair(NamedTuple):
    a: int


class Color(Enum):
    RED = "red"


VALUE = {"model": Model(a=1), "rows": [Row(2)], "pair": Pair(3), "color": Color.RED}
TYPES = (Model, Row, Pair, Color)


@pytest.fixture
async def run_id(coordinator: Coordinator, hand: ManualWorker) -> str:
    """The id of a run that ended; its one result holds all kinds of named types."""
    run_id = await coordinator.submit_flow(flow(TaskSpec("a")))
    leading = asyncio.create_task(coordinator.resume(run_id))
    await hand.register("a")
    held = await hand.claim()
    data = Codec(TYPES).encode(VALUE)
    await hand.settle(held, hand.record(held, Outcome.SUCCEEDED, value=data))
    await leading
    return run_id


def declare(registry: SchedulerRegistry) -> None:
    """Declare the run's task, as its module does when it is imported."""

    @registry.task("a")
    def a() -> dict[str, Model | list[Row] | Pair | Color]: ...


@pytest.mark.parametrize("made", [get_registry, SchedulerRegistry])
async def test_results_have_the_types_of_a_task_that_is_declared_here(
    coordinator: Coordinator, run_id: str, made: Callable[[str], SchedulerRegistry]
) -> None:
    registry = made(NAMESPACE)
    declare(registry)
    for asked in (coordinator.report, coordinator.resume, coordinator.wait):
        assert (await asked(run_id)).task_return_set == {"a": VALUE}, asked


async def test_types_can_be_passed_for_a_task_that_is_not_declared_here(
    coordinator: Coordinator, run_id: str
) -> None:
    for asked in (coordinator.report, coordinator.resume, coordinator.wait):
        assert (await asked(run_id, types=TYPES)).task_return_set == {"a": VALUE}
    some = (await coordinator.report(run_id, types=[Row])).task_return_set["a"]
    assert (some["rows"], type(some["model"])) == ([Row(2)], Opaque)


async def test_results_without_their_types_say_how_to_get_them(
    coordinator: Coordinator, run_id: str
) -> None:
    declare(SchedulerRegistry("another namespace"))
    value = (await coordinator.report(run_id)).task_return_set["a"]
    with pytest.raises(AttributeError, match=f"import {__name__} before .*types=.Model."):
        _ = value["model"].a
    assert to_json(value) == to_json(VALUE)


async def test_a_type_that_has_changed_is_shown_as_it_was(
    coordinator: Coordinator, run_id: str
) -> None:
    @dataclass
    class Changed:
        b: int

    Changed.__qualname__ = "Row"
    value = (await coordinator.report(run_id, types=[Changed, Model])).task_return_set["a"]
    assert (value["rows"][0].fields, value["model"]) == ({"a": 2}, Model(a=1))
