"""Resources in one process: opened once, upstream first; closed in the reverse order."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from astrum.errors import ResourceError
from astrum.execution import resources
from astrum.execution.resources import OpenResources
from astrum.planning.resources import ResourceSource, ResourceUse

Log = list[str]


def opened(*failures: ResourceError) -> OpenResources:
    told = list(failures)
    return OpenResources(told.append)


def source(name: str, function: Callable[..., Any], *needs: ResourceSource) -> ResourceSource:
    uses = tuple(ResourceUse(need.name, need) for need in needs)
    return ResourceSource(name, "tests", function, uses)


def noting(name: str, log: Log, *needs: ResourceSource, is_async: bool) -> ResourceSource:
    """Return a resource that notes when it is opened, with what, and when it is closed."""

    def in_thread(**given: str) -> Iterator[str]:
        log.append(f"+{name}")
        yield f"{name}({','.join(given.values())})"
        log.append(f"-{name}")

    async def on_loop(**given: str) -> AsyncIterator[str]:
        await asyncio.sleep(0)
        log.append(f"+{name}")
        yield f"{name}({','.join(given.values())})"
        await asyncio.sleep(0)
        log.append(f"-{name}")

    return source(name, on_loop if is_async else in_thread, *needs)


@st.composite
def graphs(draw: st.DrawFn) -> list[tuple[list[int], bool]]:
    """Return for each resource the numbers of those that it needs, and whether it is async."""
    count = draw(st.integers(1, 6))
    return [
        (
            draw(st.lists(st.integers(0, n - 1), unique=True)) if n else [],
            draw(st.booleans()),
        )
        for n in range(count)
    ]


@given(graphs(), st.data())
async def test_a_graph_is_opened_upstream_first_and_closed_in_the_reverse_order(
    graph: list[tuple[list[int], bool]], data: st.DataObject
) -> None:
    log: Log = []
    sources: list[ResourceSource] = []
    for number, (needs, is_async) in enumerate(graph):
        needed = [sources[need] for need in needs]
        sources.append(noting(f"r{number}", log, *needed, is_async=is_async))
    readers = data.draw(
        st.lists(st.lists(st.sampled_from(sources), unique=True), min_size=1, max_size=5)
    )
    open_ones = opened()
    given_out = await asyncio.gather(
        *(open_ones.values([ResourceUse(one.name, one) for one in read]) for read in readers)
    )
    started = list(log)
    await open_ones.close()
    wanted, waiting = set(), [one for read in readers for one in read]
    while waiting:
        one = waiting.pop()
        wanted.add(one.name)
        waiting += [use.source for use in one.needs]
    assert sorted(started) == sorted(f"+{name}" for name in wanted)
    ended = log[len(started) :]
    assert sorted(ended) == sorted(f"-{name}" for name in wanted)
    for one in sources:
        for use in one.needs if one.name in wanted else ():
            assert started.index(f"+{use.source.name}") < started.index(f"+{one.name}")
            assert ended.index(f"-{use.source.name}") > ended.index(f"-{one.name}")
    if len(readers) == 1:  # others open at the same time, in no order
        assert ended == [f"-{name[1:]}" for name in reversed(started)]
    values: dict[str | int, Any] = {}
    for found in given_out:
        for name, value in found.items():
            assert values.setdefault(name, value) is value


async def test_many_attempts_that_need_a_resource_at_once_open_it_once() -> None:
    log: Log = []
    open_ones = opened()
    uses = [ResourceUse("db", noting("db", log, is_async=True))]
    values = await asyncio.gather(*(open_ones.values(uses) for _ in range(100)))
    assert log == ["+db"]
    assert all(value["db"] is values[0]["db"] for value in values)
    await open_ones.close()


async def test_a_sync_resource_is_opened_and_closed_in_one_thread_and_one_context() -> None:
    variable = contextvars.ContextVar("variable", default=0)
    seen = []

    def held() -> Iterator[None]:
        seen.append(threading.current_thread())
        lock = threading.RLock()
        token = variable.set(1)
        with lock:  # only the thread that holds it may release it
            yield
        variable.reset(token)
        seen.append(threading.current_thread())

    open_ones = opened()
    await open_ones.values([ResourceUse("lock", source("lock", held))])
    await open_ones.close()
    assert seen[0] is seen[1]
    assert seen[0] is not threading.current_thread()
    assert variable.get() == 0


async def test_an_async_resource_is_opened_and_closed_in_one_task() -> None:
    tasks = []

    async def group() -> AsyncIterator[None]:
        tasks.append(asyncio.current_task())
        async with asyncio.TaskGroup():  # it must be left in the task that entered it
            yield
        tasks.append(asyncio.current_task())

    open_ones = opened()
    await open_ones.values([ResourceUse("group", source("group", group))])
    await open_ones.close()
    assert tasks[0] is tasks[1]


async def test_a_waiter_that_is_cancelled_does_not_stop_the_opening() -> None:
    go, log = asyncio.Event(), []

    async def slow() -> AsyncIterator[int]:
        await go.wait()
        log.append("opened")
        yield 1

    open_ones = opened()
    uses = [ResourceUse("slow", source("slow", slow))]
    first = asyncio.create_task(open_ones.values(uses))
    second = asyncio.create_task(open_ones.values(uses))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait([first])
    go.set()
    assert await second == {"slow": 1}
    assert log == ["opened"]
    await open_ones.close()


async def test_one_that_cannot_be_opened_fails_all_that_wait_and_is_reported_once() -> None:
    log: Log = []
    told: list[ResourceError] = []

    async def fails(pool: str) -> AsyncIterator[int]:
        log.append("tried")
        raise OSError("no route to host")
        yield 1

    pool = noting("pool", log, is_async=False)
    broken = source("db", fails, pool)
    above = noting("cache", log, broken, is_async=True)
    open_ones = OpenResources(told.append)
    uses = [[ResourceUse("x", one)] for one in (broken, above, broken)]
    found = await asyncio.gather(*map(open_ones.values, uses), return_exceptions=True)
    assert [str(error) for error in found] == [
        "resource 'db' could not be opened: OSError: no route to host"
    ] * 3
    assert [(error.resource, type(error.__cause__)) for error in told] == [("db", OSError)]
    assert 'raise OSError("no route to host")' in told[0].user_traceback
    assert "resource_steps.py" not in told[0].user_traceback
    await open_ones.close()
    assert log == ["+pool", "tried", "-pool"]


async def test_a_task_group_of_a_resource_that_fails_breaks_the_resource() -> None:
    told: asyncio.Queue[ResourceError] = asyncio.Queue()
    breaks = asyncio.Event()

    async def listen() -> None:
        await breaks.wait()
        raise ConnectionResetError("gone")

    async def listening() -> AsyncIterator[int]:
        async with asyncio.TaskGroup() as group:
            group.create_task(listen())
            yield 1

    open_ones = OpenResources(told.put_nowait)
    uses = [ResourceUse("bus", source("bus", listening))]
    assert await open_ones.values(uses) == {"bus": 1}
    breaks.set()
    error = await asyncio.wait_for(told.get(), 5)
    with pytest.raises(ResourceError, match="resource 'bus' broke while it was open"):
        await open_ones.values(uses)
    assert isinstance(error.__cause__, ExceptionGroup)
    await open_ones.close()


@pytest.mark.parametrize("is_async", [True, False])
async def test_an_error_while_closing_is_logged_and_the_others_are_closed(
    is_async: bool, caplog: pytest.LogCaptureFixture
) -> None:
    log: Log = []

    async def on_loop(pool: str) -> AsyncIterator[int]:
        yield 1
        raise ValueError("already closed")

    def in_thread(pool: str) -> Iterator[int]:
        yield 1
        raise ValueError("already closed")

    function: Callable[..., Any] = on_loop if is_async else in_thread
    top = source("db", function, noting("pool", log, is_async=is_async))
    open_ones = opened()
    await open_ones.values([ResourceUse("db", top)])
    with caplog.at_level(logging.ERROR):
        await open_ones.close()
    assert log == ["+pool", "-pool"]
    assert "resource 'db' could not be closed" in caplog.text
    assert "ValueError: already closed" in caplog.text


@pytest.mark.parametrize("is_async", [True, False])
async def test_one_that_hangs_while_it_closes_is_left_after_a_time(
    is_async: bool, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resources, "CLOSE_S", 0.05)
    log: Log = []
    end = threading.Event()

    async def on_loop(pool: str) -> AsyncIterator[int]:
        yield 1
        await asyncio.Event().wait()

    def in_thread(pool: str) -> Iterator[int]:
        yield 1
        end.wait()

    function: Callable[..., Any] = on_loop if is_async else in_thread
    top = source("db", function, noting("pool", log, is_async=False))
    open_ones = opened()
    await open_ones.values([ResourceUse("db", top)])
    with caplog.at_level(logging.ERROR):
        await asyncio.wait_for(open_ones.close(), 5)
    end.set()
    assert log == ["+pool", "-pool"]
    assert "resource 'db' did not close within 0.05 s and is left open" in caplog.text


async def test_one_that_yields_nothing_or_twice_is_reported(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def none() -> Iterator[int]:
        yield from ()

    def two() -> Iterator[int]:
        yield 1
        yield 2

    open_ones = opened()
    with pytest.raises(ResourceError, match="it ended without yielding anything"):
        await open_ones.values([ResourceUse("none", source("none", none))])
    await open_ones.values([ResourceUse("two", source("two", two))])
    with caplog.at_level(logging.ERROR):
        await open_ones.close()
    assert "it yielded a second time" in caplog.text


async def test_nothing_is_opened_after_the_end() -> None:
    log: Log = []
    open_ones = opened()
    await open_ones.close()
    with pytest.raises(ResourceError, match="this process closes its resources"):
        await open_ones.values([ResourceUse("db", noting("db", log, is_async=True))])
    assert log == []


async def test_one_that_is_still_being_opened_at_the_end_is_cancelled() -> None:
    log: Log = []

    async def slow() -> AsyncIterator[int]:
        try:
            await asyncio.Event().wait()
            yield 1
        finally:
            log.append("cleaned")

    open_ones = opened()
    waits = asyncio.create_task(open_ones.values([ResourceUse("slow", source("slow", slow))]))
    await asyncio.sleep(0.01)
    await open_ones.close()
    assert log == ["cleaned"]
    with pytest.raises(ResourceError):
        await waits
