"""Task reuse: many short items run in few asyncio tasks, and none of them can notice it."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from weakref import WeakKeyDictionary

import pytest

from astrum.execution import task_reuse
from astrum.execution.task_reuse import STARTS_AT_ONCE, TURN_S, TaskReuser
from tests.eager import eager_tasks

colour: ContextVar[str] = ContextVar("colour")
mine: ContextVar[int] = ContextVar("mine")

Step = Callable[[], Awaitable[None]]


class StepRunner:
    """Runs steps through a `TaskReuser` and notes in which asyncio task each ran."""

    def __init__(self) -> None:
        self.ran: list[str] = []  # their names: a task that is kept runs nothing more
        self.ended = 0
        self.reuser: TaskReuser[Step] = TaskReuser(self._begin, own=mine)

    async def _begin(self, step: Step, task: asyncio.Task[None]) -> None:
        assert asyncio.current_task() is task
        self.ran.append(task.get_name())
        mine.set(len(self.ran))
        try:
            await step()
        finally:
            self.ended += 1

    async def run(self, *steps: Step) -> int:
        """Run the steps; return how many asyncio tasks it took."""
        for step in steps:
            self.reuser.add(step)
        while self.ended < len(steps):  # noqa: ASYNC110
            await asyncio.sleep(0)
        return len(set(self.ran))

    async def begun(self, step: Step, items: int, turns: int) -> int:
        """Return how many of so many equal steps begin in some turns of the loop."""
        for _ in range(items):
            self.reuser.add(step)
        for _ in range(turns):
            await asyncio.sleep(0)
        return len(self.ran)


@pytest.fixture(autouse=True)
def _nothing_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task_reuse, "TURN_S", 60.0)


async def nothing() -> None:
    """Come to the end at once."""


async def test_items_that_wait_for_nothing_share_a_task() -> None:
    assert await StepRunner().run(*[nothing] * 20) == 1


async def test_the_task_of_an_item_that_waited_is_not_reused() -> None:
    """Libraries keep things by task, as sessions and spans, and clean up at its end."""

    async def waits_a_turn() -> None:
        await asyncio.sleep(0)

    assert await StepRunner().run(*[waits_a_turn] * 5) == 5
    assert await StepRunner().run(waits_a_turn, nothing) == 2
    assert await StepRunner().run(nothing, waits_a_turn) == 1


async def test_an_item_that_waits_delays_none_behind_it() -> None:
    gate = asyncio.Event()
    runner = StepRunner()

    async def opens() -> None:
        gate.set()

    async def waits_for_the_last() -> None:
        await gate.wait()

    assert await runner.run(*[waits_for_the_last] * 9, opens) == 10


async def test_the_number_of_tasks_at_once_doubles_while_all_wait() -> None:
    gate = asyncio.Event()

    async def waits_at_the_gate() -> None:
        await gate.wait()

    assert await StepRunner().begun(waits_at_the_gate, 1_000, turns=12) == 1_000
    gate.set()


async def test_items_that_end_after_a_wait_do_not_slow_the_start_of_those_behind() -> None:
    async def waits_a_turn() -> None:
        await asyncio.sleep(0)

    assert await StepRunner().begun(waits_a_turn, 2_000, turns=16) == 2_000


async def test_no_item_sees_the_context_changes_of_another() -> None:
    seen: list[str] = []

    async def looks_and_paints() -> None:
        seen.append(colour.get("none"))
        colour.set("red")

    assert await StepRunner().run(*[looks_and_paints] * 5) == 5
    assert seen == ["none"] * 5


async def test_each_item_sees_the_context_in_which_the_reuser_was_made() -> None:
    seen: list[str] = []

    async def looks() -> None:
        seen.append(colour.get("none"))

    async def paints_over() -> None:
        await looks()
        colour.set("red")

    colour.set("blue")
    runner = StepRunner()
    colour.set("green")
    assert await runner.run(looks, paints_over, looks, paints_over, looks) == 3
    assert seen == ["blue"] * 5


@pytest.mark.parametrize("swallows", [True, False])
async def test_no_item_inherits_a_cancellation(swallows: bool) -> None:
    ended: list[int] = []

    async def is_cancelled() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        if swallows:
            with pytest.raises(asyncio.CancelledError):
                await asyncio.sleep(0)

    async def waits_and_ends() -> None:
        await asyncio.sleep(0)
        ended.append(1)

    await StepRunner().run(is_cancelled, waits_and_ends, is_cancelled, waits_and_ends)
    assert ended == [1, 1]


kept: list[object] = []
by_task: WeakKeyDictionary[asyncio.Task[None], int] = WeakKeyDictionary()


def keeps(task: asyncio.Task[None]) -> None:
    kept.append(task)


def keeps_weakly(task: asyncio.Task[None]) -> None:
    by_task[task] = 1


def has_it_cancelled_soon(task: asyncio.Task[None]) -> None:
    asyncio.get_running_loop().call_soon(task.cancel)


def is_told_of_its_end(task: asyncio.Task[None]) -> None:
    task.add_done_callback(kept.append)


def takes_a_cancellation_back(task: asyncio.Task[None]) -> None:
    task.cancel()
    task.uncancel()


@pytest.mark.parametrize(
    "does",
    [
        keeps,
        keeps_weakly,
        has_it_cancelled_soon,
        is_told_of_its_end,
        pytest.param(
            takes_a_cancellation_back,
            marks=pytest.mark.skipif(
                sys.version_info >= (3, 13), reason="since Python 3.13 nothing is left of it"
            ),
        ),
    ],
)
async def test_a_task_that_an_item_has_changed_is_not_reused(
    does: Callable[[asyncio.Task[None]], None],
) -> None:
    ended: list[int] = []

    async def does_it() -> None:
        task = asyncio.current_task()
        assert task is not None
        does(task)

    async def waits_and_ends() -> None:
        await asyncio.sleep(0)
        ended.append(1)

    assert await StepRunner().run(does_it, waits_and_ends) == 2
    assert ended == [1]
    kept.clear()


async def test_no_item_begins_inside_the_one_that_has_added_it() -> None:
    story: list[str] = []

    async def second() -> None:
        story.append("second")

    async def first() -> None:
        runner.reuser.add(second)
        story.append("first")

    with eager_tasks():
        runner = StepRunner()
        runner.reuser.add(first)
        assert story == []
        while runner.ended < 2:  # noqa: ASYNC110
            await asyncio.sleep(0)
    assert story == ["first", "second"]


async def test_cleared_items_never_begin() -> None:
    runner = StepRunner()
    runner.reuser.add(nothing)
    runner.reuser.clear()
    assert not runner.reuser
    assert await runner.run(nothing) == 1
    assert len(runner.ran) == 1


async def test_a_long_row_of_items_lets_the_loop_run_others() -> None:
    runner = StepRunner()
    for _ in range(3 * STARTS_AT_ONCE):
        runner.reuser.add(nothing)
    begun = 0
    while runner.reuser:
        await asyncio.sleep(0)
        assert 0 < len(runner.ran) - begun <= STARTS_AT_ONCE
        begun = len(runner.ran)
    assert len(set(runner.ran)) == 3


async def test_long_items_that_do_not_wait_let_the_loop_run_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(task_reuse, "TURN_S", TURN_S)

    async def takes_long() -> None:
        time.sleep(1.2 * TURN_S)  # noqa: ASYNC251  to hold the loop is the point

    runner = StepRunner()
    for _ in range(5):
        runner.reuser.add(takes_long)
    for begun in range(5):
        assert len(runner.ran) == begun
        while len(runner.ran) == begun:  # noqa: ASYNC110
            await asyncio.sleep(0)
