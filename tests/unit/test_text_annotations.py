"""Annotations that are strings keep the meaning they had where the task was declared."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from astrum import F, Ref, SchedulerRegistry, clear_registry, get_registry, task


@pytest.fixture(autouse=True)
def empty_namespaces() -> Iterator[None]:
    clear_registry()
    yield
    clear_registry()


def explicit() -> SchedulerRegistry:
    registry = SchedulerRegistry("x")

    @registry.task("first")
    def first() -> int:
        return 1

    where = "first"

    @registry.task("second")
    def second(x: Ref[int, F(where)]) -> int:
        return x + 1

    return registry


def explicit_bare() -> SchedulerRegistry:
    registry = SchedulerRegistry("x")

    @registry.task
    def first() -> int:
        return 1

    where = "first"

    @registry.task
    def second(x: Ref[int, F(where)]) -> int:
        return x + 1

    return registry


def module_level() -> SchedulerRegistry:
    @task("first")
    def first() -> int:
        return 1

    where = "first"

    @task("second")
    def second(x: Ref[int, F(where)]) -> int:
        return x + 1

    return get_registry()


def module_level_bare() -> SchedulerRegistry:
    @task
    def first() -> int:
        return 1

    where = "first"

    @task
    def second(x: Ref[int, F(where)]) -> int:
        return x + 1

    return get_registry()


@pytest.mark.parametrize("declare", [explicit, explicit_bare, module_level, module_level_bare])
async def test_a_local_name_in_an_annotation_is_known_after_its_function_returned(
    declare: Callable[[], SchedulerRegistry],
) -> None:
    report = await declare().run(["second"])
    assert report.error_summary == []
    assert report.task_return_set == {"first": 1, "second": 2}
