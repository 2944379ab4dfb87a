"""Edges that are declared in other ways than by annotations of a registry's tasks alone."""

from __future__ import annotations

import pytest

from astrum import DROP, AstrumConfig, DynamicScheduler, Each, F, Ref, TaskOrder
from astrum import SchedulerRegistry as Registry
from astrum.data_transport import DataItem, DTRela, TaskData
from astrum.data_transport.bindings import Binding, Fill
from astrum.errors import TaskOrderLoopError, TaskRegistrationError
from astrum.planning.axes import Axis, ListSource
from tests.flows.edges import files, flow_of, parse, specs_of


def test_explicit_data_beside_them_changes_nothing_of_what_annotations_say() -> None:
    def read(
        row: Ref[int, Each(Each("parse"))],
        own: Ref[list[str] | None, F(["word", "word2"], default=None)],
        x: int = 0,
    ) -> None: ...

    def word() -> str:
        return ""

    def word2() -> str:
        return ""

    def number() -> int:
        return 1

    item = DataItem(
        from_relation=DTRela(related_task="number"),
        to_relation=DTRela(key="x", related_task="read"),
    )
    data = TaskData(input_data_item=[item])
    without = flow_of(files, parse, word, word2, number, read, skip_type_check=True)
    beside = flow_of(
        files, parse, word, word2, number, (read, {"data": data}), skip_type_check=True
    )
    one, other = specs_of(without)["read"], specs_of(beside)["read"]
    assert (one.axes, one.tolerant) == (other.axes, other.tolerant)
    assert set(other.bindings) == {*one.bindings, Binding("x", "number")}


def test_explicit_data_goes_through_lists_and_tolerates_too() -> None:
    def read(path: str, sizes: list[int]) -> None: ...

    def size(path: Ref[str, Each(files)]) -> int:
        return 0

    items = [
        DataItem(
            from_relation=DTRela(related_task="files", each=True),
            to_relation=DTRela(key="path", related_task="read"),
        ),
        DataItem(
            from_relation=DTRela(related_task="files", also=["files2"], missing="drop"),
            to_relation=DTRela(key="sizes", related_task="read"),
        ),
    ]

    def files2() -> list[str]:
        return []

    data = TaskData(input_data_item=items)
    spec = specs_of(flow_of(files, files2, size, (read, {"data": data}), skip_type_check=True))[
        "read"
    ]
    assert spec.axes == (Axis((ListSource("files"),)),)
    assert spec.bindings[1] == Binding("sizes", "files", others=("files2",), holes="drop")
    assert spec.tolerant == ("files2",)


def test_a_scheduler_made_by_hand_reads_the_same_annotations() -> None:
    orders = [TaskOrder("files")]
    orders.append(TaskOrder("parse", [orders[0]]))
    scheduler = DynamicScheduler([("files", files), ("parse", parse)], orders)
    assert scheduler.flow().plan.tasks == flow_of(files, parse).plan.tasks


def test_a_cycle_through_a_condition_has_the_error_of_a_cycle() -> None:
    def one(x: Ref[int, F("two")]) -> bool:
        return True

    def two() -> int:
        return 1

    with pytest.raises(TaskOrderLoopError, match=r"one -> two -> one|two -> one -> two"):
        flow_of(one, (two, {"when": F("one")}))


def test_what_workers_serve_has_the_same_fills() -> None:
    def total(counts: Ref[list[list[int]], F(parse, default=[])]) -> int:
        return 0

    registry = Registry("served")
    for one in (files, parse, total):
        registry.task(one)
    config = AstrumConfig(skip_type_check=True)
    served = registry.scheduler_to_serve(config).flow(fingerprints=True)
    assert served.tasks["total"].inputs.fills == {"counts": Fill([], 1)}


def test_a_task_with_a_mistake_does_not_keep_a_worker_from_serving_the_others() -> None:
    def wrong(x: Ref[str, Each(Each(files))], y: Ref[str, F(files, default=DROP)]) -> None: ...

    def total(counts: Ref[list[list[int]], F(parse, default=[])]) -> int:
        return 0

    registry = Registry("served")
    for one in (files, wrong, parse, total):
        registry.task(one)
    with pytest.raises(TaskRegistrationError):
        registry.build_scheduler()
    served = registry.scheduler_to_serve(AstrumConfig(skip_type_check=True)).flow()
    assert served.tasks["total"].inputs.fills == {"counts": Fill([], 1)}
