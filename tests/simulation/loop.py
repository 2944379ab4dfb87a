"""An event loop in virtual time, which passes only when no task has anything to do.

Every callback belongs to a `Process`. Within a process callbacks run in the order that asyncio
promises; the seed decides which process runs next. A paused process runs nothing until
it is resumed, a dead one nothing ever again, whatever `finally` it is in.
"""

from __future__ import annotations

import asyncio
import heapq
import random
import threading
from collections import deque
from collections.abc import Callable, Collection, Coroutine
from contextvars import Context, ContextVar, copy_context
from typing import Any

MAX_STEPS = 1_000_000
"""Callbacks after which a simulation counts as endless."""


class Process:
    """What can be paused and killed as one: its callbacks share a context and a queue."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.ready: deque[asyncio.Handle] = deque()
        self.is_paused = False
        self.is_dead = False
        self.context = copy_context()
        self.context.run(_process.set, self)

    def __repr__(self) -> str:
        return self.name


OUTSIDE = Process.__new__(Process)
_process: ContextVar[Process] = ContextVar("process")
OUTSIDE.__init__("world")  # type: ignore[misc]


def current_process() -> Process:
    """Return the process whose callback runs."""
    return _process.get(OUTSIDE)


class StuckError(AssertionError):
    """Nothing is left to do, or too much was done."""


class VirtualLoop(asyncio.AbstractEventLoop):
    """``rng`` decides who goes next; ``now_s`` is the time at which the loop begins."""

    def __init__(self, rng: random.Random, now_s: float) -> None:
        self._rng = rng
        self._now_s = now_s
        self._timers: list[tuple[float, int, asyncio.Handle, Process]] = []
        self._serial = 0
        self._processes: list[Process] = [OUTSIDE]
        self._tasks: set[asyncio.Task[Any]] = set()
        self._is_running = False
        self._is_closed = False
        self.steps = 0
        self.failures: list[tuple[Process, dict[str, Any]]] = []
        OUTSIDE.ready.clear()

    # --- processes --------------------------------------------------------------------------

    def new_process(self, name: str) -> Process:
        """Return a process that does nothing yet."""
        process = Process(name)
        self._processes.append(process)
        return process

    def run_in(self, process: Process, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Begin to run a coroutine as part of a process."""
        return process.context.copy().run(self.create_task, work)

    def call_in(self, process: Process, when: float, call: Callable[..., Any], *args: Any) -> None:
        """Call something in a process at a time."""
        self.call_at(when, call, *args, context=process.context.copy())

    # --- what asyncio asks for --------------------------------------------------------------

    @property
    def tasks(self) -> Collection[asyncio.Task[Any]]:
        """All tasks that have not ended."""
        return self._tasks

    def time(self) -> float:
        """Return the time, in seconds."""
        return self._now_s

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        """Call something after what is ready now."""
        context = context if context is not None else copy_context()
        handle = asyncio.Handle(callback, args, self, context)
        self._append(context.get(_process, OUTSIDE), handle)
        return handle

    call_soon_threadsafe = call_soon  # type: ignore[assignment]

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Call something after ``delay`` seconds."""
        return self.call_at(self._now_s + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Call something at a time of `time`."""
        context = context if context is not None else copy_context()
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        self._serial += 1
        process = context.get(_process, OUTSIDE)
        heapq.heappush(self._timers, (when, self._serial, handle, process))
        return handle

    def create_future(self) -> asyncio.Future[Any]:
        """Return a future of this loop."""
        return asyncio.Future(loop=self)

    def create_task(
        self, coro: Any, *, name: str | None = None, context: Context | None = None
    ) -> asyncio.Task[Any]:
        """Start a task in the process of who calls."""
        task = asyncio.Task(coro, loop=self, name=name, context=context)
        self._tasks.add(task)  # a dead process's tasks must not be thrown away half done
        task.add_done_callback(self._tasks.discard, context=OUTSIDE.context)
        return task

    def get_task_factory(self) -> None:
        """Say that tasks are made in the ordinary way."""

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """Call a function; it takes no time."""
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:
            future.set_exception(error)
        return future

    def get_debug(self) -> bool:
        """Return false."""
        return False

    def is_running(self) -> bool:
        """Tell whether callbacks are being run."""
        return self._is_running

    def is_closed(self) -> bool:
        """Tell whether the loop is over."""
        return self._is_closed

    def close(self) -> None:
        """End the loop."""
        self._is_closed = True
        self._timers.clear()
        for process in self._processes:
            process.ready.clear()

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        """Note what went wrong without an observer."""
        self.failures.append((current_process(), context))

    call_exception_handler = default_exception_handler

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        pass

    # --- running ----------------------------------------------------------------------------

    def run_until(self, is_over: Callable[[], bool], until_s: float) -> bool:
        """Run until something holds; false if it does not by a time of `time`."""
        asyncio._set_running_loop(self)
        self._is_running = True
        self._thread_id = threading.get_ident()
        try:
            while not is_over():
                if not self._step(until_s):
                    return False
            return True
        finally:
            self._is_running = False
            asyncio._set_running_loop(None)

    def _step(self, until_s: float) -> bool:
        self._wake_due()
        able = [p for p in self._processes if p.ready and not p.is_paused]
        if not able:
            return self._pass_time(until_s)
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise StuckError(f"{MAX_STEPS} steps and no end")
        process = able[0] if len(able) == 1 else self._rng.choice(able)
        handle = process.ready.popleft()
        if not handle.cancelled():
            handle._run()
        return True

    def _pass_time(self, until_s: float) -> bool:
        while self._timers and self._timers[0][2].cancelled():
            heapq.heappop(self._timers)
        if not self._timers or self._timers[0][0] > until_s:
            self._now_s = max(self._now_s, until_s)
            return False
        self._now_s = max(self._now_s, self._timers[0][0])
        return True

    def _wake_due(self) -> None:
        while self._timers and self._timers[0][0] <= self._now_s:
            _, _, handle, process = heapq.heappop(self._timers)
            if not handle.cancelled():
                self._append(process, handle)

    def _append(self, process: Process, handle: asyncio.Handle) -> None:
        if not process.is_dead:
            process.ready.append(handle)
