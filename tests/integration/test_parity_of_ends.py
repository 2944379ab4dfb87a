"""Flows that go on, branch, stop and clean up do the same in process and on worker processes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import tests.flows.ends  # noqa: F401  declares the flows
from astrum import AstrumConfig, ExecutionReport, TaskFailure, build_scheduler
from astrum.machine import TaskExecutionStatistics
from astrum_coordinator import Coordinator
from tests.integration.test_parity import outcome_of

CONFIG = AstrumConfig(check_wire=True)


def ends_of(report: ExecutionReport) -> dict[str, tuple[str, str | None]]:
    """Return how each task and child ended, and because of which other one."""

    def rows() -> Iterator[TaskExecutionStatistics]:
        for row in report.task_statistics:
            yield row
            yield from row.children

    return {row.task_name: (str(row.status), row.because) for row in rows()}


async def both(
    name: str, coordinator: Coordinator, inputs: dict[str, Any] | None = None
) -> ExecutionReport:
    """Run a flow in both modes and return the report; all that matters in it is the same."""
    local = await build_scheduler(namespace=name, config=CONFIG).execute(inputs=inputs or {})
    distributed = await build_scheduler(namespace=name, config=CONFIG).execute(
        coordinator, inputs=inputs or {}
    )
    assert ends_of(distributed) == ends_of(local)
    assert outcome_of(distributed) == outcome_of(local)
    again = await coordinator.report(distributed.run_id)
    assert (ends_of(again), outcome_of(again)) == (ends_of(local), outcome_of(local))
    return distributed


async def test_an_ignored_failure_blocks_what_needs_it_and_no_more(
    coordinator: Coordinator,
) -> None:
    report = await both("goes_on", coordinator)
    assert report.execution_state == "completed"
    types = ("builtins.ConnectionError", "builtins.OSError", "builtins.Exception")
    found = report.task_return_set["page"]
    assert found[:2] == (128, "unknown")
    assert (found[2].task, found[2].status) == ("forecast", "blocked")
    failed, blocked = found[3]
    assert failed == TaskFailure("weather", "failed", "no answer", failed.types)
    assert failed.types[:1] == types[:1]
    assert (blocked.task, blocked.status) == ("clothes", "blocked")
    assert ends_of(report) == {
        "sales": ("completed", None),
        "weather": ("failed", None),
        "forecast": ("blocked", "weather"),
        "clothes": ("blocked", "weather"),
        "page": ("completed", None),
    }


async def test_siblings_of_a_failed_child_go_on_and_their_readers_too(
    coordinator: Coordinator,
) -> None:
    report = await both("keeps_going", coordinator)
    assert report.execution_state == "failed"
    assert report.task_return_set["rest"] == [11, 41]
    assert report.task_return_set["told"] == ["11", "next[1] blocked", "next[2] skipped", "41"]
    ends = ends_of(report)
    assert [ends[f"next[{n}]"] for n in range(4)] == [
        ("completed", None),
        ("blocked", "halve[1]"),
        ("skipped", "halve[2]"),
        ("completed", None),
    ]
    assert ends["whole"] == ("blocked", "halve[1]")
    counts = (report.successful_tasks, report.failed_tasks, report.skipped_tasks)
    assert (*counts, report.blocked_tasks, report.total_tasks) == (7, 1, 2, 2, 12)


async def test_one_failed_child_too_many_ends_the_list(coordinator: Coordinator) -> None:
    report = await both("too_many_failed", coordinator)
    assert report.execution_state == "failed"
    ends = ends_of(report)
    assert [ends[f"fetch[{n}]"][0] for n in range(4)] == [
        "completed",
        "failed",
        "failed",
        "cancelled",
    ]
    assert report.task_return_set["found"] == ["a"]


async def test_failed_children_that_are_accepted_leave_the_run_completed(
    coordinator: Coordinator,
) -> None:
    report = await both("few_failed", coordinator)
    assert report.execution_state == "completed"
    assert report.task_return_set["found"] == ["a", "none", "c", "d"]


async def test_a_run_that_fails_cleans_up(coordinator: Coordinator) -> None:
    report = await both("cleans_up", coordinator)
    assert report.execution_state == "failed"
    ends = ends_of(report)
    assert (ends["fill"], ends["drop"], ends["last"]) == (
        ("failed", None),
        ("completed", None),
        ("completed", None),
    )
    assert ends["report_rows"][0] == "skipped"
    dropped, why = report.task_return_set["last"]
    assert (dropped, why.status, why.message) == ("dropped bucket", "failed", "the disk is full")


async def test_a_clean_up_that_fails_fails_a_run_that_had_completed(
    coordinator: Coordinator,
) -> None:
    report = await both("clean_up_fails", coordinator)
    assert report.execution_state == "failed"
    assert "cannot tidy" in report.error_summary[0]


async def test_members_of_enums_decide_and_what_needs_a_skipped_list_is_skipped(
    coordinator: Coordinator,
) -> None:
    report = await both("lights", coordinator)
    assert report.execution_state == "completed"
    assert report.task_return_set["stop"] == "stopped"
    assert report.task_return_set["greeted"] == []
    ends = ends_of(report)
    assert ends["arrive"] == ("skipped", "light")
    assert ends["greet"][0] == "skipped"


async def test_each_child_has_a_condition_of_its_own(coordinator: Coordinator) -> None:
    report = await both("each_by_a_condition", coordinator)
    assert report.task_return_set["paid"] == ["pay[7]", None]
    assert ends_of(report)["pay[9]"] == ("skipped", "is_due[9]")


async def test_a_product_names_children_by_keys_and_places_and_aligns_rows(
    coordinator: Coordinator,
) -> None:
    rows = [{"name": "a"}, {"name": "b"}]
    report = await both("cells", coordinator, {"rows": rows, "columns": [1, 2]})
    assert report.task_return_set["table"] == [
        ("a", ["cell[a,0]", "cell[a,1]"]),
        ("b", ["cell[b,0]", "cell[b,1]"]),
    ]


async def test_a_list_may_be_empty(coordinator: Coordinator) -> None:
    report = await both("cells", coordinator, {"rows": [], "columns": [1, 2]})
    assert (report.execution_state, report.task_return_set["table"]) == ("completed", [])
