"""A field that may be absent: the reference gives its default, in every mode."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any, NotRequired, TypedDict

import pytest

from astrum import AstrumConfig, ExecutionReport, F, Ref, SchedulerRegistry
from astrum.data_transport import DataItem, DTRela, TaskData
from astrum.errors import TaskRegistrationError
from astrum.planning import Plan

EVERY_MODE = pytest.mark.parametrize("check_wire", [False, True])


class Reply(TypedDict):
    rows: int
    note: NotRequired[str]


def flow(see: Any, reply: Any = None, data: TaskData | None = None) -> SchedulerRegistry:
    registry = SchedulerRegistry("optional")

    @registry.task("ask")
    def ask() -> Reply:
        return {"rows": 3} if reply is None else reply

    registry.task("see", data=data)(see)
    return registry


async def run(see: Any, reply: Any = None, *, check_wire: bool, **more: Any) -> ExecutionReport:
    return await flow(see, reply, **more).run(config=AstrumConfig(check_wire=check_wire))


def reads(
    rows: Ref[int, F("ask", "rows")], note: Ref[str | None, F("ask", "note", default=None)]
) -> list[Any]:
    return [rows, note]


@EVERY_MODE
async def test_the_default_of_a_reference_fills_a_field_that_is_absent(check_wire: bool) -> None:
    absent = await run(reads, check_wire=check_wire)
    assert (absent.error_summary, absent.task_return_set["see"]) == ([], [3, None])
    there = await run(reads, {"rows": 3, "note": "x"}, check_wire=check_wire)
    assert there.task_return_set["see"] == [3, "x"]


@EVERY_MODE
async def test_a_field_of_a_big_result_may_be_absent_too(check_wire: bool) -> None:
    big = {"rows": 3, "data": os.urandom(200_000)}
    report = await run(reads, big, check_wire=check_wire)
    assert (report.error_summary, report.task_return_set["see"]) == ([], [3, None])


@EVERY_MODE
async def test_the_default_of_a_parameter_is_not_used_and_the_message_says_what_is(
    check_wire: bool,
) -> None:
    def see(note: Ref[str | None, F("ask", "note")] = "mine") -> Any:
        return note

    report = await run(see, check_wire=check_wire)
    assert report.execution_state == "failed"
    told = "if it may be absent, say what stands for it: F('ask', 'note', default=None)"
    assert told in report.error_summary[0]
    assert "has no field 'note'; it is a dict with the key 'rows'" in report.error_summary[0]


@EVERY_MODE
async def test_an_only_and_positional_parameter_may_be_absent(check_wire: bool) -> None:
    def see(note: Ref[str, F("ask", "note", default="none")], /) -> str:
        return note

    assert (await run(see, check_wire=check_wire)).task_return_set["see"] == "none"


@EVERY_MODE
async def test_every_attempt_has_a_default_value_of_its_own(check_wire: bool) -> None:
    def see(note: Ref[list, F("ask", "note", default=[])]) -> int:
        note.append(1)
        return len(note)

    registry = flow(see)
    registry.task("again")(see)
    report = await registry.run(config=AstrumConfig(check_wire=check_wire, skip_type_check=True))
    assert (report.task_return_set["see"], report.task_return_set["again"]) == (1, 1)


@EVERY_MODE
async def test_explicit_data_may_have_a_default_and_keeps_those_of_annotations(
    check_wire: bool,
) -> None:
    def see(note: Ref[str, F("ask", "note", default="from F")], other: str) -> list[str]:
        return [note, other]

    item = DataItem(
        from_relation=DTRela(key="other", related_task="ask", default="from DTRela"),
        to_relation=DTRela(key="other", related_task="see"),
    )
    registry = flow(see, data=TaskData(input_data_item=[item]))
    report = await registry.run(config=AstrumConfig(check_wire=check_wire, skip_type_check=True))
    assert report.task_return_set["see"] == ["from F", "from DTRela"]


@EVERY_MODE
@pytest.mark.parametrize("reply", ["a string", [1, 2], 7, {1}])
async def test_a_default_does_not_hide_a_result_that_cannot_have_the_field(
    reply: Any, check_wire: bool
) -> None:
    registry = flow(reads, reply)
    report = await registry.run(config=AstrumConfig(check_wire=check_wire, skip_type_check=True))
    assert "the result has no field" in report.error_summary[0]
    assert "may be absent" not in report.error_summary[0]


@EVERY_MODE
async def test_the_default_stands_for_a_place_beyond_the_end_of_a_list(check_wire: bool) -> None:
    def see(third: Ref[int, F("ask", 2, default=0)]) -> int:
        return third

    registry = flow(see, [1, 2])
    report = await registry.run(config=AstrumConfig(check_wire=check_wire, skip_type_check=True))
    assert report.task_return_set["see"] == 0


def test_references_that_differ_in_their_default_alone_are_different_types() -> None:
    references: Iterable[Any] = (Ref[int, F("ask", "rows", default=value)] for value in (0, False))
    assert [type(each.__metadata__[0].default) for each in references] == [int, bool]
    assert F("a", "b", default=1) == F("a", "b", default=1) != F("a", "b")
    assert hash(F("a", "b", default=[])) == hash(F("a", "b"))


@pytest.mark.parametrize(
    ("mark", "told"),
    [
        (F("ask", "rows", default=F("ask")), "a reference as the default of another one"),
    ],
)
def test_a_default_that_makes_no_sense_is_refused(mark: Any, told: str) -> None:
    def see(rows: Any) -> None: ...

    see.__annotations__["rows"] = Ref[int, mark]
    with pytest.raises(TaskRegistrationError, match=f"task 'see', parameter 'rows'.*{told}|{told}"):
        flow(see).build_scheduler()


def test_a_misspelt_field_is_found_in_spite_of_its_default() -> None:
    def see(note: Ref[str, F("ask", "nota", default=None)]) -> None: ...

    with pytest.raises(TaskRegistrationError, match="no field 'nota'; did you mean 'note'"):
        flow(see).build_scheduler()


def test_a_plan_keeps_its_optional_parameters_and_is_as_before_without_them() -> None:
    plan = flow(reads).build_scheduler().flow().plan
    assert [spec.optional for spec in plan.tasks] == [(), ("note",)]
    assert Plan.from_data(plan.to_data()) == plan
    damaged = plan.to_data()
    assert ["optional" in row[3] for row in damaged["tasks"]] == [False, True]
    damaged["tasks"][1][3]["optional"] = [1.5]
    with pytest.raises(ValueError, match="task 1 is damaged: its optional parameters"):
        Plan.from_data(damaged)
