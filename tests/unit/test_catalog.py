"""The tasks that a worker serves: which code runs under which policy."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from astrum import SchedulerRegistry
from astrum.execution.invoke import Flow
from astrum.flow.loading import Workflow
from astrum.protocol.status import decode_served
from astrum.protocol.task_message import TaskMessage
from astrum.values.arguments import NO_ARGUMENTS
from astrum_worker.running.catalog import Catalog


def one(a: int = 1) -> int:
    return a


def another_body(a: int = 1) -> int:
    return a + 0


def another_type(a: str = "1") -> int:
    return int(a)


def workflow(function: Callable[..., int], version: str | None = None) -> Workflow:
    registry = SchedulerRegistry("n")
    registry.task("t", version=version)(function)
    return Workflow("n", registry)


def flow_of(function: Callable[..., int], version: str | None = None) -> Flow:
    return workflow(function, version).servable()[0]


def message(flow: Flow, versions: str) -> TaskMessage:
    fingerprint = flow.plan.tasks[0].fingerprint
    return TaskMessage(
        "r", 0, 1, 1, "n", "t", fingerprint, 0, None, True, False, NO_ARGUMENTS, versions=versions
    )


@pytest.mark.parametrize("versions", ["", "compatible", "exact"])
def test_the_policy_of_a_run_says_which_code_runs(versions: str) -> None:
    catalog = Catalog.of([workflow(one)])
    assert catalog.find(message(flow_of(one), versions)) is not None
    body = message(flow_of(another_body), versions)
    assert (catalog.find(body) is None) == (versions == "exact")
    if versions == "exact":
        assert "has another version of its source than the plan" in catalog.why_not(body)
    other = message(flow_of(another_type), versions)
    assert catalog.find(other) is None
    assert "other parameters, types or lane than the plan" in catalog.why_not(other)


def test_a_policy_of_a_later_version_fits_no_code() -> None:
    catalog = Catalog.of([workflow(one)])
    later = message(flow_of(one), "nearly")
    assert catalog.find(later) is None
    assert "does not know the version policy 'nearly'" in catalog.why_not(later)


def test_a_version_is_compared_in_place_of_the_source() -> None:
    catalog = Catalog.of([workflow(another_body, "3")])
    assert catalog.find(message(flow_of(one, "3"), "exact")) is not None
    assert catalog.find(message(flow_of(one, "4"), "exact")) is None


def test_a_catalog_says_the_offer_and_the_code_of_each_namespace() -> None:
    plan = flow_of(one).plan
    catalog = Catalog.of([workflow(one)])
    assert catalog.offers() == {"n": plan.offer}
    assert catalog.codes() == {"n": plan.code}
    served = decode_served(catalog.advertisement())["n", "t"]
    assert served == (plan.tasks[0].fingerprint, plan.offer, plan.code)


def test_a_namespace_of_two_workflows_has_the_version_of_all_their_tasks() -> None:
    def both() -> SchedulerRegistry:
        registry = SchedulerRegistry("n")
        registry.task("t")(one)
        registry.task("u")(another_body)
        return registry

    other = SchedulerRegistry("n")
    other.task("u")(another_body)
    whole, scheduler = Workflow("n", both()), Workflow("x", both().build_scheduler(["t"]))
    assert Catalog.of([workflow(one), Workflow("n", other)]).offers() == (
        Catalog.of([whole]).offers()
    )
    assert Catalog.of([scheduler]).offers() == Catalog.of([whole]).offers()
