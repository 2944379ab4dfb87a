"""Flows whose tasks have children give the same in process and on worker processes."""

from __future__ import annotations

from typing import Any

import pytest

import tests.flows.children as flows
from astrum import AstrumConfig, TaskFailure, build_scheduler
from astrum_coordinator import Coordinator
from tests.integration.test_parity import outcome_of

CONFIG = AstrumConfig(check_wire=True)
SEEDS = {"models": ["a", "b"], "seeds": [1, 2]}


async def both(
    name: str, coordinator: Coordinator, inputs: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Run a flow in both modes and return the results, which are the same."""
    local = await build_scheduler(namespace=name, config=CONFIG).execute(inputs=inputs or {})
    plain = await build_scheduler(namespace=name).execute(inputs=inputs or {})
    distributed = await build_scheduler(namespace=name, config=CONFIG).execute(
        coordinator, inputs=inputs or {}
    )
    assert outcome_of(distributed) == outcome_of(local) == outcome_of(plain)
    again = await coordinator.report(distributed.run_id)
    assert outcome_of(again) == outcome_of(local)
    assert local.execution_state == "completed", local.error_summary
    return distributed.task_return_set


async def test_nested_lists_are_gathered_in_order(coordinator: Coordinator) -> None:
    found = await both("documents", coordinator)
    texts = [
        [f"{page} {(doc, place)} '' /ocr[{doc},{place}]" for place, page in enumerate(pages)]
        for doc, pages in enumerate(([1, 2, 3], [], [4]))
    ]
    assert found["ocr"] == texts
    assert found["doc_text"] == list(zip("abc", texts, strict=True))
    assert found["book"] == 3


async def test_children_are_known_by_their_keys_and_holes_are_read_as_said(
    coordinator: Coordinator,
) -> None:
    found = await both("keyed", coordinator)
    first, last = "/pay[A-17]A-17", "/pay[C 3]C 3"
    skipped = TaskFailure("pay[B-1]", "skipped", "paid already", ("astrum.errors.Skip",))
    assert found["pay"] == [first, None, last]
    assert found["receipt"] == [first.upper(), None, last.upper()]
    assert found["paid"] == [first, last]
    assert found["filled"] == [first, "none", last]
    assert found["failures"] == [first, skipped, last]


async def test_lists_in_inputs_give_products_and_pairs(coordinator: Coordinator) -> None:
    found = await both("from_inputs", coordinator, SEEDS)
    assert found["grid"] == [[("a", 1), ("a", 2)], [("b", 1), ("b", 2)]]
    assert found["pairs"] == [("a", 1), ("b", 2)]


async def test_big_lists_in_inputs_are_fetched_to_be_counted(coordinator: Coordinator) -> None:
    seeds = [*range(2**40, 2**40 + 20_000)]
    flow = build_scheduler(["pairs"], namespace="from_inputs", config=CONFIG)
    report = await flow.execute(coordinator, inputs={"models": [*"ab"] * 10_000, "seeds": seeds})
    assert report.error_summary == []
    assert report.task_return_set["pairs"] == list(zip("ab" * 10_000, seeds, strict=True))


async def test_big_elements_and_gathered_lists_are_stored_once(coordinator: Coordinator) -> None:
    report = await build_scheduler(namespace="big_lists", config=CONFIG).execute(coordinator)
    assert report.error_summary == []
    size = flows.BIG + 10
    assert report.task_return_set["sizes"] == [size, size, size, 5]
    assert report.task_return_set["heads"] == [0, 1, 2, ord("s")]


async def test_branches_are_taken_by_what_was_seen(coordinator: Coordinator) -> None:
    found = await both("branches", coordinator)
    assert found["done"] == ("refunded", "silent")
    assert found["all_of_them"] == ["refunded"]
    assert "greet" not in found


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("no_list", "is a set of 2, without order; other tasks run once for each element"),
        ("twice_the_same_key", "has the key 'a' twice, in the elements 0 and 2"),
    ],
)
async def test_a_producer_without_what_the_run_depends_on_fails_once_and_by_name(
    coordinator: Coordinator, name: str, why: str
) -> None:
    local = await build_scheduler(namespace=name, config=CONFIG).execute()
    distributed = await build_scheduler(namespace=name, config=CONFIG).execute(coordinator)
    assert outcome_of(distributed) == outcome_of(local)
    assert local.execution_state == "failed"
    [text] = local.error_summary
    assert why in text
