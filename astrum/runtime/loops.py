"""Helpers of background loops: task creation, delays between attempts, and an orderly end."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable, Coroutine, Iterable
from functools import partial
from typing import Any, TypeVar
from weakref import WeakSet

Result = TypeVar("Result")

LARGE_BYTES = 64 * 1024
"""Work on a value of more bytes is done in a thread: it would block the loop for too long."""


def task_maker() -> Callable[..., asyncio.Task[Any]]:
    """Return the cheapest way to create a task on the running loop.

    It is `asyncio.Task` itself, or ``loop.create_task`` where the loop or a task factory overrides
    it: asyncio's own ``create_task`` costs half as much as the task.
    """
    loop = asyncio.get_running_loop()
    is_plain = getattr(type(loop), "create_task", None) is asyncio.BaseEventLoop.create_task
    if is_plain and loop.get_task_factory() is None:
        return partial(asyncio.Task, loop=loop)
    return loop.create_task


def in_process_group(group: int) -> dict[str, Any]:
    """Return the options that start a process in a group, 0 for one of its own.

    Loops other than asyncio's, as uvloop, do not know the plain option.
    """
    if isinstance(asyncio.get_running_loop(), asyncio.BaseEventLoop):
        return {"process_group": group}
    return {"preexec_fn": partial(os.setpgid, 0, group)}


_hidden: WeakSet[asyncio.Task[Any]] = WeakSet()
"""The hidden tasks: to look for one in ``asyncio.all_tasks()`` costs a step for each that runs."""


def hide(task: asyncio.Task[Any]) -> None:
    """Take a task out of ``asyncio.all_tasks()``: user code may cancel all that it finds there."""
    asyncio.tasks._unregister_task(task)
    _hidden.add(task)


def hide_like_caller(task: asyncio.Task[Any]) -> None:
    """Hide a task if the task that makes it is hidden."""
    caller = asyncio.current_task()
    if caller is not None and caller in _hidden:
        hide(task)


def leave_behind(task: asyncio.Task[Any]) -> None:
    """Let the loop end without this task: no code waits for it, and others report its end."""
    hide(task)
    task._log_destroy_pending = False  # type: ignore[attr-defined]


def runs_in(task: asyncio.Task[Any] | None) -> bool:
    """Return whether this code is a step of ``task``; false while its coroutine is being closed.

    It can happen while any code runs, also after the end of the loop.
    """
    try:
        return asyncio.current_task() is task
    except RuntimeError:  # no loop runs
        return False


class Backoff:
    """Growing, jittered delays for a server that does not answer: 50 ms to 2 s, without end."""

    def __init__(self, first_s: float = 0.05, longest_s: float = 2.0) -> None:
        self._first_s = first_s
        self._longest_s = longest_s
        self.failures = 0

    def reset(self) -> None:
        """Forget earlier failures."""
        self.failures = 0

    async def wait(self) -> None:
        """Sleep for the next delay."""
        delay_s = min(self._first_s * 2 ** min(self.failures, 10), self._longest_s)
        self.failures += 1
        await asyncio.sleep(delay_s * random.uniform(0.5, 1.0))


async def side_by_side(works: Iterable[Coroutine[Any, Any, Result]]) -> list[Result]:
    """Run coroutines at the same time, in tasks that are hidden if the caller's is.

    Raises their first error. A caller that is cancelled cancels them.
    """
    tasks = [asyncio.create_task(work) for work in works]
    for task in tasks:
        hide_like_caller(task)
    return await asyncio.gather(*tasks)


async def end_task(task: asyncio.Task[Any]) -> None:
    """Cancel a task and wait for its end, however it ends.

    If the caller is cancelled meanwhile, it gets its ``CancelledError``. Code that
    awaits the task and suppresses its error would swallow that.
    """
    task.cancel()
    await asyncio.wait([task])
    if not task.cancelled():
        task.exception()  # seen
