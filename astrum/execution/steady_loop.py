"""Runs the event loop of a process until its work is done, even if tasks disturb the loop.

A task may stop the loop, have a signal handler raise in the middle of it, or cancel all tasks
that asyncio knows. The loop continues, and Astrum's own tasks are not among those.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn, TypeVar

from astrum.execution.attempt import CURRENT
from astrum.runtime.forks import ForkAwareExecutor
from astrum.runtime.loops import hide

Result = TypeVar("Result")
TRIES_TO_TURN = 3
"""Failures in a row, before the loop runs anything, after which it counts as broken."""


def run_steadily(
    main: Coroutine[Any, Any, Result],
    disturbed: Callable[[BaseException | None], object],
    broken: Callable[[BaseException], NoReturn],
) -> Result:
    """Run a coroutine to its end and return its result, as ``asyncio.run`` does.

    ``disturbed`` is called with what a task made the loop raise, `None` if it stopped it.
    ``broken`` ends the process where the loop cannot run any more: a task has closed what it needs.
    """
    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        loop.set_default_executor(ForkAwareExecutor(thread_name_prefix="asyncio"))
        _refuse_stops(loop)
        task = loop.create_task(main)
        hide(task)
        turns: list[bool] = []
        idle = 0
        while not task.done():
            loop.call_soon(turns.append, True)
            try:
                loop.run_until_complete(task)
            except BaseException as error:
                if task.done() or loop.is_closed():
                    break
                idle = 0 if turns else idle + 1
                turns.clear()
                if idle == TRIES_TO_TURN:
                    broken(error)
                was_stopped = type(error) is RuntimeError and "stopped before" in str(error)
                disturbed(None if was_stopped else error)
        return task.result()


def _refuse_stops(loop: asyncio.AbstractEventLoop) -> None:
    """Make ``loop.stop()`` fail in tasks, where the loop's class allows that."""
    stop = loop.stop

    def guarded_stop() -> None:
        if CURRENT.get(None) is not None:
            raise RuntimeError(
                "a task cannot stop the event loop: Astrum and other tasks run on it"
            )
        stop()

    try:
        loop.stop = guarded_stop  # type: ignore[method-assign]
    except AttributeError:  # of uvloop; it is started again where it stopped
        return
