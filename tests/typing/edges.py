"""What a type checker must know of fan-out, optional upstreams and conditions; never run.

Each ``type: ignore`` stands for a mistake that every checker must find, as in `public_api`.
"""

from __future__ import annotations

from typing import Literal, assert_type

from astrum import (
    DROP,
    AstrumConfig,
    Case,
    Each,
    ExecutionReport,
    F,
    Input,
    Ref,
    SchedulerRegistry,
    Skip,
    TaskFailure,
    run,
    task,
)

registry = SchedulerRegistry("edges")


@task
def list_files(day: Ref[str, Input()]) -> list[str]:
    return []


@task("parse", max_failed=0.05, at_once=50, retry=2, on_failure="continue")
def parse(path: Ref[str, Each(list_files)], region: Ref[str, Input()] = "eu") -> int:
    return 0


@task("rows", each="product")
def rows(
    day: Ref[str, Each(F("list_days", "days"), "name", key="name")],
    seed: Ref[int, Each(Input("seeds"), key=True)],
) -> list[int]:
    return []


@task("cells")
async def cells(cell: Ref[int, Each(Each("rows"))]) -> str:
    if cell == 0:
        raise Skip("nothing there")
    return ""


@task("gather", after=[parse, "rows"], always=True, on_lost="hold")
def gather(
    counts: Ref[list[int], F(parse, default=DROP)],
    filled: Ref[list[int | None], F(parse, default=None)],
    told: Ref[list[int | TaskFailure], F("parse", failures=True)],
    both: Ref[list[int], F([parse, "total"])],
) -> Literal["refund", "sale"]:
    for one in told:
        if isinstance(one, TaskFailure):
            assert_type(one.task, str)
            assert_type(one.types, tuple[str, ...])
    return "sale"


@task(when=Case("gather", equals="refund"))
def refund() -> bool:
    return True


@registry.task(when=F(refund))
def thank() -> None: ...


def tasks_keep_their_types() -> None:
    assert_type(parse("a"), int)
    assert_type(gather([1], [None], [failure()], [1]), Literal["refund", "sale"])
    parse(7)  # type: ignore[arg-type]


def failure() -> TaskFailure:
    TaskFailure("parse[3]", "lost")  # type: ignore[arg-type]
    return TaskFailure("parse[3]", "failed", "no such file", ("builtins.OSError",))


def mistakes() -> None:
    Case("gather")  # type: ignore[call-arg]
    Each()  # type: ignore[call-arg]
    Each(7)  # type: ignore[arg-type]
    Each("rows", key=1.5)  # type: ignore[arg-type]
    F([7])  # type: ignore[list-item]
    F("parse", failures="yes")  # type: ignore[arg-type]
    task("late", each="both")  # type: ignore[call-overload]
    task("late", on_failure="pause")  # type: ignore[call-overload]
    task("late", on_lost="forget")  # type: ignore[call-overload]
    task("late", when="check")  # type: ignore[call-overload]
    task("late", after=[7])  # type: ignore[list-item]
    task("late", at_once="all")  # type: ignore[call-overload]
    AstrumConfig(on_failure="pause")  # type: ignore[arg-type]


async def in_process() -> None:
    assert_type(await run(["total"], on_failure="continue", cleanup_s=5.0), ExecutionReport)
    await run(["total"], on_failure="pause")  # type: ignore[arg-type]
