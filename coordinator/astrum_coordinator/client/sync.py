"""The client for code without an event loop: Django, Flask, scripts, notebooks."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Coroutine, Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, TypeVar, overload
from weakref import WeakSet

from astrum.errors import RunError
from astrum.machine.report import ExecutionReport
from astrum.planning.run_inputs import NO_INPUTS, GivenInputs
from astrum.protocol.published_flows import PublishedFlow
from astrum.protocol.records import RunInfo
from astrum.redis.settings import RedisSettings
from astrum.view import Explanation
from astrum_coordinator.asking.releasing import How, Release
from astrum_coordinator.asking.retrying import Retry
from astrum_coordinator.client.client import Client
from astrum_coordinator.client.handle import RunHandle
from astrum_coordinator.client.run_events import RunEvent
from astrum_coordinator.client.starting import NO_LABELS
from astrum_coordinator.start_time import StartTime

Answer = TypeVar("Answer")
Value = TypeVar("Value")


class _LoopThread:
    """An event loop in a thread of its own, with an open client; it belongs to one process."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.pid = os.getpid()
        self._loop = asyncio.new_event_loop()
        # A daemon: a script that forgets to close the client ends all the same.
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="astrum-client", daemon=True
        )
        self._thread.start()
        try:
            self.run(client.__aenter__())
        except BaseException:
            self._end()
            raise

    def run(self, work: Coroutine[Any, Any, Answer]) -> Answer:
        """Run a coroutine on the loop and return its result; Ctrl-C cancels it."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def close(self) -> None:
        """Close the client and end the thread."""
        try:
            self.run(self.client.__aexit__(None, None, None))
        finally:
            self._end()

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class SyncClient:
    """A `Client` whose methods block; safe to use from several threads.

    ``client = SyncClient("redis://host")`` at module level is enough: it connects when it is first
    used, and again in each process that is forked, as servers with several processes do. Or
    ``with SyncClient(...) as client:``, which connects at once and closes at the end. Code that
    runs on an event loop takes `Client`.
    """

    def __init__(self, redis: str | RedisSettings, *, start_patience_s: float = 0.0) -> None:
        self._redis = redis
        self._start_patience_s = start_patience_s
        self._lock = threading.Lock()
        self._thread: _LoopThread | None = None
        self._of_parents: list[_LoopThread] = []
        _CLIENTS.add(self)

    def __enter__(self) -> SyncClient:
        self._opened()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; harmless when repeated. The next use opens them again."""
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None:
            thread.close()

    def start(
        self,
        flow: str,
        *,
        inputs: GivenInputs = NO_INPUTS,
        run_id: str | None = None,
        labels: Mapping[str, str] = NO_LABELS,
        timeout_s: float | None = None,
        result_ttl_s: float | None = None,
        priority: int = 0,
        at: StartTime | None = None,
        traceparent: str = "",
        versions: str = "",
        unserved_limit_s: float | None = None,
    ) -> SyncRunHandle:
        """Start a run of a published flow; see `Client.start`."""
        started = self._opened().client.start(
            flow,
            inputs=inputs,
            run_id=run_id,
            labels=labels,
            timeout_s=timeout_s,
            result_ttl_s=result_ttl_s,
            priority=priority,
            at=at,
            traceparent=traceparent,
            versions=versions,
            unserved_limit_s=unserved_limit_s,
        )
        return SyncRunHandle(self, self.run(started).run_id)

    def start_many(
        self,
        flow: str,
        inputs: Iterable[GivenInputs],
        *,
        run_ids: Iterable[str] | None = None,
        labels: Mapping[str, str] = NO_LABELS,
        timeout_s: float | None = None,
        result_ttl_s: float | None = None,
        priority: int = 0,
        at: StartTime | None = None,
    ) -> list[SyncRunHandle]:
        """Start one run for each of ``inputs``; see `Client.start_many`."""
        started = self._opened().client.start_many(
            flow,
            inputs,
            run_ids=run_ids,
            labels=labels,
            timeout_s=timeout_s,
            result_ttl_s=result_ttl_s,
            priority=priority,
            at=at,
        )
        return [SyncRunHandle(self, handle.run_id) for handle in self.run(started)]

    def handle(self, run_id: str) -> SyncRunHandle:
        """Return a handle of a run that any process started."""
        return SyncRunHandle(self, run_id)

    def flows(self) -> list[PublishedFlow]:
        """Return the published flows, sorted by name."""
        return self.run(self._opened().client.flows())

    # --- for the handles ---------------------------------------------------------------------

    def run(self, work: Coroutine[Any, Any, Answer]) -> Answer:
        """Run a coroutine of the client on its loop and return the result."""
        try:
            _refuse_loop()
        except RunError:
            work.close()
            raise
        return self._opened().run(work)

    def async_handle(self, run_id: str) -> RunHandle:
        """Return the handle that works on the client's loop."""
        return self._opened().client.handle(run_id)

    def _opened(self) -> _LoopThread:
        with self._lock:
            if self._thread is None:
                _refuse_loop()
                client = Client(self._redis, start_patience_s=self._start_patience_s)
                self._thread = _LoopThread(client)
            return self._thread

    def after_fork(self) -> None:
        """Forget the connections and the thread, in a process that was just forked."""
        # The thread and the lock are the parent's. Its sockets must not be closed with words to
        # the server, so the objects are kept, unused.
        self._lock = threading.Lock()
        if self._thread is not None:
            self._of_parents.append(self._thread)
            self._thread = None


class SyncRunHandle:
    """A `RunHandle` whose methods block."""

    def __init__(self, client: SyncClient, run_id: str) -> None:
        self.run_id = run_id
        self._client = client

    def __repr__(self) -> str:
        return f"SyncRunHandle({self.run_id!r})"

    @overload
    def result(self, task: str | None = None, *, timeout: float | None = None) -> Any: ...

    @overload
    def result(
        self, task: str | None = None, *, timeout: float | None = None, type: type[Value]
    ) -> Value: ...

    def result(
        self, task: str | None = None, *, timeout: float | None = None, type: Any = Any
    ) -> Any:
        """Wait for the result of a task; see `RunHandle.result`."""
        return self._client.run(self._handle.result(task, timeout=timeout, type=type))

    def wait(self, timeout: float | None = None) -> RunInfo:
        """Wait until the run is over; see `RunHandle.wait`."""
        return self._client.run(self._handle.wait(timeout))

    def status(self) -> RunInfo:
        """Return what is known of the run now."""
        return self._client.run(self._handle.status())

    def report(self, *, results: bool = True) -> ExecutionReport:
        """Return the report of the run, as far as it is now."""
        return self._client.run(self._handle.report(results=results))

    def why(self, task: str | None = None) -> Explanation:
        """Return why the run, or a task of it, is as it is; see `Coordinator.why`."""
        return self._client.run(self._handle.why(task))

    def events(self, after: str = "", *, progress: bool = False) -> Iterator[RunEvent]:
        """Yield what happens in the run, and end after its end; see `RunHandle.events`."""
        events = self._handle.events(after, progress=progress)
        try:
            while (event := self._client.run(_next(events))) is not None:
                yield event
        finally:
            self._client.run(_close(events))

    def cancel(self, reason: str = "", *, now: bool = False, by: str | None = None) -> bool:
        """Ask for the run's end, durably; see `RunHandle.cancel`."""
        return self._client.run(self._handle.cancel(reason, now=now, by=by))

    def release(self, task: str, how: How, value: Any = None, *, by: str | None = None) -> Release:
        """Say what becomes of a held task; see `RunHandle.release`."""
        return self._client.run(self._handle.release(task, how, value, by=by))

    def retry(
        self, tasks: Sequence[str] = (), *, now: bool = False, by: str | None = None
    ) -> Retry:
        """Run what did not succeed again; see `RunHandle.retry`."""
        return self._client.run(self._handle.retry(tasks, now=now, by=by))

    @property
    def _handle(self) -> RunHandle:
        return self._client.async_handle(self.run_id)


_CLIENTS: WeakSet[SyncClient] = WeakSet()


def _after_fork() -> None:
    for client in list(_CLIENTS):
        client.after_fork()


os.register_at_fork(after_in_child=_after_fork)


def _refuse_loop() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise RunError(
        "SyncClient blocks, and this code runs on an event loop: use `async with Client(...)` here"
    )


async def _next(events: AsyncIterator[RunEvent]) -> RunEvent | None:
    return await anext(events, None)


async def _close(events: Any) -> None:
    await events.aclose()
