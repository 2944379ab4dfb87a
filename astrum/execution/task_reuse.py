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
"""Items begun in one turn of the loop; the loop is others' too."""
TURN_S = 0.005
"""For how long an asyncio task goes on with further items before it lets the loop turn."""
_GONE = object()

T = TypeVar("T")


class TaskReuser(Generic[T]):
    """Begins items in the order they come, each in the context of whoever made the relay.

    An asyncio task that has come to the end of its item goes on with the next one, if nobody can
    tell: the item must have waited for nothing, and left no context variables, no cancellation
    and nobody who knows the task. So a chain of short items takes neither a task nor a turn of
    the loop each. As soon as an item waits for something, those behind it get tasks of their own.

    ``begin(item, task)`` runs an item in ``task``, which it has to hold on to until the item's
    end and no longer, and raises nothing.
    ``own`` is the context variable that each item sets anew.
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
        # With a factory of eager tasks, an item would begin inside the item that has added it.
        self._may_be_eager = self._loop.get_task_factory() is not None
        self._runners = 1
        self._left = STARTS_AT_ONCE
        self._until = 0.0

    def __bool__(self) -> bool:
        """Whether items wait to be begun."""
        return bool(self._items)

    def add(self, item: T) -> None:
        """Have an item begun soon."""
        self._items.append(item)
        if self._is_planned:
            return
        if self._may_be_eager:
            self._is_planned = True
            self._loop.call_soon(self._start_runners)
        else:
            self._start_runners()  # their turn comes next, and further items until then

    def clear(self) -> None:
        """Forget all that was not begun."""
        self._items.clear()

    def _start_runners(self) -> None:
        """Start tasks for what waits; next time twice as many, if these should not do."""
        self._left = STARTS_AT_ONCE
        self._until = 0.0
        self._is_planned = bool(self._items)
        if not self._is_planned:
            return
        count = min(len(self._items), self._runners)
        if count == self._runners:
            self._runners = min(2 * count, STARTS_AT_ONCE)
        for _ in range(count):
            self._new_task(self._run_on(), context=self._context.copy())
        self._loop.call_soon(self._start_runners)

    async def _run_on(self) -> None:
        task: Any = asyncio.current_task()
        known = _known_to(task)
        items, begin, begun = self._items, self._begin, 0
        self._until = self._until or time.monotonic() + TURN_S
        waited: list[bool] = []
        self._loop.call_soon(waited.append, True)  # comes to it as soon as an item waits
        while items and self._left:
            self._left -= 1
            begun += 1
            try:
                await begin(items.popleft(), task)
            except GeneratorExit:
                # An item's code waited for something that raised it. Python then closes all
                # coroutines from the innermost out, and the item has been told of it.
                if not runs_in(task):
                    raise
                return
            if waited or _known_to(task) != known or not self._is_untouched():
                return
            if time.monotonic() > self._until:
                self._left = 0
        if begun > 1 or not self._left:
            self._runners = 1  # this one went on, or held the loop for long: few will do

    def _is_untouched(self) -> bool:
        """Whether the current context is as it was at the start."""
        here = contextvars.copy_context()
        for variable, value in self._values:
            if here.get(variable, _GONE) is not value:
                return False
        return len(here) == len(self._values) + (self._own in here)


def _known_to(task: Any) -> tuple[object, ...]:
    """Return what would be different if somebody still meant to do something to a task.

    Whoever keeps a task may cancel it or look up by it what is another item's by then.
    """
    return (
        task.cancelling(),
        getattr(task, "_must_cancel", False),  # what `uncancel` leaves
        getattr(task, "_callbacks", None),
        getrefcount(task),
        getweakrefcount(task),
    )
