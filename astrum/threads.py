"""Daemon threads that run sync functions for an event loop.

`concurrent.futures` waits for its threads when the process ends, so one hung function would keep
the process alive for ever; these threads do not. Results come back in batches: a loop is woken
once for all that finished since it last looked.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, NamedTuple


class _Job(NamedTuple):
    future: asyncio.Future[Any]
    context: contextvars.Context
    call: Callable[[], Any]


class ThreadPool:
    """At most ``limit`` threads (`None`: as many as there are jobs at once), started on demand.

    A job whose future is cancelled before it starts is not run; one that runs cannot be stopped:
    its result is dropped, and `abandon` gives its slot up so that others can run.
    """

    def __init__(self, limit: int | None = None, *, name: str = "astrum") -> None:
        self._limit = limit
        self._name = name
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._idle = 0
        self._size = 0
        self._started = 0
        self._done: deque[tuple[asyncio.Future[Any], Any, BaseException | None]] = deque()
        self._wake_planned = False
        self._lock = threading.Lock()
        self.hung = 0

    def submit(self, call: Callable[[], Any]) -> asyncio.Future[Any]:
        """Run ``call`` in a thread, in a copy of the caller's context; call it on a loop."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        self._jobs.put(_Job(future, contextvars.copy_context(), call))
        with self._lock:
            # Each idle thread takes one job; more jobs than that need another thread.
            if self._idle >= self._jobs.qsize() or self._size == self._limit:
                return future
            self._size += 1
            self._started += 1
        name = f"{self._name}-{self._started}"
        threading.Thread(target=self._work, args=(loop,), name=name, daemon=True).start()
        return future

    def abandon(self) -> None:
        """Give up on one running job: its thread no longer counts against the limit."""
        with self._lock:
            self._size -= 1
            self.hung += 1

    def recovered(self) -> None:
        """Note that an abandoned job came to its end after all; its thread is used again."""
        with self._lock:
            self._size += 1
            self.hung -= 1

    def close(self) -> None:
        """Let idle threads end; running ones end after their job."""
        for _ in range(self._size + self.hung):
            self._jobs.put(None)

    def _work(self, loop: asyncio.AbstractEventLoop) -> None:
        while True:
            with self._lock:
                self._idle += 1
            job = self._jobs.get()
            with self._lock:
                self._idle -= 1
            if job is None:
                return
            if job.future.cancelled():
                continue
            try:
                outcome: tuple[Any, BaseException | None] = (job.context.run(job.call), None)
            except BaseException as error:  # SystemExit in a task must not end the thread silently
                outcome = (None, error)
            if not self._hand_over(loop, job.future, *outcome):
                return
            del job, outcome  # an idle thread must not keep a result alive

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
        except RuntimeError:  # the loop is closed: nobody waits any more
            return False
        return True

    def _deliver(self) -> None:
        with self._lock:
            self._wake_planned = False
            done, self._done = self._done, deque()
        for future, value, error in done:
            if future.cancelled():
                continue
            if error is None:
                future.set_result(value)
            elif isinstance(error, StopIteration):  # a future refuses it
                future.set_exception(RuntimeError(f"the task raised {error!r}"))
            else:
                future.set_exception(error)
