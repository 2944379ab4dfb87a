"""The end of a process that a task's own code has forked.

The child of a fork has copies of the event loop, of the connections and of everything that waits.
It must not act as a second host of the run. So it ends, without the parent's clean-ups, when the
task's code returns or raises in it, and also when that code returns control to the event loop.
"""

from __future__ import annotations

import asyncio
import os
import sys
import traceback
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any, NoReturn, TypeVar

from astrum.runtime.standard_streams import say_line, settle_streams

Result = TypeVar("Result")


class Forks:
    """The number of forks between this process and the one that imported this; see `watch`."""

    def __init__(self) -> None:
        self.depth = 0
        self._is_in_task: Callable[[], bool] = lambda: False
        self._loop: asyncio.AbstractEventLoop | None = None

    def watch(self, is_in_task: Callable[[], bool]) -> None:
        """Notice forks; those in tasks end their child when it comes to the event loop."""
        self._is_in_task = is_in_task
        os.register_at_fork(
            before=self._before, after_in_parent=self._after, after_in_child=self._in_child
        )

    def end_child_since(self, depth: int, error: BaseException | None = None) -> None:
        """End this process, as after this exception, if it was forked since ``depth`` was read."""
        if self.depth != depth:
            end_child(error)

    def _before(self) -> None:
        self._loop = None
        if self._is_in_task():
            with suppress(RuntimeError):  # the child has none: asyncio removes it there
                self._loop = asyncio.get_running_loop()

    def _after(self) -> None:
        self._loop = None

    def _in_child(self) -> None:
        self.depth += 1
        loop, self._loop = self._loop, None
        if loop is not None:
            # All that waits on the loop belongs to the parent.
            ready = getattr(loop, "_ready", None)
            if isinstance(ready, deque):
                ready.clear()
            loop.call_soon(_end_of_waiting_child)


FORKS = Forks()


def run_here(call: Callable[[], Result]) -> Result:
    """Call, and return only in the process that called: a child that was forked meanwhile ends."""
    depth = FORKS.depth
    try:
        value = call()
    except BaseException as error:
        FORKS.end_child_since(depth, error)
        raise
    FORKS.end_child_since(depth)
    return value


class ForkAwareExecutor(ThreadPoolExecutor):
    """Threads for a loop's ``to_thread``; a child forked in one does not wait for further jobs."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **named: Any) -> Future[Any]:
        """Run a function in a thread."""
        return super().submit(run_here, partial(fn, *args, **named))


def end_child(error: BaseException | None) -> NoReturn:
    """End this process as Python would after this exception, without its parent's clean-ups."""
    code = 1
    with suppress(BaseException):
        code = _exit_code(error)
    with suppress(BaseException):
        sys.stdout.flush()
        settle_streams()
    os._exit(code)


def _exit_code(error: BaseException | None) -> int:
    if error is None:
        return 0
    if not isinstance(error, SystemExit):
        say_line("".join(traceback.format_exception(error)).rstrip())
        return 1
    if error.code is None or isinstance(error.code, int):
        return (error.code or 0) & 0xFF
    say_line(str(error.code))
    return 1


def _end_of_waiting_child() -> None:
    say_line(
        f"process {os.getpid()}, which a task forked, ends: it awaited something, and the event "
        "loop is its parent's. Use the subprocess or multiprocessing module"
    )
    end_child(SystemExit(1))
