"""One attempt: from arguments to outcome, for every behaviour of the function."""

from __future__ import annotations

import asyncio
import functools
import inspect
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from astrum.data_transport.bindings import Binding, Supply, TaskInputs
from astrum.errors import AstrumError
from astrum.execution.attempt import AttemptContext, current_attempt
from astrum.execution.endings import AttemptResult
from astrum.execution.invoke import BoundTask, Invoker
from astrum.execution.threads import ThreadPool
from astrum.machine import Outcome
from astrum.planning import RetryPolicy
from astrum.planning.plan import Lane
from tests.eventually import eventually


@pytest.fixture
async def invoker() -> AsyncIterator[Invoker]:
    invoker = Invoker(2)
    yield invoker
    invoker.close()


def bound(function: Callable[..., Any], inputs: TaskInputs | None = None) -> BoundTask:
    lane: Lane = "async" if asyncio.iscoroutinefunction(function) else "thread"
    return BoundTask("a", function, inputs or TaskInputs(), lane)


def attempt(**fields: Any) -> AttemptContext:
    return AttemptContext(run_id="r", task_id="a", attempt=1, **fields)


async def invoked(
    invoker: Invoker, function: Callable[..., Any], *supplies: Supply, **arguments: Any
) -> AttemptResult:
    task = bound(function, TaskInputs(supplies=supplies))
    by_name: dict[str | int, Any] = dict(arguments.items())
    return await invoker.invoke(task, attempt(), by_name)


# --- calling ---------------------------------------------------------------------------------


async def test_arguments_go_by_name_and_by_position(invoker: Invoker) -> None:
    def function(first: int, second: int, third: int) -> tuple[int, int, int]:
        return first, second, third

    result = await invoker.invoke(bound(function), attempt(), {"third": 3, 1: 2, 0: 1})
    assert (result.outcome, result.value) == (Outcome.SUCCEEDED, (1, 2, 3))
    assert 0 < result.started_at <= result.ended_at


async def test_supplies_are_called_or_used_unchanged(invoker: Invoker) -> None:
    async def later() -> int:
        return 1

    def function(**values: Any) -> Any:
        return values

    supplies = (Supply("a", later), Supply("b", lambda: 2), Supply("c", 3))
    result = await invoked(invoker, function, *supplies, d=4)
    assert result.value == {"a": 1, "b": 2, "c": 3, "d": 4}


async def test_a_supply_that_raises_fails_the_attempt(invoker: Invoker) -> None:
    def broken() -> int:
        raise ValueError("no supply")

    result = await invoked(invoker, lambda x: x, Supply("x", broken))
    assert result.outcome is Outcome.FAILED
    assert result.failure is not None
    assert result.failure.summary == "ValueError: no supply"


async def test_a_plain_function_may_hand_out_a_coroutine(invoker: Invoker) -> None:
    async def inner() -> int:
        return 7

    assert (await invoked(invoker, lambda: inner())).value == 7


async def test_a_missing_argument_fails_the_attempt(invoker: Invoker) -> None:
    result = await invoked(invoker, lambda x: x)
    assert result.failure is not None
    assert result.failure.type_name == "TypeError"


async def test_a_value_that_does_not_fit_names_both_ends(invoker: Invoker) -> None:
    inputs = TaskInputs(bindings=(Binding("x", "up", ("n",)),), expected={"x": int})
    task = bound(lambda x: x, inputs)
    result = await invoker.invoke(task, attempt(), {"x": "text"})
    assert result.failure is not None
    for word in ("'a'", "'x'", "'up'", "['n']", "int", "str"):
        assert word in result.failure.message
    unchecked = await invoker.invoke(task, attempt(check_types=False), {"x": "text"})
    assert unchecked.value == "text"


# --- failing ---------------------------------------------------------------------------------


async def test_a_failure_says_what_was_raised_where_and_with_which_notes(invoker: Invoker) -> None:
    class RowError(LookupError):
        pass

    def breaks() -> None:
        error = RowError("row 7")
        error.add_note("while loading")
        raise error

    failure = (await invoked(invoker, breaks)).failure
    assert failure is not None
    assert failure.summary == "RowError: row 7"
    assert failure.types[1:] == (
        "builtins.LookupError",
        "builtins.Exception",
        "builtins.BaseException",
    )
    assert failure.notes == ("while loading",)
    assert "in breaks" in failure.traceback


async def test_an_exception_without_a_readable_message_is_a_failure_too(
    invoker: Invoker,
) -> None:
    class MuteError(Exception):
        __notes__ = 5  # type: ignore[assignment] # on purpose

        def __str__(self) -> str:
            raise RuntimeError("no words")

    def breaks() -> None:
        raise MuteError

    failure = (await invoked(invoker, breaks)).failure
    assert failure is not None
    assert failure.message == "<its __str__ raised RuntimeError>"


async def test_a_timed_out_attempt_is_retried_by_default(invoker: Invoker) -> None:
    result = await invoker.invoke(bound(asyncio.Event().wait), attempt(timeout_s=0.01), {})
    assert result.outcome is Outcome.TIMED_OUT
    assert result.failure is not None
    assert RetryPolicy(1).allows(1, result.failure.types)


async def test_a_timeout_bounds_what_a_plain_function_hands_out(invoker: Invoker) -> None:
    result = await invoker.invoke(
        bound(lambda: asyncio.Event().wait()), attempt(timeout_s=0.01), {}
    )
    assert result.outcome is Outcome.TIMED_OUT


async def test_cancelling_the_waiter_cancels_async_code_and_propagates(invoker: Invoker) -> None:
    context = attempt()
    began = asyncio.Event()
    told: list[bool] = []

    async def long() -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            told.append(True)

    waiter = asyncio.create_task(invoker.invoke(bound(long), context, {}))
    await began.wait()
    context.cancel()
    waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    assert told == [True]


async def test_a_sync_attempt_can_be_withdrawn_until_a_thread_has_begun_it() -> None:
    invoker = Invoker(1)
    release, ran = threading.Event(), list[str]()

    def wait() -> None:
        release.wait(10)
        ran.append("ran")

    contexts = [attempt(), attempt()]
    task = bound(wait)
    first, second = (
        asyncio.ensure_future(invoker.invoke(task, context, {})) for context in contexts
    )
    await eventually(
        lambda: contexts[1]._call and contexts[0]._call and contexts[0]._call._has_begun
    )
    assert [context.withdraw() for context in contexts] == [False, True]
    second.cancel()
    await asyncio.wait([second])
    release.set()
    assert (await first).outcome is Outcome.SUCCEEDED
    assert (ran, invoker.pool.hung) == (["ran"], 0)
    invoker.close()


def test_outside_of_a_task_there_is_no_current_attempt() -> None:
    with pytest.raises(AstrumError, match="only inside a running task"):
        current_attempt()


async def test_a_supply_sees_the_attempt_too(invoker: Invoker) -> None:
    result = await invoked(invoker, lambda key: key, Supply("key", lambda: current_attempt()))
    assert result.value.attempt_key == "r/a/1"


# --- threads ---------------------------------------------------------------------------------


async def test_no_more_threads_than_the_limit_run_jobs() -> None:
    pool = ThreadPool(2)
    names: set[str] = set()
    await asyncio.gather(
        *(pool.submit(lambda: names.add(threading.current_thread().name)) for _ in range(50))
    )
    pool.close()
    assert 1 <= len(names) <= 2


async def test_a_job_never_waits_behind_another_while_the_limit_allows_a_thread() -> None:
    pool = ThreadPool()
    for _ in range(200):
        first_may_end = threading.Event()
        first = pool.submit(functools.partial(first_may_end.wait, 10))
        second = pool.submit(first_may_end.set)
        assert await first
        await second
    pool.close()


async def test_an_abandoned_job_makes_room_for_the_one_that_waits() -> None:
    pool = ThreadPool(1)
    began, let_go = threading.Event(), threading.Event()
    threads: list[threading.Thread] = []

    def hangs() -> None:
        threads.append(threading.current_thread())
        began.set()
        let_go.wait(10)
        pool.recovered()

    hung = pool.submit(hangs)
    await asyncio.to_thread(began.wait, 10)
    waiting = pool.submit(lambda: "ran")
    hung.cancel()
    pool.abandon()
    assert await waiting == "ran"
    assert pool.hung == 1
    let_go.set()
    await asyncio.to_thread(threads[0].join, 10)
    assert not threads[0].is_alive(), "it came back beyond the limit"
    assert pool.hung == 0
    assert await pool.submit(lambda: "ran") == "ran"
    pool.close()


async def test_a_hanging_sync_function_frees_its_slot() -> None:
    invoker = Invoker(1)
    let_go = threading.Event()
    hung = await invoker.invoke(bound(lambda: let_go.wait(10)), attempt(timeout_s=0.01), {})
    assert hung.outcome is Outcome.TIMED_OUT
    assert (await invoked(invoker, lambda: "ran")).value == "ran"
    let_go.set()
    invoker.close()


async def test_a_job_that_is_cancelled_before_it_starts_does_not_run() -> None:
    pool = ThreadPool(1)
    let_go = threading.Event()
    ran: list[str] = []
    first = pool.submit(lambda: let_go.wait(10))
    second = pool.submit(lambda: ran.append("second"))
    second.cancel()
    let_go.set()
    await first
    await pool.submit(lambda: ran.append("third"))
    pool.close()
    assert ran == ["third"]


async def test_a_coroutine_that_comes_too_late_is_closed() -> None:
    pool, began, release = ThreadPool(1), threading.Event(), threading.Event()
    late = asyncio.sleep(1)

    def hand_out() -> Any:
        began.set()
        release.wait(10)
        return late

    future = pool.submit(hand_out)
    await eventually(began.is_set)
    future.cancel()
    release.set()
    await eventually(lambda: inspect.getcoroutinestate(late) == inspect.CORO_CLOSED)
    pool.close()


async def test_without_new_threads_jobs_share_the_existing_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pool = ThreadPool()
    await pool.submit(lambda: None)

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    jobs = [pool.submit(functools.partial(abs, number)) for number in range(5)]
    assert await asyncio.gather(*jobs) == [0, 1, 2, 3, 4]
    with pytest.raises(RuntimeError, match="no thread could be started"):
        ThreadPool().submit(lambda: None)
    pool.close()


async def test_closing_ends_the_threads() -> None:
    pool = ThreadPool()
    thread = await pool.submit(threading.current_thread)
    pool.close()
    pool.close()
    await asyncio.to_thread(thread.join, 10)
    assert not thread.is_alive()
