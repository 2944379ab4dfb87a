"""Resources are checked when they are declared, and when a flow that needs them is built."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from types import FunctionType
from typing import Any

import pytest

from astrum import (
    DynamicScheduler,
    F,
    Input,
    Ref,
    Resource,
    RetryPolicy,
    SchedulerRegistry,
    TaskOrder,
    TaskRegistrationError,
    clear_registry,
    current_attempt,
    get_registry,
    resource,
    run,
    task,
)
from astrum.data_transport import DataItem, DTRela, TaskData, declared_types
from astrum.errors import AstrumError, ResourceError
from astrum.planning.contract import contract
from astrum.planning.fingerprint import fingerprint
from astrum.planning.plan import Plan


class Pool:
    pass


class BigPool(Pool):
    pass


@pytest.fixture
def registry() -> SchedulerRegistry:
    registry = SchedulerRegistry("tests")

    @registry.task("use")
    async def use(db: Ref[Pool, Resource("db")]) -> bool:
        return isinstance(db, Pool)

    return registry


def give(registry: SchedulerRegistry, name: str, returns: Any, **needs: Any) -> None:
    """Declare a resource whose function has these annotations."""

    def function(**given: Any) -> Iterator[Any]:
        yield Pool()

    def with_pool(pool: Any) -> Iterator[Any]:
        yield Pool()

    chosen: Callable[..., Any] = with_pool if needs else function
    chosen.__annotations__ = {**needs, "return": returns}
    registry.resource(name)(chosen)


@pytest.mark.parametrize(
    "returns",
    [
        Iterator[Pool],
        Generator[Pool, None, None],
        AsyncIterator[BigPool],
        AsyncGenerator[BigPool, None],
        Iterator[Any],
        Iterator,
        "Iterator[Pool]",
    ],
)
async def test_a_type_that_fits_is_accepted(registry: SchedulerRegistry, returns: Any) -> None:
    give(registry, "db", returns)
    assert (await registry.run()).task_return_set == {"use": True}


@pytest.mark.parametrize(
    ("returns", "message"),
    [
        (Iterator[str], "task 'use', parameter 'db' expects Pool, but the resource 'db' gives str"),
        (
            Pool,
            "resource 'db' declares that it returns Pool; a generator function that yields it "
            "returns Iterator[Pool]",
        ),
    ],
)
def test_a_type_that_does_not_fit_is_refused(
    registry: SchedulerRegistry, returns: Any, message: str
) -> None:
    give(registry, "db", returns)
    with pytest.raises(TaskRegistrationError) as caught:
        registry.build_scheduler()
    assert str(caught.value) == message


def test_a_resource_that_nothing_gives_is_refused_with_the_nearest_name(
    registry: SchedulerRegistry,
) -> None:
    give(registry, "dbs", Iterator[Pool])
    with pytest.raises(TaskRegistrationError) as caught:
        registry.build_scheduler()
    assert str(caught.value) == (
        "task 'use', parameter 'db' needs the resource 'db', which no function of namespace "
        "'tests' gives; did you mean 'dbs'?; decorate a generator function that yields it with "
        '@resource("db")'
    )


def test_only_the_resources_of_the_targets_must_be_there(registry: SchedulerRegistry) -> None:
    @registry.task("plain")
    def plain() -> int:
        return 1

    flow = registry.build_scheduler(["plain"]).flow()
    assert [spec.resources for spec in flow.plan.tasks] == [()]


def test_resources_that_need_each_other_are_refused(registry: SchedulerRegistry) -> None:
    give(registry, "db", Iterator[Pool], pool=Ref[Pool, Resource("pool")])
    give(registry, "pool", Iterator[Pool], pool=Ref[Pool, Resource("db")])
    with pytest.raises(TaskRegistrationError, match="need each other: db -> pool -> db;"):
        registry.build_scheduler()


def test_a_resource_that_needs_one_that_nothing_gives_is_refused(
    registry: SchedulerRegistry,
) -> None:
    give(registry, "db", Iterator[Pool], pool=Ref[Pool, Resource("pool")])
    with pytest.raises(
        TaskRegistrationError, match="resource 'db', parameter 'pool' needs the resource 'pool'"
    ):
        registry.build_scheduler()


@pytest.mark.parametrize("mark", [F("use"), Input()])
def test_a_resource_reads_no_results_and_no_inputs(registry: SchedulerRegistry, mark: Any) -> None:
    give(registry, "db", Iterator[Pool], pool=Ref[int, mark])
    with pytest.raises(TaskRegistrationError, match="may be other resources only"):
        registry.build_scheduler()


def test_a_parameter_of_a_resource_that_nothing_fills_is_refused(
    registry: SchedulerRegistry,
) -> None:
    give(registry, "db", Iterator[Pool], pool=int)
    with pytest.raises(TaskRegistrationError, match="'pool' has no default value and nothing"):
        registry.build_scheduler()


def test_two_resources_of_one_name_are_refused_with_the_place_of_the_first(
    registry: SchedulerRegistry,
) -> None:
    give(registry, "db", Iterator[Pool])
    with pytest.raises(TaskRegistrationError, match="'db' is declared twice in namespace 'tests'"):
        give(registry, "db", Iterator[Pool])


def test_only_a_generator_function_can_give_a_resource(registry: SchedulerRegistry) -> None:
    def plain() -> Pool:
        return Pool()

    @contextlib.contextmanager
    def managed() -> Iterator[Pool]:
        yield Pool()

    wrong: list[Any] = [plain, Pool]
    for function in wrong:
        with pytest.raises(TaskRegistrationError, match="must be a generator function"):
            registry.resource("db")(function)
    with pytest.raises(TaskRegistrationError, match="Drop the decorator between"):
        registry.resource("db")(managed)  # type: ignore[type-var]


@pytest.mark.parametrize("name", ["", 3])
def test_the_name_of_a_resource_is_a_string(registry: SchedulerRegistry, name: Any) -> None:
    with pytest.raises(TaskRegistrationError, match="the name of a resource must be a string"):
        give(registry, name, Iterator[Pool])


@pytest.mark.parametrize(
    ("annotation", "message"),
    [
        (list[Ref[Pool, Resource("db")]], "would be ignored"),
        (
            Ref[Pool, Resource],
            r'Resource in .* is not called: write Ref\[type, Resource\("name"\)\]',
        ),
        (Resource("db"), r'stands where a type belongs: write Ref\[type, Resource\("name"\)\]'),
    ],
)
def test_a_mark_that_would_be_ignored_is_refused(annotation: Any, message: str) -> None:
    def reads(db: Any) -> None: ...

    reads.__annotations__["db"] = annotation
    with pytest.raises(TaskRegistrationError, match=message):
        SchedulerRegistry("tests").task("reads")(reads)


def test_a_mark_as_a_default_value_is_refused() -> None:
    def reads(db: Any = Resource("db")) -> None: ...  # noqa: B008

    with pytest.raises(TaskRegistrationError, match=r'db: Ref\[type, Resource\("name"\)\]'):
        SchedulerRegistry("tests").task("reads")(reads)


def test_a_generator_function_is_still_no_task(registry: SchedulerRegistry) -> None:
    with pytest.raises(TaskRegistrationError, match="it is a generator function"):

        @registry.task("rows")
        def rows() -> Iterator[int]:
            yield 1


async def test_the_decorator_of_namespaces_takes_the_functions_name_and_the_active_namespace() -> (
    None
):
    try:

        @resource(namespace="tests_of_resources")
        def db() -> Iterator[Pool]:
            yield Pool()

        @task("use", namespace="tests_of_resources")
        def use(db: Ref[Pool, Resource()]) -> bool:
            return type(db) is Pool

        assert list(get_registry("tests_of_resources").get_all_resources()) == ["db"]
        report = await run(namespace="tests_of_resources")
        assert report.task_return_set == {"use": True}
    finally:
        clear_registry("tests_of_resources")


async def test_explicit_task_data_does_not_hide_a_resource(registry: SchedulerRegistry) -> None:
    give(registry, "db", Iterator[Pool])
    data = TaskData(
        task_id="both",
        input_data_item=[
            DataItem(
                from_relation=DTRela(related_task="use"),
                to_relation=DTRela(key="used", related_task="both"),
            )
        ],
        from_tasks=["use"],
    )

    @registry.task("both", data=data)
    def both(used: bool, db: Ref[Pool, Resource("db")]) -> tuple[bool, bool]:
        return used, type(db) is Pool

    assert (await registry.run()).task_return_set["both"] == (True, True)


async def test_a_scheduler_takes_resources_by_name() -> None:
    def db() -> Iterator[Pool]:
        yield Pool()

    def use(db: Ref[Pool, Resource("db")]) -> bool:
        return type(db) is Pool

    scheduler = DynamicScheduler([("use", use)], [TaskOrder("use")], resources={"db": db})
    assert (await scheduler.execute()).task_return_set == {"use": True}
    without = DynamicScheduler([("use", use)], [TaskOrder("use")])
    with pytest.raises(TaskRegistrationError, match="needs the resource 'db'"):
        without.flow()


def test_a_plan_tells_all_resources_that_a_task_needs(registry: SchedulerRegistry) -> None:
    give(registry, "db", Iterator[Pool], pool=Ref[Pool, Resource("pool")])
    give(registry, "pool", Iterator[Pool])
    plan = registry.build_scheduler().flow().plan
    assert [spec.resources for spec in plan.tasks] == [("db", "pool")]
    assert Plan.from_data(plan.to_data()) == plan


async def test_a_run_in_process_whose_resource_fails_raises_and_closes_what_was_opened(
    registry: SchedulerRegistry,
) -> None:
    log = []

    @registry.resource("pool")
    def pool() -> Iterator[Pool]:
        log.append("opened")
        yield Pool()
        log.append("closed")

    @registry.resource("db")
    async def db(pool: Ref[Pool, Resource("pool")]) -> AsyncIterator[Pool]:
        raise OSError("no route to host")
        yield pool

    with pytest.raises(ResourceError) as caught:
        await registry.run()
    assert str(caught.value) == "resource 'db' could not be opened: OSError: no route to host"
    assert isinstance(caught.value.__cause__, OSError)
    assert log == ["opened", "closed"]


async def test_a_run_in_process_whose_resource_fails_ends_at_once_and_tries_nothing_again() -> None:
    registry = SchedulerRegistry("tests")
    ended = []

    @registry.resource("db")
    async def db() -> AsyncIterator[Pool]:
        await asyncio.sleep(0)
        raise OSError("no route to host")
        yield Pool()

    @registry.task("use", retry=RetryPolicy(3, delay=60.0))
    async def use(db: Ref[Pool, Resource("db")]) -> None: ...

    @registry.task("other")
    async def other() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("other")

    with pytest.raises(ResourceError):
        await asyncio.wait_for(registry.run(), 10)
    assert ended == ["other"]


async def test_a_resource_is_not_opened_as_a_part_of_the_attempt_that_needs_it_first() -> None:
    registry = SchedulerRegistry("tests")

    @registry.resource("thread")
    def thread() -> Iterator[str]:
        yield attempt_here()

    @registry.resource("loop")
    async def loop() -> AsyncIterator[str]:
        yield attempt_here()

    @registry.task("use")
    async def use(thread: Ref[str, Resource()], loop: Ref[str, Resource()]) -> list[str]:
        return [thread, loop, attempt_here()]

    assert (await registry.run()).task_return_set == {"use": ["none", "none", "use"]}


def attempt_here() -> str:
    try:
        return current_attempt().task_id
    except AstrumError:
        return "none"


async def test_each_run_in_process_has_resources_of_its_own(registry: SchedulerRegistry) -> None:
    log = []

    @registry.resource("db")
    def db() -> Iterator[Pool]:
        log.append("opened")
        yield Pool()
        log.append("closed")

    @registry.task("later", depends_on=["use"])
    def later(db: Ref[Pool, Resource("db")]) -> int:
        return len(log)

    for count in (1, 3):
        assert (await registry.run()).task_return_set["later"] == count
    assert log == ["opened", "closed"] * 2


async def test_the_time_that_a_resource_takes_to_open_is_not_that_of_the_attempt() -> None:
    registry = SchedulerRegistry("tests")

    @registry.resource("slow")
    async def slow() -> AsyncIterator[int]:
        await asyncio.sleep(0.2)
        yield 1

    @registry.task("use", timeout=0.1)
    async def use(slow: Ref[int, Resource("slow")]) -> int:
        return slow

    assert (await registry.run()).task_return_set == {"use": 1}


def test_what_a_resource_is_does_not_count_for_the_contract_of_a_task() -> None:
    def plain(number: int) -> int:
        return number

    def with_pool(number: int, db: Ref[Pool, Resource("db")]) -> int:
        return number

    def with_input(number: int, db: Ref[Pool, Input("db")]) -> int:
        return number

    assert contract(with_pool) == contract(plain) != contract(with_input)
    assert Pool not in set(declared_types(with_pool))
    assert Pool in set(declared_types(with_input))
    first = fingerprint(with_pool)
    same_code = FunctionType(with_pool.__code__, with_pool.__globals__)
    same_code.__annotations__ = {**with_pool.__annotations__, "db": Ref[Pool, Input("db")]}
    assert fingerprint(same_code) != first
