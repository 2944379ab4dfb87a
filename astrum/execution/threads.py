"""Daemon threads that run sync functions for an event loop.

`concurrent.futures` waits for its threads when the process ends, so one hung function would keep
the process alive forever; these threads do not. Results are returned in batches: a loop is woken
once for all that finished since it last looked.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, NamedTuple


def drop(value: object) -> None:
    """Close a result that is not needed any more: an open coroutine would give a warning."""
    if inspect.iscoroutine(value):
        value.close()


class _Job(NamedTuple):
    future: asyncio.Future[Any]
    context: contextvars.Context
    call: Callable[[], Any]


class ThreadPool:
    """At most ``limit`` threads (`None`: as many as there are jobs at once), started on demand.

    A job whose future is cancelled before it starts is not run; one that runs cannot be stopped:
    its result is dropped, and `abandon` gives its slot up so that others can run.

    ``_free`` is the number of threads without a job less the number of jobs without a thread.
    A job is counted when it is submitted, not when a thread takes it. Otherwise a thread that has
    been given a job and has not woken up yet would look idle to the next job.
    """

    def __init__(self, limit: int | None = None, *, name: str = "astrum") -> None:
        self._limit = limit
        self._name = name
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._free = 0
        self._size = 0
        self._started = 0
        self._done: deque[tuple[asyncio.Future[Any], Any, BaseException | None]] = deque()
        self._wake_planned = False
        self._closed = False
        self._lock = threading.Lock()
        self.hung = 0

    def submit(self, call: Callable[[], Any]) -> asyncio.Future[Any]:
        """Run ``call`` in a thread, in a copy of the caller's context; call it on a loop.

        Raises ``RuntimeError`` if the pool has no thread and the system gives none.
        """
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        with self._lock:
            self._free -= 1
            self._jobs.put(_Job(future, contextvars.copy_context(), call))
        if not self._grow():
            future.cancel()
            raise RuntimeError("no thread could be started for a sync task")
        return future

    def abandon(self) -> None:
        """Give up on one running job: its thread no longer counts against the limit."""
        with self._lock:
            self._size -= 1
            self.hung += 1
        self._grow()

    def recovered(self) -> None:
        """Note that an abandoned job ended after all; its thread counts again."""
        with self._lock:
            self._size += 1
            self.hung -= 1

    def close(self) -> None:
        """Let idle threads end; running ones end after their job. Safe to call twice."""
        if self._closed:
            return
        self._closed = True
        for _ in range(self._size + self.hung):
            self._jobs.put(None)

    def _grow(self) -> bool:
        """Start a thread if a job needs one and the limit allows it; return if any exists."""
        with self._lock:
            full = self._limit is not None and self._size >= self._limit
            if self._free >= 0 or full:
                return True
            self._free += 1
            self._size += 1
            self._started += 1
        loop, name = asyncio.get_running_loop(), f"{self._name}-{self._started}"
        try:
            threading.Thread(target=self._run_jobs, args=(loop,), name=name, daemon=True).start()
        except RuntimeError:  # the system has no more threads: the job waits for an existing one
            with self._lock:
                self._free -= 1
                self._size -= 1
                return self._size > 0
        return True

    def _run_jobs(self, loop: asyncio.AbstractEventLoop) -> None:
        staying = True
        while staying and (job := self._jobs.get()) is not None:
            staying = self._run_job(loop, job)
            del job  # an idle thread must not keep a result alive

    def _run_job(self, loop: asyncio.AbstractEventLoop, job: _Job) -> bool:
        if job.future.cancelled():
            return self._may_stay()
        try:
            outcome: tuple[Any, BaseException | None] = (job.context.run(job.call), None)
        except (StopIteration, GeneratorExit) as error:  # a future cannot pass these on
            outcome = (None, _replacement_of(error))
        except BaseException as error:  # SystemExit in a task must not end the thread silently
            outcome = (None, error)
        # Free before the result is set, so that the next job of a chain finds this thread.
        staying = self._may_stay()
        return self._hand_over(loop, job.future, *outcome) and staying

    def _may_stay(self) -> bool:
        """Count this thread as free, or out if an abandoned one came back beyond the limit."""
        with self._lock:
            if self._limit is not None and self._size > self._limit:
                self._size -= 1
                return False
            self._free += 1
            return True

    def _hand_over(
        self,
        loop: asyncio.AbstractEventLoop,
        future: asyncio.Future[Any],
        value: Any,
        error: BaseException | None,
    ) -> bool:
        with self._lock:
            self._done.append((future, value, error))
            wake, self._wake_planned = not self._wake_planned, True
        if not wake:
            return True
        try:
            loop.call_soon_threadsafe(self._deliver)
        except RuntimeError:  # the loop is closed: no code waits any more
            return False
        return True

    def _deliver(self) -> None:
        with self._lock:
            self._wake_planned = False
            done, self._done = self._done, deque()
        for future, value, error in done:
            if future.cancelled():
                drop(value)
                continue
            if error is None:
                future.set_result(value)
            else:
                future.set_exception(error)


def _replacement_of(error: BaseException) -> RuntimeError:
    """Return an error that a future can hold, as Python does for a coroutine that raises it."""
    stands_for_it = RuntimeError(f"the function raised {type(error).__name__}")
    stands_for_it.__cause__ = error
    return stands_for_it
