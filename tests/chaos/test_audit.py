"""The audit of the chaos driver finds lost and repeated executions."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from tests.chaos.audit import (
    Planned,
    Token,
    Verdict,
    Window,
    audit,
    begun_while_quiet,
    with_children,
)
from tests.chaos.injection import Injection


def report(*attempts: tuple[int, str], value: str = "n1", state: str = "completed") -> Any:
    """A run of the task "a", of the given attempts, and of "b", which needs it."""

    def row(name: str, ends: tuple[tuple[int, str], ...]) -> dict[str, Any]:
        rows = [
            {"attempt_number": number, "status": status, "worker_id": f"host.{number}.w"}
            for number, status in ends
        ]
        return {"task_name": name, "status": state, "attempt_statistics": rows}

    return {
        "run_id": "r",
        "execution_state": "completed",
        "error_summary": [],
        "total_tasks": 2,
        "task_statistics": [row("a", attempts), row("b", ((1, "completed"),))],
        "task_return_set": {
            "a": {"nonce": value, "from": {}},
            "b": {"nonce": "m", "from": {"a": "n1"}},
        },
    }


def judged(
    found: Any,
    *tokens: Token,
    successes: str = "ab",
    losses: tuple[Window, ...] = (),
    victims: tuple[int, ...] = (),
) -> Verdict:
    b = Token("r", "b", 1, 7, "m", 5.0)
    return audit(found, [*tokens, b], Counter(successes), losses, victims)


FIRST = Token("r", "a", 1, 7, "n1", 1.0)
SECOND = Token("r", "a", 2, 8, "n2", 2.0)


def test_one_execution_per_task_is_in_order() -> None:
    verdict = judged(report((1, "completed")), FIRST)
    assert (verdict.problems, verdict.executions, verdict.tasks) == ([], 2, 2)


def test_a_second_execution_is_explained_by_a_recorded_loss() -> None:
    found = report((1, "lost"), (2, "completed"), value="n1")
    again = [FIRST._replace(nonce="n0"), SECOND._replace(nonce="n1")]
    verdict = judged(found, *again)
    assert (verdict.problems, verdict.explained) == ([], Counter(lost=1))


def test_a_second_execution_without_a_recorded_reason_is_a_problem() -> None:
    [problem] = judged(report((1, "completed")), FIRST, SECOND).problems
    assert "for no recorded reason" in problem


def test_a_second_execution_is_explained_by_a_server_that_lost_the_first() -> None:
    verdict = judged(report((1, "completed")), FIRST, SECOND, losses=((0.0, 2.5),))
    assert verdict.problems == []
    assert verdict.explained == Counter({"server lost its last writes": 1})


def test_a_rollback_of_the_server_explains_nothing_from_before_the_lost_writes() -> None:
    assert judged(report((1, "completed")), FIRST, SECOND, losses=((2.5, 3.0),)).problems


def test_a_task_that_is_counted_twice_is_found() -> None:
    assert judged(report((1, "completed"), (2, "completed")), FIRST).double_counted == 1
    assert judged(report((1, "completed")), FIRST, successes="aab").double_counted == 1


def test_a_task_without_an_outcome_is_found() -> None:
    assert judged(report((1, "lost")), FIRST).lost == 1
    assert judged(report((1, "completed")), FIRST, successes="b").lost == 1


def test_a_value_that_was_never_computed_is_found() -> None:
    problems = judged(report((1, "completed"), value="forged"), FIRST).problems
    assert any("no attempt ever computed" in problem for problem in problems)


def test_a_value_computed_from_a_withdrawn_value_is_found() -> None:
    found = report((1, "lost"), (2, "completed"), value="n2")
    [problem] = judged(found, FIRST, SECOND).problems
    assert "b was computed from a value of a that is not the reported one" in problem


@pytest.mark.parametrize(
    ("task_id", "planned", "ran", "is_allowed"),
    [
        ("t02_03", Planned("a", "compatible"), "b", True),
        ("t02_03", Planned("a", "exact"), "b", False),
        ("t02_03", Planned("b", "exact"), "c", True),
        ("t05_01", Planned("b", "compatible"), "c", False),
        ("t05_01", Planned("a", "exact"), "b", True),
    ],
)
def test_a_task_may_run_with_other_code_as_far_as_its_run_allows(
    task_id: str, planned: Planned, ran: str, is_allowed: bool
) -> None:
    token = Token("r", task_id, 1, 7, "m", 5.0, ran)
    assert planned.allows(token) is is_allowed
    found = report((1, "completed"))
    problems = audit(found, [token], Counter("ab"), planned=[planned]).problems
    assert any("was executed for" in problem for problem in problems) is not is_allowed


@pytest.mark.parametrize(
    ("task_id", "at", "is_found"),
    [("", 5.0, True), ("a", 5.0, True), ("b", 5.0, False), ("", 3.0, False)],
)
def test_what_begins_while_a_pause_holds_it_back_is_found(
    task_id: str, at: float, is_found: bool
) -> None:
    pause = Injection("pause", 1.0, 6.0, quiet_from=4.0, quiet_task=task_id)
    problems = begun_while_quiet({"r": [FIRST._replace(at=at)]}, [pause, Injection("", 0.0, 9.0)])
    assert any("held it back" in problem for problem in problems) is is_found


def quarantined() -> Any:
    found = report((1, "lost"), (2, "lost"), (3, "lost"), state="failed")
    del found["task_return_set"]["a"]
    found["task_statistics"][1]["attempt_statistics"] = []
    del found["task_return_set"]["b"]
    return found | {"execution_state": "failed"}


def test_a_task_that_was_lost_with_three_killed_workers_is_not_a_lost_task() -> None:
    verdict = judged(quarantined(), successes="b", victims=(1, 2, 3))
    assert (verdict.lost, verdict.quarantined) == (0, 1)
    assert not any("no outcome" in problem for problem in verdict.problems)


def test_a_quarantine_without_a_kill_is_reported_as_a_problem() -> None:
    verdict = judged(quarantined(), successes="b", victims=(1, 2))
    assert (verdict.lost, verdict.quarantined) == (2, 0)


def fan_report(*order: int, missing: int | None = None) -> Any:
    """A run whose task "total" has gathered the two children of "c", in this order."""

    def row(name: str, index: int | None = None) -> dict[str, Any]:
        is_missing = index is not None and index == missing
        status = "failed" if is_missing else "completed"
        attempts = [{"attempt_number": 1, "status": status, "worker_id": "host.1.w"}]
        own: dict[str, Any] = {"task_name": name, "status": status, "index": index, "children": []}
        return {**own, "attempt_statistics": attempts}

    children = [row("c", 0), row("c", 1)]
    values = [None if n == missing else {"nonce": f"n{n}", "from": {}} for n in range(2)]
    read = {f"c[{place}]": f"n{n}" for place, n in enumerate(order)}
    return {
        **report((1, "completed")),
        "task_statistics": [{**row("c"), "children": children}, row("total")],
        "task_return_set": {"c": values, "total": {"nonce": "m", "from": read}},
    }


CHILDREN = [Token("r", f"c[{n}]", 1, 7, f"n{n}", 1.0) for n in range(2)]
TOTAL = Token("r", "total", 1, 7, "m", 5.0)


def judged_fan(found: Any, *successes: str) -> Verdict:
    return audit(with_children(found), [*CHILDREN, TOTAL], Counter([*successes, "total"]))


def test_children_are_judged_as_tasks_are() -> None:
    verdict = judged_fan(fan_report(0, 1), "c[0]", "c[1]")
    assert (verdict.problems, verdict.executions) == ([], 3)


def test_children_gathered_in_another_order_are_a_problem() -> None:
    problems = judged_fan(fan_report(1, 0), "c[0]", "c[1]").problems
    assert len(problems) == 2
    assert "from a value of c[0] that is not the reported one" in problems[0]


def test_a_child_that_is_lost_or_counts_twice_is_a_problem() -> None:
    assert judged_fan(fan_report(0, 1, missing=1), "c[0]").lost == 1
    assert judged_fan(fan_report(0, 1), "c[0]", "c[1]", "c[1]").double_counted == 1
