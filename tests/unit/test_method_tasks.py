"""Methods as tasks: instances, class and static methods, and functions that look like methods."""

import pytest

from astrum import (
    AstrumConfig,
    F,
    Ref,
    SchedulerRegistry,
    TaskRegistrationError,
)


@pytest.fixture
def registry() -> SchedulerRegistry:
    return SchedulerRegistry("flow")


async def test_class_instances_supply_self(registry: SchedulerRegistry) -> None:
    class Loader:
        def __init__(self, source: str) -> None:
            self.source = source

        @registry.task("load")
        def load(self) -> str:
            return f"from {self.source}"

        @registry.task("clean")
        async def clean(self, loaded: Ref[str, F(load)]) -> str:
            return f"{loaded}, cleaned by {self.source}"

    config = AstrumConfig(class_instances=[Loader("disk"), object()])
    report = await registry.run(config=config)
    assert report.task_return_set == {"load": "from disk", "clean": "from disk, cleaned by disk"}


def test_an_instance_method_without_an_instance_is_refused(registry: SchedulerRegistry) -> None:
    class Loader:
        @registry.task("load")
        def load(self) -> None: ...

    with pytest.raises(TaskRegistrationError, match=r"'load'.*Loader.*class_instances"):
        registry.build_scheduler()


def test_two_instances_of_one_class_are_refused(registry: SchedulerRegistry) -> None:
    class Loader:
        @registry.task("load")
        def load(self) -> None: ...

    config = AstrumConfig(class_instances=[Loader(), Loader()])
    with pytest.raises(TaskRegistrationError, match=r"'load'.*Loader.*2 of them"):
        registry.build_scheduler(config=config)


def test_a_missing_instance_matters_only_to_flows_that_need_it(registry: SchedulerRegistry) -> None:
    class Loader:
        @registry.task("load")
        def load(self) -> None: ...

    registry.task("a")(lambda: None)
    assert list(registry.build_scheduler(["a"]).flow().tasks) == ["a"]


def test_an_instance_of_a_subclass_serves_inherited_tasks(registry: SchedulerRegistry) -> None:
    class Base:
        @registry.task("load")
        def load(self) -> None: ...

    class Special(Base):
        pass

    instance = Special()
    config = AstrumConfig(class_instances=[instance])
    function = registry.build_scheduler(config=config).find_task_by_name("load")
    assert function.__self__ is instance  # type: ignore[attr-defined]


async def test_class_and_static_methods_need_no_instance_in_either_order_of_decorators(
    registry: SchedulerRegistry,
) -> None:
    class Loader:
        source = "disk"

        @registry.task("static_outer")
        @staticmethod
        def one() -> str:
            return "static"

        @staticmethod
        @registry.task("static_inner")
        def two() -> str:
            return "static"

        @registry.task("class_outer")
        @classmethod
        def three(cls) -> str:
            return cls.source

        @classmethod
        @registry.task("class_inner")
        def four(cls, first: Ref[str, F("class_outer")]) -> str:
            return f"{cls.source} after {first}"

    report = await registry.run()
    assert report.error_summary == []
    assert report.task_return_set == {
        "static_outer": "static",
        "static_inner": "static",
        "class_outer": "disk",
        "class_inner": "disk after disk",
    }


async def test_a_bound_method_runs_as_it_is(registry: SchedulerRegistry) -> None:
    class Loader:
        def load(self) -> str:
            return "loaded"

    registry.task("load")(Loader().load)
    assert (await registry.run()).task_return_set == {"load": "loaded"}


async def test_a_function_defined_inside_a_function_may_call_its_parameter_self(
    registry: SchedulerRegistry,
) -> None:
    @registry.task("source")
    def source() -> int:
        return 1

    @registry.task("reader")
    def reader(self: Ref[int, F("source")]) -> int:
        return self + 1

    assert (await registry.run()).task_return_set["reader"] == 2


def test_a_flow_with_class_instances_says_that_it_is_local(registry: SchedulerRegistry) -> None:
    class Loader:
        @registry.task("load")
        def load(self) -> None: ...

    config = AstrumConfig(class_instances=[Loader()])
    assert "'load'" in registry.build_scheduler(config=config).flow().local_only
    registry.task("a")(lambda: None)
    assert registry.build_scheduler(["a"]).flow().local_only == ""
