"""The offer of a namespace: what its tasks take and give, whatever their code is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, Optional

import pytest

from astrum import AstrumConfig, F, Ref, SchedulerRegistry, TaskRegistrationError
from astrum.planning import Plan
from astrum.planning.fingerprint import fingerprint
from astrum.planning.offer import namespace_version


class Order:
    pass


def name_of(function: Callable[..., Any], task_id: str = "t", namespace: str = "n") -> str:
    return namespace_version(namespace, {task_id: fingerprint(function)}).offer


def plain(a: int, b: list[Order]) -> str:
    return "one"


def same(a: int, b: list[Order]) -> str:
    return "another body"


def adding(number: int) -> Callable[[int], int]:
    def add(a: int) -> int:
        return a + number

    return add


def other_name(a: int, c: list[Order]) -> str:
    return "one"


def other_type(a: int, b: list[int]) -> str:
    return "one"


def other_result(a: int, b: list[Order]) -> bytes:
    return b""


def one_more(a: int, b: list[Order], *rest: int) -> str:
    return "one"


def a_default(a: int, b: list[Order] = []) -> str:  # noqa: B006
    return "one"


def test_another_body_is_the_same_offer() -> None:
    assert fingerprint(plain) != fingerprint(same)
    assert name_of(plain) == name_of(same)
    assert len(name_of(plain)) == 16
    codes = [namespace_version("n", {"t": fingerprint(one)}).code for one in (plain, same, plain)]
    assert codes[0] == codes[2] != codes[1]


@pytest.mark.parametrize("function", [other_name, other_type, other_result, one_more, a_default])
def test_other_parameters_types_results_and_data_are_another_offer(
    function: Callable[..., Any],
) -> None:
    assert name_of(function) != name_of(plain)


def test_namespaces_ids_lanes_and_closures_count() -> None:
    async def awaited(a: int, b: list[Order]) -> str:
        return "one"

    names = [name_of(plain), name_of(plain, "u"), name_of(plain, namespace="m"), name_of(awaited)]
    assert len(set(names)) == 4
    assert name_of(adding(1)) == name_of(adding(1))
    assert name_of(adding(1)) != name_of(adding(2))


def test_the_order_of_tasks_does_not_count_but_each_task_does() -> None:
    rows = {f"t{n}": fingerprint(plain) for n in range(3)}
    less = {name: rows[name] for name in ("t0", "t1")}
    assert namespace_version("n", rows) == namespace_version("n", dict(reversed(rows.items())))
    assert namespace_version("n", rows).offer != namespace_version("n", less).offer


def test_one_type_has_one_text_however_it_is_written() -> None:
    def old(a: Optional[int], b: Literal["x", "y"]) -> None: ...  # noqa: UP045

    def new(a: int | None, b: Literal["y", "x"]) -> None: ...

    assert name_of(old) == name_of(new)


def test_types_that_are_not_there_are_taken_as_they_are_written() -> None:
    def unknown(a: "Missing") -> None: ...  # type: ignore[name-defined]  # noqa: F821, UP037

    assert name_of(unknown) == name_of(unknown)


# --- the version of a namespace in plans and catalogs ------------------------------------------


def shop() -> SchedulerRegistry:
    registry = SchedulerRegistry("shop")

    @registry.task("load")
    def load() -> int:
        return 1

    @registry.task("print")
    def show(n: Ref[int, F("load")], more: int = 2) -> None: ...

    class Loader:
        @registry.task("again")
        def again(self, n: Ref[int, F("load")], more: int = 2) -> int:
            return n

        @classmethod
        @registry.task("made")
        def made(cls, n: int = 1) -> int:
            return n

    registry.loader = Loader()  # type: ignore[attr-defined] # keeps the class alive
    return registry


def test_a_plan_of_some_tasks_has_the_version_of_the_whole_namespace() -> None:
    registry = shop()
    served = registry.scheduler_to_serve(AstrumConfig()).flow(fingerprints=True).plan
    some = registry.build_scheduler(["load"]).flow(fingerprints=True).plan
    config = AstrumConfig(class_instances=[registry.loader])  # type: ignore[attr-defined]
    whole = registry.build_scheduler(config=config).flow(fingerprints=True).plan
    assert [spec.task_id for spec in some.tasks] == ["load"]
    assert (some.offer, some.code) == (served.offer, served.code) == (whole.offer, whole.code)
    assert len(some.offer) == len(some.code) == 16
    assert Plan.from_data(whole.to_data()) == whole
    assert registry.build_scheduler(["load"]).flow().plan.offer == ""


def test_a_version_changes_the_code_and_not_the_offer() -> None:
    def planned(version: str) -> Plan:
        registry = SchedulerRegistry("shop")
        registry.task("load", version=version)(plain)
        registry.task("other")(plain)
        return registry.scheduler_to_serve(AstrumConfig()).flow(fingerprints=True).plan

    one, two = planned("1"), planned("2")
    assert one.offer == two.offer
    assert one.code != two.code


@pytest.mark.parametrize("version", ["", " ", 3, 1.5, "a\nb"])
def test_a_version_that_is_not_a_string_is_refused_with_what_to_write(version: Any) -> None:
    with pytest.raises(
        TaskRegistrationError, match=r'must be a printable string .* such as version="3"'
    ):
        SchedulerRegistry("shop").task("load", version=version)(plain)
