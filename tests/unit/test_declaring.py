"""`@task`, registries and namespaces: what is recorded, and what is refused."""

import asyncio
import dataclasses
import functools
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from astrum import (
    DEFAULT_NAMESPACE,
    AstrumConfig,
    RetryPolicy,
    SchedulerRegistry,
    TaskNotFoundError,
    TaskOptions,
    TaskRegistrationError,
    active_namespace,
    clear_registry,
    get_registry,
    task,
    use_namespace,
)
from astrum.data_transport import TaskData
from astrum.runtime.visible_text import visible_name


@pytest.fixture(autouse=True)
def empty_namespaces() -> Iterator[None]:
    clear_registry()
    yield
    clear_registry()


@pytest.fixture
def registry() -> SchedulerRegistry:
    return SchedulerRegistry("flow")


def work() -> None: ...


# --- task ------------------------------------------------------------------------------------


def test_the_decorator_returns_the_function_unchanged() -> None:
    assert task("a")(work) is work
    assert task(work) is work


def test_the_task_id_defaults_to_the_functions_name(registry: SchedulerRegistry) -> None:
    registry.task()(work)
    assert registry.get_task("work").function is work


def test_a_bare_decorator_declares_a_task(registry: SchedulerRegistry) -> None:
    @registry.task
    def load() -> None: ...

    @task
    def clean() -> None: ...

    assert list(registry.get_all_tasks()) == ["load"]
    assert list(get_registry().get_all_tasks()) == ["clean"]


def test_a_registered_task_shows_what_was_declared(registry: SchedulerRegistry) -> None:
    data = TaskData()
    registry.task("b", depends_on=["a"], retry=2, data=data, timeout=3.0, queue="gpu")(work)
    declared = registry.get_task("b")
    assert (declared.task_id, declared.function) == ("b", work)
    assert (declared.depends_on, declared.retry) == (["a"], 2)
    assert (declared.timeout, declared.queue) == (3.0, "gpu")
    assert declared.policy == RetryPolicy(2)
    assert declared.data is not None
    assert declared.data.task_id == "b"


def test_a_registered_task_without_settings_shows_the_defaults(registry: SchedulerRegistry) -> None:
    registry.task("a")(work)
    declared = registry.get_task("a")
    assert (declared.depends_on, declared.retry, declared.data) == ([], 0, None)
    assert (declared.timeout, declared.queue) == (None, "default")


def test_a_retry_policy_shows_its_number(registry: SchedulerRegistry) -> None:
    policy = RetryPolicy(4, delay=0.5, retry_on=(OSError,))
    registry.task("a", retry=policy)(work)
    assert registry.get_task("a").retry == 4
    assert registry.get_task("a").policy is policy


def test_a_bound_method_can_be_registered(registry: SchedulerRegistry) -> None:
    class Holder:
        def method(self) -> None: ...

    registry.task("x")(Holder().method)
    assert "x" in registry.get_all_tasks()


def test_tasks_are_kept_in_the_order_of_declaration(registry: SchedulerRegistry) -> None:
    for name in "cab":
        registry.task(name)(work)
    assert list(registry.get_all_tasks()) == ["c", "a", "b"]


def test_the_dict_of_all_tasks_is_a_copy(registry: SchedulerRegistry) -> None:
    registry.get_all_tasks()["x"] = None  # type: ignore[assignment]
    assert registry.get_all_tasks() == {}


def test_clear_forgets_all_tasks(registry: SchedulerRegistry) -> None:
    registry.task("a")(work)
    registry.clear()
    assert registry.get_all_tasks() == {}
    registry.task("a")(work)


def test_asking_for_an_unknown_task_names_the_nearest(registry: SchedulerRegistry) -> None:
    registry.task("extract")(work)
    with pytest.raises(TaskNotFoundError, match=r"'extrat'.*did you mean 'extract'"):
        registry.get_task("extrat")


# --- what is refused -------------------------------------------------------------------------


def test_a_task_id_registered_twice_is_refused(registry: SchedulerRegistry) -> None:
    registry.task("load")(work)
    first = rf"{re.escape(__file__)}:\d+\. If the same code ran again"
    with pytest.raises(TaskRegistrationError, match=f"'load' is registered twice.*{first}"):
        registry.task("load")(work)


def test_the_error_for_a_task_id_registered_twice_says_how_to_run_a_notebook_cell_again() -> None:
    with use_namespace("cells") as shared:
        task("load")(work)
        with pytest.raises(
            TaskRegistrationError, match=r"call clear_registry\('cells'\) before it"
        ):
            task("load")(work)
        clear_registry("cells")
        task("load")(work)
    own = SchedulerRegistry("cells")
    own.task("load")(work)
    with pytest.raises(TaskRegistrationError, match=r"call clear\(\) of this registry before it"):
        own.task("load")(work)
    assert shared.name == "cells"
    clear_registry("cells")


@pytest.mark.parametrize(
    ("option", "hint"),
    [("retries", "; did you mean 'retry'?"), ("namespace", ""), ("depend_on", "'depends_on'")],
)
def test_an_unknown_option_is_refused_with_a_list_of_the_known_ones(
    registry: SchedulerRegistry, option: str, hint: str
) -> None:
    told = f"task 'load' has no option '{option}'.*{re.escape(hint)}.*timeout, queue"
    with pytest.raises(TypeError, match=told):
        registry.task("load", **{option: 3})(work)  # type: ignore[call-overload]


@pytest.mark.parametrize(("option", "hint"), [("namespce", "namespace"), ("time_out", "timeout")])
def test_the_decorator_of_the_module_proposes_the_nearest_of_its_own_keywords(
    option: str, hint: str
) -> None:
    with pytest.raises(TypeError, match=f"'load' has no option '{option}'; did you mean '{hint}'"):
        task("load", **{option: 3})  # type: ignore[call-overload]


def test_every_option_is_described_in_its_class_and_in_the_guide() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "guide" / "options.md").read_text("utf-8")
    for name in TaskOptions.__annotations__:
        assert f"- ``{name}``: " in (TaskOptions.__doc__ or "")
        assert f"| `{name}` | " in guide
    for field in dataclasses.fields(AstrumConfig):
        assert f"``{field.name}" in (AstrumConfig.__doc__ or "")
        assert f"| `{field.name}` | " in guide


@pytest.mark.parametrize("retry", [-1, True, False, "2", 1.5, None])
def test_a_retry_that_is_not_a_non_negative_integer_is_refused(
    registry: SchedulerRegistry, retry: object
) -> None:
    with pytest.raises(TaskRegistrationError, match=r"task 'load'.*retry"):
        registry.task("load", retry=retry)(work)  # type: ignore[call-overload]
    assert registry.get_all_tasks() == {}


@pytest.mark.parametrize("timeout", [0, -1, True, "3", float("inf"), float("nan")])
def test_a_timeout_that_is_not_a_positive_number_is_refused(
    registry: SchedulerRegistry, timeout: object
) -> None:
    with pytest.raises(TaskRegistrationError, match=r"task 'load'.*timeout"):
        registry.task("load", timeout=timeout)(work)  # type: ignore[call-overload]


@pytest.mark.parametrize("queue", ["", None, 3, "cpu,gpu", "cpu:big"])
def test_a_queue_that_is_not_a_name_is_refused(registry: SchedulerRegistry, queue: object) -> None:
    with pytest.raises(TaskRegistrationError, match=r"task 'load'.*queue"):
        registry.task("load", queue=queue)(work)  # type: ignore[call-overload]


@pytest.mark.parametrize("depends_on", ["extract", 3, [3], work])
def test_dependencies_must_be_a_list_of_ids_and_functions(
    registry: SchedulerRegistry, depends_on: object
) -> None:
    with pytest.raises(TaskRegistrationError, match=r"task 'load'.*depends_on"):
        registry.task("load", depends_on=depends_on)(work)  # type: ignore[call-overload]


@pytest.mark.parametrize("task_id", ["", 3])
def test_a_task_id_must_be_a_string(registry: SchedulerRegistry, task_id: object) -> None:
    with pytest.raises(TaskRegistrationError, match="task id"):
        registry.task(task_id)(work)  # type: ignore[call-overload]


def test_an_object_that_cannot_be_called_is_not_a_task(registry: SchedulerRegistry) -> None:
    with pytest.raises(TaskRegistrationError, match="'load' must be a function"):
        registry.task("load")(3)  # type: ignore[type-var]


def test_a_callable_without_a_name_needs_a_task_id(registry: SchedulerRegistry) -> None:
    with pytest.raises(TaskRegistrationError, match="give it a task id"):
        registry.task()(functools.partial(work))


def test_data_must_be_task_data_of_this_task(registry: SchedulerRegistry) -> None:
    with pytest.raises(TaskRegistrationError, match=r"task 'load'.*TaskData"):
        registry.task("load", data={})(work)  # type: ignore[call-overload]
    with pytest.raises(TaskRegistrationError, match=r"task 'load'.*'other'"):
        registry.task("load", data=TaskData(task_id="other"))(work)


# --- namespaces ------------------------------------------------------------------------------


def test_without_a_namespace_tasks_are_in_the_default_one() -> None:
    task("a")(work)
    assert DEFAULT_NAMESPACE == active_namespace() == "default"
    assert "a" in get_registry("default").get_all_tasks()


def test_the_innermost_use_namespace_counts_and_the_outer_one_is_restored() -> None:
    with use_namespace("outer") as outer:
        with use_namespace("inner") as inner:
            task("a")(work)
        task("b")(work)
    task("c")(work)
    assert (list(inner.get_all_tasks()), list(outer.get_all_tasks())) == (["a"], ["b"])
    assert list(get_registry().get_all_tasks()) == ["c"]


def test_the_explicit_namespace_overrides_use_namespace() -> None:
    with use_namespace("outer") as outer:
        task("a", namespace="explicit")(work)
    assert outer.get_all_tasks() == {}
    assert "a" in get_registry("explicit").get_all_tasks()


def test_the_namespace_is_restored_after_an_exception() -> None:
    with pytest.raises(ZeroDivisionError), use_namespace("x"):
        1 / 0
    assert active_namespace() == "default"


def test_the_namespace_is_resolved_when_the_decorator_runs() -> None:
    declare = task("a")
    with use_namespace("later") as registry:
        declare(work)
    assert "a" in registry.get_all_tasks()


def test_use_namespace_yields_the_registry() -> None:
    with use_namespace("x") as registry:
        assert registry is get_registry("x") is get_registry()
    assert registry.name == "x"


def test_another_thread_does_not_see_this_threads_namespace() -> None:
    seen: list[str] = []
    with use_namespace("mine"):
        thread = threading.Thread(target=lambda: seen.append(active_namespace()))
        thread.start()
        thread.join()
    assert seen == ["default"]


async def test_asyncio_tasks_do_not_see_each_others_namespaces() -> None:
    both_inside = asyncio.Barrier(2)

    async def declare(namespace: str) -> str:
        with use_namespace(namespace):
            await both_inside.wait()
            return active_namespace()

    assert [*await asyncio.gather(declare("a"), declare("b"))] == ["a", "b"]


def test_threads_that_ask_for_a_new_registry_at_once_get_the_same_one() -> None:
    start = threading.Barrier(8)
    found: list[SchedulerRegistry] = []

    def ask() -> None:
        start.wait()
        found.append(get_registry("fresh"))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(map(id, found))) == 1


def test_get_registry_makes_a_registry_on_demand() -> None:
    assert get_registry("new") is get_registry("new")


def test_clear_registry_drops_one_namespace_or_all() -> None:
    a, b = get_registry("a"), get_registry("b")
    clear_registry("a")
    assert get_registry("a") is not a
    assert get_registry("b") is b
    clear_registry()
    assert get_registry("b") is not b


def test_clearing_a_namespace_that_does_not_exist_is_not_an_error() -> None:
    clear_registry("nothing here")


def test_explicit_registries_are_separate_from_the_global_namespaces() -> None:
    explicit = SchedulerRegistry("default")
    explicit.task("a")(work)
    assert get_registry("default").get_all_tasks() == {}
    with use_namespace("x"):
        explicit.task("b")(work)
    assert list(explicit.get_all_tasks()) == ["a", "b"]


def test_a_registry_is_called_default_unless_it_is_given_a_name() -> None:
    assert SchedulerRegistry().name == "default"


@pytest.mark.parametrize("name", [" ", "\t\n", "\u200b", "\u200d \u00ad"])
def test_an_id_that_cannot_be_seen_is_refused(name: str) -> None:
    with pytest.raises(TaskRegistrationError, match="must have a character that can be seen"):
        SchedulerRegistry("unseen").task(name)(lambda: None)
    with pytest.raises(TaskRegistrationError, match="a namespace must have a character"):
        SchedulerRegistry(name)


def test_what_has_no_width_is_shown_in_names() -> None:
    assert visible_name("lo\u200bad\u2060\u00ad") == "lo\\u200bad\\u2060\\xad"
    assert visible_name("a b 👨\u200d👩 ن\u200cم") == "a b 👨\u200d👩 ن\u200cم"
