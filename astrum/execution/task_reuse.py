"""Start many short coroutines for less than an asyncio task and a turn of the loop each."""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections import deque
from collections.abc import Awaitable, Callable
from sys import getrefcount
from typing import Any, Generic, TypeVar
from weakref import getweakrefcount

from astrum.runtime.loops import runs_in, task_maker

STARTS_AT_ONCE = 500
"""Items begun in one turn of the loop, so that other code on the loop gets its turn."""
TURN_S = 0.005
"""Seconds for which an asyncio task runs further items before it lets the loop turn."""
_GONE = object()

T = TypeVar("T")


class TaskReuser(Generic[T]):
    """Runs items back to back in one asyncio task, in order, in the context of its creation.

    A task is reused for the next item only if the previous item never suspended and left no trace
    on it: unchanged context variables, no pending cancellation, and no remaining references to the
    task object. So a chain of short items does not take a task and a turn of the loop for each. As
    soon as an item suspends, the items after it get tasks of their own.

    ``begin(item, task)`` runs an item in ``task`` and raises nothing. It must refer to ``task``
    until the item's end and no longer.
    ``own`` is the context variable that each item sets again.

    Only the in-process host uses it, where 10,000 no-op tasks take a fifth to a third less time
    with it (benchmarks/HISTORY.md). Workers use plain tasks: there it gained nothing with tasks of
    1 ms.
    """

    def __init__(
        self,
        begin: Callable[[T, asyncio.Task[None]], Awaitable[None]],
        own: contextvars.ContextVar[Any],
    ) -> None:
        self._begin = begin
        self._loop = asyncio.get_running_loop()
        self._new_task = task_maker()
        self._context = contextvars.copy_context()
        self._own = own
        self._values = [(v, x) for v, x in self._context.items() if v is not own]
        self._items: deque[T] = deque()
        self._is_planned = False
        # With a factory of eager tasks, an item would begin inside the item that added it.
        self._may_be_eager = self._loop.get_task_factory() is not None
        self._runners = 1
        self._left = STARTS_AT_ONCE
        self._until = 0.0

    def __bool__(self) -> bool:
        """Return whether any items wait."""
        return bool(self._items)

    def add(self, item: T) -> None:
        """Begin an item soon."""
        self._items.append(item)
        if self._is_planned:
            return
        if self._may_be_eager:
            self._is_planned = True
            self._loop.call_soon(self._start_runners)
        else:
            self._start_runners()  # they run in the next turn, with items that are added until then

    def clear(self) -> None:
        """Forget all items that have not begun."""
        self._items.clear()

    def _start_runners(self) -> None:
        """Start tasks for the waiting items; next time twice as many, if these do not suffice."""
        self._left = STARTS_AT_ONCE
        self._until = 0.0
        self._is_planned = bool(self._items)
        if not self._is_planned:
            return
        count = min(len(self._items), self._runners)
        if count == self._runners:
            self._runners = min(2 * count, STARTS_AT_ONCE)
        for _ in range(count):
            self._new_task(self._run_items(), context=self._context.copy())
        self._loop.call_soon(self._start_runners)

    async def _run_items(self) -> None:
        task: Any = asyncio.current_task()
        unused = _reuse_fingerprint(task)
        items, begin, begun = self._items, self._begin, 0
        self._until = self._until or time.monotonic() + TURN_S
        waited: list[bool] = []
        self._loop.call_soon(waited.append, True)  # it is called as soon as an item suspends
        while items and self._left:
            self._left -= 1
            begun += 1
            try:
                await begin(items.popleft(), task)
            except GeneratorExit:
                # An item's code awaited an object that raised this. Python then closes all
                # coroutines from the innermost out, and the item has already got the exception.
                if not runs_in(task):
                    raise
                return
            if waited or _reuse_fingerprint(task) != unused or not self._is_untouched():
                return
            if time.monotonic() > self._until:
                self._left = 0
        if begun > 1 or not self._left:
            self._runners = 1  # this task was reused, or kept the loop for long: few tasks suffice

    def _is_untouched(self) -> bool:
        """Return whether the current context is unchanged since the start."""
        here = contextvars.copy_context()
        for variable, value in self._values:
            if here.get(variable, _GONE) is not value:
                return False
        return len(here) == len(self._values) + (self._own in here)


def _reuse_fingerprint(task: Any) -> tuple[object, ...]:
    """Return all that could still refer to the task: cancel count, callbacks, reference counts.

    If it is equal before and after an item, the task can be reused. Otherwise code that kept the
    task could cancel the next item, or take that item's data for its own.
    """
    return (
        task.cancelling(),
        getattr(task, "_must_cancel", False),  # `uncancel` does not reset it
        getattr(task, "_callbacks", None),
        getrefcount(task),
        getweakrefcount(task),
    )
