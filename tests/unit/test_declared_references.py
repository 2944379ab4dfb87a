"""A reference is followed through every kind of callable, and refused where it would be ignored."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypedDict, Unpack

import pytest

from astrum import AstrumConfig, DynamicScheduler, F, Ref, SchedulerRegistry, T, TaskOrder
from astrum.data_transport import DataItem, DTRela, TaskData
from astrum.errors import TaskRegistrationError


def base() -> int:
    return 4


def plus(n: Ref[int, F("base")], more: int = 1) -> int:
    return n + more


def wrapped_by_hand(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


class Wrapper:
    def __init__(self, function: Callable[..., Any]) -> None:
        functools.update_wrapper(self, function)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.__wrapped__(*args, **kwargs)  # type: ignore[attr-defined]


class Adder:
    def __call__(self, n: Ref[int, F("base")]) -> int:
        return n + 1

    def method(self, n: Ref[int, F("base")]) -> int:
        return n + 1

    @staticmethod
    def static(n: Ref[int, F("base")]) -> int:
        return n + 1

    @classmethod
    def of_class(cls, n: Ref[int, F("base")]) -> int:
        return n + 1


class Made:
    def __init__(self, n: Ref[int, F("base")]) -> None:
        self.n = n

    def __eq__(self, other: object) -> bool:
        return other == self.n + 1

    __hash__ = None  # type: ignore[assignment]


CALLABLES = {
    "a plain function": plus,
    "functools.wraps": wrapped_by_hand(plus),
    "cache": functools.cache(plus),
    "lru_cache": functools.lru_cache(maxsize=8)(plus),
    "a cache in a wrapper": wrapped_by_hand(functools.cache(plus)),
    "a wrapper in a cache": functools.cache(wrapped_by_hand(plus)),
    "a partial": functools.partial(plus, more=1),
    "a partial of a cache": functools.partial(functools.cache(plus), more=1),
    "a cache of a partial": functools.cache(functools.partial(plus, more=1)),
    "a class as decorator": Wrapper(plus),
    "a callable object": Adder(),
    "a bound method": Adder().method,
    "a partial of a method": functools.partial(Adder().method),
    "a static method": Adder.static,
    "a static method object": vars(Adder)["static"],
    "a class method": Adder.of_class,
    "a class": Made,
}


@pytest.mark.parametrize("kind", CALLABLES)
async def test_a_reference_is_followed_through(kind: str) -> None:
    registry = SchedulerRegistry("kinds")
    registry.task("base")(base)
    registry.task("see")(CALLABLES[kind])
    report = await registry.run()
    assert report.error_summary == []
    assert report.task_return_set["see"] == 5


@pytest.mark.parametrize("kind", CALLABLES)
async def test_a_hand_made_graph_follows_a_reference_through(kind: str) -> None:
    tasks = [("base", base), ("see", CALLABLES[kind])]
    report = await DynamicScheduler(tasks, [TaskOrder("base"), TaskOrder("see")]).execute()
    assert report.error_summary == []
    assert report.task_return_set["see"] == 5


async def test_cached_and_partial_methods_of_a_class_body_get_their_instance() -> None:
    registry = SchedulerRegistry("methods")
    registry.task("base")(base)

    class Shop:
        rate = 10

        @registry.task("cached")
        @functools.lru_cache  # noqa: B019
        def cached(self, n: Ref[int, F("base")]) -> int:
            return n * self.rate

        def scaled(self, n: Ref[int, F("base")], factor: int) -> int:
            return n * self.rate * factor

        doubled = registry.task("doubled")(functools.partialmethod(scaled, factor=2))  # type: ignore[type-var] # cannot be called before it is bound

    report = await registry.run(config=AstrumConfig(class_instances=[Shop()]))
    assert report.error_summary == []
    assert (report.task_return_set["cached"], report.task_return_set["doubled"]) == (40, 80)


async def test_the_annotations_of_a_signature_that_was_set_count() -> None:
    import inspect

    def see(*args: Any, **kwargs: Any) -> Any:
        return kwargs

    parameter = inspect.Parameter(
        "n", inspect.Parameter.KEYWORD_ONLY, annotation=Ref[int, F("base")]
    )
    see.__signature__ = inspect.Signature([parameter])  # type: ignore[attr-defined]
    registry = SchedulerRegistry("signature")
    registry.task("base")(base)
    registry.task("see")(see)
    assert (await registry.run()).task_return_set["see"] == {"n": 4}


# --- refused when declared ---------------------------------------------------------------


def with_annotation(annotation: Any) -> Callable[..., Any]:
    def see(ns: Any = ()) -> None: ...

    see.__annotations__ = {"ns": annotation}
    return see


def in_keyword(*, n: int = F("base")) -> None: ...  # type: ignore[assignment]
def in_default(n: int = F("base")) -> None: ...  # type: ignore[assignment]
def in_list(n: list[int] = [F("base")]) -> None: ...  # type: ignore[list-item] # noqa: B006, B008
def as_type(n: int = Ref[int, F("base")]) -> None: ...  # type: ignore[assignment]
def takes(n: Any) -> None: ...


NESTED = ("base", "n")

REFUSED: dict[str, tuple[Any, str]] = {
    "a default": (in_default, "parameter 'n' has the reference"),
    "a default of a keyword": (in_keyword, "parameter 'n' has the reference"),
    "a Ref as default": (as_type, "parameter 'n' has the reference"),
    "a list as default": (in_list, "parameter 'n' has the reference"),
    "a partial's value": (functools.partial(takes, n=F("base")), "'n' has the reference"),
    "a default behind a cache": (functools.cache(in_default), "'n' has the reference"),
    "a default behind a wrapper": (wrapped_by_hand(in_default), "'n' has the reference"),
    "a list": (with_annotation(list[Ref[int, F("base")]]), r"'ns'.*inside list\["),
    "a dict": (with_annotation(dict[str, Ref[int, F("base")]]), r"'ns'.*inside dict\["),
    "a tuple": (with_annotation(tuple[Ref[int, NESTED], int]), r"inside tuple\["),
    "a list in a union": (with_annotation(list[Ref[int, F("base")]] | None), "inside list"),
    "a list in a reference": (
        with_annotation(Ref[list[Ref[int, F("base")]], F("base")]),
        "inside list",
    ),
    "a callable": (with_annotation(Callable[[Ref[int, F("base")]], None]), "inside "),
    "no type": (
        with_annotation(F("base")),
        r"F\('base'\) stands where a type belongs: write Ref\[type",
    ),
    "a function and a field": (with_annotation(F(base, "n")), r"F\(base, 'n'\) stands where"),
    "a sending mark": (with_annotation(T("base")), r"T\('base'\) stands where"),
    "a list of no type": (with_annotation(list[F("base")]), "where a type belongs"),  # type: ignore[misc]
    "the class F": (with_annotation(Ref[int, F]), "names no task: write"),
    "Ref alone": (with_annotation(Ref), "Ref stands alone"),
}


@pytest.mark.parametrize("place", REFUSED)
def test_a_reference_is_refused_when_declared_as(place: str) -> None:
    function, message = REFUSED[place]
    with pytest.raises(TaskRegistrationError, match=f"(?s)task 'see'.*{message}"):
        SchedulerRegistry("refused").task("see")(function)
    with pytest.raises(TaskRegistrationError, match=f"(?s)task 'see'.*{message}"):
        DynamicScheduler([("see", function)], [TaskOrder("see")])


def test_a_nested_reference_in_a_string_is_refused_when_the_flow_is_built() -> None:
    registry = SchedulerRegistry("texts")
    registry.task("base")(base)

    @registry.task("see")
    def see(ns: list[Ref[int, F("base")]] = ()) -> None: ...  # type: ignore[assignment]

    with pytest.raises(TaskRegistrationError, match=r"task 'see'.*'ns'.*inside list\["):
        registry.build_scheduler()


def rows() -> Iterator[int]:
    yield 1


async def async_rows() -> AsyncIterator[int]:
    yield 1


class Rows:
    def __call__(self) -> Iterator[int]:
        yield 1

    def method(self) -> Iterator[int]:
        yield 1


GENERATORS: dict[str, Callable[..., Any]] = {
    "a generator function": rows,
    "an async one": async_rows,
    "a partial": functools.partial(rows),
    "a cache": functools.cache(rows),
    "a callable object": Rows(),
    "a method": Rows().method,
    "a lambda": lambda: (yield 1),
}


@pytest.mark.parametrize("kind", GENERATORS)
def test_a_generator_function_is_refused_when_declared(kind: str) -> None:
    with pytest.raises(TaskRegistrationError, match="task 'rows': it is a generator function"):
        SchedulerRegistry("generators").task("rows")(GENERATORS[kind])
    with pytest.raises(TaskRegistrationError, match="task 'rows': it is a generator function"):
        DynamicScheduler([("rows", GENERATORS[kind])], [TaskOrder("rows")])


async def test_a_generator_function_whose_decorator_makes_a_list_is_a_task() -> None:
    @functools.wraps(rows)
    def listed() -> list[int]:
        return list(rows())

    registry = SchedulerRegistry("listed")
    registry.task("rows")(listed)
    assert (await registry.run()).task_return_set == {"rows": [1]}


def test_a_cached_async_function_is_refused_since_its_coroutine_can_be_awaited_once() -> None:
    @functools.cache
    async def once() -> int:
        return 1

    with pytest.raises(TaskRegistrationError, match=r"'once'.*can be awaited only once"):
        SchedulerRegistry("cached").task("once")(once)


# --- parameters that nothing fills -------------------------------------------------------


def one(y: int) -> int:
    return y


def keyword(*, y: int) -> int:
    return y


def positional(y: int, /) -> int:
    return y


def second(n: Ref[int, F("base")], y: int) -> int:
    return y


class Needs:
    def __init__(self, y: int) -> None: ...

    def method(self, y: int) -> int:
        return y


UNFILLED: dict[str, Callable[..., Any]] = {
    "a plain function": one,
    "a keyword": keyword,
    "a positional one": positional,
    "the second parameter": second,
    "a cache": functools.cache(one),
    "a partial": functools.partial(second, 3),
    "a bound method": Needs(1).method,
    "a class": Needs,
}


@pytest.mark.parametrize("kind", UNFILLED)
def test_a_required_parameter_that_nothing_fills_is_found_when_the_flow_is_built(kind: str) -> None:
    registry = SchedulerRegistry("unfilled")
    registry.task("base")(base)
    registry.task("c")(UNFILLED[kind])
    message = r"task 'c', parameter 'y' has no default value and nothing fills it: .*y: Ref\["
    with pytest.raises(TaskRegistrationError, match=message):
        registry.build_scheduler()
    scheduler = DynamicScheduler(
        [("base", base), ("c", UNFILLED[kind])], [TaskOrder("base"), TaskOrder("c")]
    )
    with pytest.raises(TaskRegistrationError, match=message):
        scheduler.get_execute_timeline()


async def test_a_parameter_that_a_decorator_supplies_needs_no_source() -> None:
    @functools.wraps(second)
    def with_y(*args: Any, **kwargs: Any) -> int:
        kwargs["y"] = 7
        return second(*args, **kwargs)

    registry = SchedulerRegistry("supplied")
    registry.task("base")(base)
    registry.task("see")(with_y)
    assert (await registry.run()).task_return_set["see"] == 7


async def test_explicit_data_fills_by_name_and_by_position() -> None:
    def see(a: int, b: int, /, c: int, *, d: int) -> int:
        return a + b + c + d

    ends: list[dict[str, Any]] = [{"index": 0}, {"index": 1}, {"key": "c"}, {"key": "d"}]
    items = [
        DataItem(
            from_relation=DTRela(related_task="base", single_item=True),
            to_relation=DTRela(related_task="see", **end),
        )
        for end in ends
    ]
    registry = SchedulerRegistry("explicit")
    registry.task("base")(base)
    registry.task("see", data=TaskData(input_data_item=items))(see)
    assert (await registry.run()).task_return_set["see"] == 16


async def test_a_flow_of_other_tasks_is_built_beside_an_unfilled_one() -> None:
    registry = SchedulerRegistry("beside")
    registry.task("base")(base)
    registry.task("c")(one)
    assert (await registry.run(["base"])).task_return_set == {"base": 4}


WHOLE = ("base",)


def test_a_tuple_of_one_part_means_the_whole_result() -> None:
    def see(n: Ref[int, WHOLE]) -> int:
        return n

    registry = SchedulerRegistry("tuples")
    registry.task("base")(base)
    registry.task("see")(see)
    binding = registry.build_scheduler().flow().tasks["see"].inputs.bindings[0]
    assert (binding.source, binding.path) == ("base", ())


@dataclass
class Holder:
    source: Any


@pytest.mark.parametrize(
    "default", [{"rows": [F("base")]}, ([(F("base"),)],), Holder(F("base")), Holder([F("base")])]
)
def test_a_reference_deep_in_a_default_value_is_refused(default: Any) -> None:
    def read(n: Any = default) -> None: ...

    with pytest.raises(TaskRegistrationError, match="parameter 'n' has the reference"):
        SchedulerRegistry().task("read")(read)


def test_a_default_value_that_contains_itself_is_not_a_reference() -> None:
    loop: list[Any] = []
    loop.append(loop)

    def read(n: Any = loop) -> None: ...

    SchedulerRegistry().task("read")(read)


class Keywords(TypedDict):
    n: Ref[int, F("base")]


class PlainKeywords(TypedDict):
    n: int


def test_a_reference_in_an_unpacked_typed_dict_is_refused() -> None:
    def read(**keywords: Unpack[Keywords]) -> None: ...

    registry = SchedulerRegistry()
    registry.task("base")(base)
    registry.task("read")(read)
    with pytest.raises(TaskRegistrationError, match=r"'keywords'.*where it would be ignored"):
        registry.build_scheduler()
    read.__annotations__["keywords"] = Unpack[Keywords]
    with pytest.raises(TaskRegistrationError, match=r"'keywords'.*where it would be ignored"):
        SchedulerRegistry().task("read")(read)

    def plain(**keywords: Unpack[PlainKeywords]) -> None: ...

    SchedulerRegistry().task("plain")(plain)
