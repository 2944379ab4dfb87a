"""From a registry to a scheduler: targets, dependencies, methods, settings."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from astrum import (
    AstrumConfig,
    Coordinator,
    F,
    Ref,
    RetryPolicy,
    SchedulerRegistry,
    T,
    TaskOrder,
    TaskOrderLoopError,
    TaskRegistrationError,
    build_scheduler,
    build_task_orders,
    clear_registry,
    get_registry,
    run,
    task,
)
from astrum.data_transport import DataItem, DTRela, TaskData


@pytest.fixture
def registry() -> SchedulerRegistry:
    return SchedulerRegistry("flow")


@pytest.fixture
def cleared() -> Iterator[None]:
    clear_registry()
    yield
    clear_registry()


def declare(registry: SchedulerRegistry, **needs: list[Any]) -> None:
    for name, upstream in needs.items():

        async def function() -> str:
            return "done"

        registry.task(name, depends_on=upstream)(function)


def names(orders: list[TaskOrder]) -> list[str]:
    return [order.task_name for order in orders]


# --- targets and dependencies ----------------------------------------------------------------


def test_no_targets_means_all_tasks_upstream_first(registry: SchedulerRegistry) -> None:
    declare(registry, c=["b"], b=["a"], a=[], alone=[])
    assert names(registry.build_task_orders()) == ["a", "b", "c", "alone"]


def test_targets_select_all_upstream_tasks_and_no_others(
    registry: SchedulerRegistry,
) -> None:
    declare(registry, a=[], b=["a"], c=["b"], other=["a"])
    assert names(registry.build_task_orders(["b"])) == ["a", "b"]
    assert [name for name, _ in registry.build_tasks(["b"])] == ["a", "b"]


def test_orders_are_linked_to_each_other(registry: SchedulerRegistry) -> None:
    declare(registry, a=[], b=["a"])
    a, b = registry.build_task_orders()
    assert b.depend is a


def test_build_tasks_gives_the_functions_themselves(registry: SchedulerRegistry) -> None:
    declare(registry, a=[])
    assert registry.build_tasks() == [("a", registry.get_task("a").function)]


def test_a_target_may_be_a_function(registry: SchedulerRegistry) -> None:
    declare(registry, a=[], b=[])
    assert names(registry.build_task_orders([registry.get_task("b").function])) == ["b"]


def test_a_dependency_may_be_a_function(registry: SchedulerRegistry) -> None:
    @registry.task("extract")
    def extract() -> None: ...

    @registry.task("load", depends_on=[extract, "extract"])
    def load() -> None: ...

    assert names(registry.build_task_orders()[1].dependencies) == ["extract"]


def test_a_dependency_may_be_declared_later(registry: SchedulerRegistry) -> None:
    declare(registry, b=["a"])
    declare(registry, a=[])
    assert names(registry.build_task_orders()) == ["a", "b"]


def test_a_dependency_that_does_not_exist_is_refused(registry: SchedulerRegistry) -> None:
    declare(registry, extract=[], load=["extrct"])
    with pytest.raises(TaskRegistrationError, match=r"'load'.*'extrct'.*mean 'extract'"):
        registry.build_scheduler()


def test_a_missing_dependency_of_a_task_that_is_not_wanted_does_not_matter(
    registry: SchedulerRegistry,
) -> None:
    declare(registry, a=[], broken=["nothing"])
    assert names(registry.build_task_orders(["a"])) == ["a"]


def test_a_target_that_does_not_exist_is_refused(registry: SchedulerRegistry) -> None:
    declare(registry, extract=[])
    with pytest.raises(TaskRegistrationError, match=r"'extrct'.*did you mean 'extract'"):
        registry.build_scheduler(["extrct"])


def test_targets_that_are_not_a_list_are_refused(registry: SchedulerRegistry) -> None:
    declare(registry, extract=[])
    with pytest.raises(TaskRegistrationError, match=r"must be a list"):
        registry.build_task_orders(registry.get_task("extract").function)  # type: ignore[arg-type]
    with pytest.raises(TaskRegistrationError, match=r"write \['extract'\]"):
        registry.build_scheduler("extract")


def test_a_function_that_is_not_a_task_is_refused_as_dependency(
    registry: SchedulerRegistry,
) -> None:
    def stranger() -> None: ...

    declare(registry, load=[stranger])
    with pytest.raises(TaskRegistrationError, match=r"'load'.*stranger is not a task"):
        registry.build_scheduler()


def test_a_function_with_several_ids_is_refused_as_dependency(registry: SchedulerRegistry) -> None:
    def twice() -> None: ...

    registry.task("one")(twice)
    registry.task("two")(twice)
    declare(registry, load=[twice])
    with pytest.raises(TaskRegistrationError, match=r"'load'.*'one', 'two'"):
        registry.build_scheduler()


def test_a_data_source_is_a_dependency(registry: SchedulerRegistry) -> None:
    @registry.task("source")
    def source() -> dict:
        return {"x": 1}

    @registry.task("reader")
    def reader(x: Ref[int, F("source", "x")]) -> None: ...

    @registry.task("sender")
    def sender() -> Ref[int, T("sink", None, "x")]:
        return 1

    @registry.task("sink")
    def sink(x: int) -> None: ...

    assert names(registry.build_task_orders(["reader"])) == ["source", "reader"]
    assert names(registry.build_task_orders(["sink"])) == ["sender", "sink"]
    assert names(registry.build_task_orders(["sender"])) == ["sender"]


def test_without_auto_sync_a_data_source_must_be_upstream(registry: SchedulerRegistry) -> None:
    @registry.task("source")
    def source() -> int:
        return 1

    @registry.task("middle", depends_on=["source"])
    def middle() -> None: ...

    @registry.task("reader")
    def reader(x: Ref[int, F("source")]) -> None: ...

    @registry.task("late_reader", depends_on=["middle"])
    def late_reader(x: Ref[int, F("source")]) -> None: ...

    config = AstrumConfig(auto_sync_dependencies=False)
    with pytest.raises(TaskRegistrationError, match=r"'reader' reads.*'source'.*depends_on"):
        registry.build_scheduler(["reader"], config=config)


def test_a_failed_transport_check_is_a_registration_error(registry: SchedulerRegistry) -> None:
    @registry.task("source")
    def source() -> str:
        return "x"

    @registry.task("reader")
    def reader(x: Ref[int, F("source")]) -> None: ...

    with pytest.raises(TaskRegistrationError, match="reader"):
        registry.build_scheduler()
    registry.build_scheduler(skip_type_check=True)


def test_a_relation_to_an_unknown_task_is_a_registration_error(registry: SchedulerRegistry) -> None:
    @registry.task("reader")
    def reader(x: Ref[int, F("sorce")]) -> None: ...

    with pytest.raises(TaskRegistrationError, match="sorce"):
        registry.build_scheduler()


def test_task_data_makes_a_dependency(registry: SchedulerRegistry) -> None:
    declare(registry, source=[])
    item = DataItem(
        allow_data_model=str,
        from_relation=DTRela(single_item=True, related_task="source"),
        to_relation=DTRela(key="x", related_task="reader"),
    )

    @registry.task("reader", data=TaskData(input_data_item=[item]))
    def reader(x: str) -> None: ...

    assert names(registry.build_task_orders(["reader"])) == ["source", "reader"]


async def test_a_cycle_gives_a_failed_report_and_raises_when_the_plan_is_asked_for(
    registry: SchedulerRegistry,
) -> None:
    declare(registry, a=["b"], b=["a"])
    with pytest.raises(TaskOrderLoopError, match="a -> b -> a"):
        registry.build_scheduler().get_execute_timeline()
    report = await registry.run()
    assert report.execution_state == "failed"
    assert "a -> b -> a" in report.error_summary[0]


def test_a_chain_of_a_hundred_thousand_tasks_is_built_without_recursion(
    registry: SchedulerRegistry,
) -> None:
    async def step() -> None: ...

    count = 100_000
    for i in range(count):
        registry.task(str(i), depends_on=[str(i - 1)] if i else None)(step)
    plan = registry.build_scheduler([str(count - 1)]).flow().plan
    assert [spec.task_id for spec in plan.tasks] == [str(i) for i in range(count)]


# --- settings of the scheduler ---------------------------------------------------------------


def test_the_plan_holds_every_declared_setting(registry: SchedulerRegistry) -> None:
    policy = RetryPolicy(3, delay=1.0)
    registry.task("a", retry=policy, timeout=2.0, queue="gpu")(lambda: None)
    registry.task("b", retry=1)(lambda: None)
    scheduler = registry.build_scheduler()
    a, b = scheduler.flow().plan.tasks
    assert (a.retry, a.timeout_s, a.queue) == (policy, 2.0, "gpu")
    assert (b.retry.max_retries, b.timeout_s, b.queue) == (1, None, "default")
    assert scheduler.task_retries == {"a": 3, "b": 1}
    assert scheduler.flow().plan.namespace == "flow"


def test_settings_of_build_scheduler_override_the_config(registry: SchedulerRegistry) -> None:
    declare(registry, a=[])
    config = AstrumConfig(concurrency_limit=2, silence=False)
    scheduler = registry.build_scheduler(config=config, concurrency_limit=5)
    assert (scheduler.config.concurrency_limit, scheduler.config.silence) == (5, False)
    assert scheduler.flow().plan.concurrency_limit == 5


def test_skipping_type_checks_skips_those_at_run_time_too(registry: SchedulerRegistry) -> None:
    declare(registry, a=[])
    assert registry.build_scheduler().flow().plan.check_types
    assert not registry.build_scheduler(skip_type_check=True).flow().plan.check_types


def test_tail_tasks_of_the_config_matter_only_if_they_are_chosen(
    registry: SchedulerRegistry,
) -> None:
    declare(registry, a=[], audit=["a"])
    config = AstrumConfig(ignore_tail_task=["audit"])
    _, audit = registry.build_scheduler(config=config).flow().plan.tasks
    assert not audit.awaited
    (a,) = registry.build_scheduler(["a"], config=config).flow().plan.tasks
    assert a.awaited


def test_a_tail_task_that_does_not_exist_is_refused(registry: SchedulerRegistry) -> None:
    declare(registry, audit=[])
    with pytest.raises(TaskRegistrationError, match=r"'audt'.*mean 'audit'"):
        registry.build_scheduler(config=AstrumConfig(ignore_tail_task=["audt"]))


@pytest.mark.usefixtures("cleared")
async def test_module_functions_work_on_a_namespace() -> None:
    @task("a", namespace="x")
    def a() -> int:
        return 1

    assert names(build_task_orders(namespace="x")) == ["a"]
    assert build_scheduler(["a"], namespace="x").namespace == "x"
    assert (await run(["a"], namespace="x")).task_return_set == {"a": 1}


async def test_a_run_of_no_tasks_is_completed(registry: SchedulerRegistry) -> None:
    report = await registry.run()
    assert (report.execution_state, report.total_tasks) == ("completed", 0)
    assert registry.build_tasks() == []


# --- a name that no task has -----------------------------------------------------------------


@pytest.fixture
def daily_report(cleared: None) -> None:
    declare(get_registry("daily_report"), extract=[], load=["extract"])


@pytest.mark.usefixtures("cleared")
async def test_a_registry_is_not_a_list_of_targets(registry: SchedulerRegistry) -> None:
    with pytest.raises(TaskRegistrationError, match=r"got the registry .*call its own run\(\)"):
        await run(registry)  # type: ignore[arg-type]


@pytest.mark.parametrize("planned", [lambda flow: flow, lambda flow: flow.build_scheduler()])
async def test_only_a_flow_can_be_submitted(
    registry: SchedulerRegistry, planned: Callable[[SchedulerRegistry], Any]
) -> None:
    flow = planned(registry)
    with pytest.raises(TypeError, match=rf"got a {type(flow).__name__}: pass .*\.flow\("):
        await Coordinator("redis://localhost:1").submit_flow(flow)


@pytest.mark.usefixtures("cleared")
def test_a_search_for_a_registry_in_the_namespaces_says_how_to_run_it() -> None:
    own = r"the tasks of a SchedulerRegistry are run by its own run\(\)"
    with pytest.raises(TaskRegistrationError, match=rf"imported\? \({own}\)$"):
        build_scheduler(namespace="billing")
    declare(get_registry("daily_report"), extract=[])
    with pytest.raises(
        TaskRegistrationError, match=rf"there are tasks in 'daily_report'\); {own}$"
    ):
        build_scheduler(namespace="billing")


@pytest.mark.usefixtures("daily_report")
@pytest.mark.parametrize("targets", [None, [], ["load"], ["nothing"]])
async def test_a_misspelt_namespace_is_refused_with_the_nearest_one(
    targets: list[Any] | None,
) -> None:
    expected = r"no task .* namespace 'dialy_report'.*mean 'daily_report'\?$"
    for _ in range(2):  # asking for a namespace does not make it one with tasks
        with pytest.raises(TaskRegistrationError, match=expected):
            await run(targets, namespace="dialy_report")
    with pytest.raises(TaskRegistrationError, match=expected):
        build_scheduler(targets, namespace="dialy_report")
    with pytest.raises(TaskRegistrationError, match=expected):
        build_task_orders(targets, namespace="dialy_report")


@pytest.mark.usefixtures("daily_report")
@pytest.mark.parametrize("targets", [None, ["load"], [lambda: None]])
async def test_the_error_for_a_forgotten_namespace_names_those_with_tasks(
    targets: list[Any] | None,
) -> None:
    with pytest.raises(TaskRegistrationError, match=r"namespace 'default' \(.*'daily_report'"):
        await run(targets)


@pytest.mark.usefixtures("cleared")
async def test_a_run_without_any_declared_task_asks_for_the_module_that_declares_them() -> None:
    with pytest.raises(TaskRegistrationError, match=r"namespace 'default'.* imported\?"):
        await run(["load"])


@pytest.mark.usefixtures("daily_report")
async def test_the_error_for_an_unknown_target_names_the_namespaces_that_have_it() -> None:
    declare(get_registry(), laod=[])
    declare(get_registry("hourly"), load=[])
    with pytest.raises(
        TaskRegistrationError,
        match=r"target 'load' is not a task of namespace 'default' "
        r"\(namespaces 'daily_report', 'hourly' have 'load'\); did you mean 'laod'",
    ):
        await run(["load"])


@pytest.mark.usefixtures("daily_report")
async def test_the_error_for_a_target_function_names_its_namespace() -> None:
    declare(get_registry(), other=[])
    load = get_registry("daily_report").get_task("load").function
    with pytest.raises(
        TaskRegistrationError, match=r"namespace 'default' \(namespace 'daily_report' has"
    ):
        await run([load])


@pytest.mark.usefixtures("daily_report")
def test_a_dependency_in_another_namespace_is_refused_with_its_name() -> None:
    declare(get_registry("billing"), send=["extract"])
    with pytest.raises(TaskRegistrationError, match=r"'send'.*'daily_report' has 'extract'"):
        build_scheduler(namespace="billing")
