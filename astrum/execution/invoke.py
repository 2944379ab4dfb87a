"""Runs one attempt of one task: binds arguments, calls, limits the time, reports the outcome.

Every host, in process or worker, runs attempts through here, so that tasks have the same
conditions everywhere. What happens next is decided elsewhere.
"""

from __future__ import annotations

import asyncio
import copy
import inspect
import math
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, NamedTuple, cast

from astrum.data_transport import fit
from astrum.data_transport.bindings import TaskInputs
from astrum.errors import AstrumError, InjectionError
from astrum.execution.large_values import Aside, is_large
from astrum.execution.threads import ThreadPool, drop
from astrum.machine.events import Outcome
from astrum.machine.failure import TIMED_OUT, Failure
from astrum.planning.plan import Lane, Plan
from astrum.runtime.forks import FORKS, run_here
from astrum.runtime.loops import runs_in

SWALLOW_GRACE_S = 5.0
"""The seconds in which a task must end after its cancellation, before it is given up."""
TIMEOUT_TYPES = (
    TIMED_OUT,
    "builtins.TimeoutError",
    "builtins.OSError",
    "builtins.Exception",
    "builtins.BaseException",
)


class BoundTask(NamedTuple):
    """A task as a process runs it: its function and the sources of its parameters."""

    task_id: str
    function: Callable[..., Any]
    inputs: TaskInputs
    lane: Lane


@dataclass(frozen=True)
class Flow:
    """A plan together with its callables: everything a host needs to run it in this process.

    ``local_only`` says why other processes cannot run it, "" if they can. ``types`` are the
    named types that its values may have (see `astrum.data_transport.declared_types`).
    ``planning_s`` is the time that planning took.
    """

    plan: Plan
    tasks: Mapping[str, BoundTask]
    local_only: str = ""
    types: Iterable[type] = ()
    planning_s: float = 0.0


@dataclass(slots=True)
class AttemptContext:
    """The running attempt, as `current_attempt` returns it inside a task.

    ``worker_id`` is "" in process. ``cancelled`` becomes true when the attempt is revoked or
    times out; a sync task that runs long should check it now and then and return.
    """

    run_id: str
    task_id: str
    attempt: int
    max_retries: int = 0
    namespace: str = ""
    worker_id: str = ""
    timeout_s: float | None = None
    check_types: bool = True
    cancelled: bool = False
    is_revoked: bool = field(default=False, repr=False, compare=False)
    due_at: float = field(default=math.inf, repr=False, compare=False)
    _call: _Call | None = field(default=None, repr=False, compare=False)

    @property
    def idempotency_key(self) -> str:
        """A string that is the same for all attempts of this task in this run."""
        return f"{self.run_id}/{self.task_id}"

    @property
    def attempt_key(self) -> str:
        """A string that is different for every attempt."""
        return f"{self.run_id}/{self.task_id}/{self.attempt}"

    def cancel(self) -> None:
        """Mark the attempt as cancelled; the caller then cancels its asyncio task.

        A cancellation without this call comes from the task's own code or a library.
        """
        self.cancelled = self.is_revoked = True

    def withdraw(self) -> bool:
        """Keep a sync attempt that waits for a thread from beginning; false if it has begun."""
        return self._call is not None and self._call.withdraw()


class AttemptResult(NamedTuple):
    """The end of an attempt; ``value`` is set only if it succeeded."""

    outcome: Outcome
    value: Any
    failure: Failure | None
    started_at: float
    ended_at: float


CURRENT: ContextVar[AttemptContext] = ContextVar("astrum_attempt")
"""The attempt that the current code runs in."""


FORKS.watch(lambda: CURRENT.get(None) is not None)


def current_attempt() -> AttemptContext:
    """Return the attempt that this code runs in; raises `AstrumError` outside of a task."""
    try:
        return CURRENT.get()
    except LookupError:
        raise AstrumError("current_attempt() works only inside a running task") from None


class Invoker:
    """Runs attempts: async functions on the loop, sync ones in its threads.

    An attempt is cancelled by cancelling the asyncio task that awaits `invoke`. Async code gets
    its CancelledError; a sync function cannot be stopped, so its thread is abandoned and
    ``AttemptContext.cancelled`` becomes true.
    """

    def __init__(self, threads: int | None = None, *, name: str = "astrum") -> None:
        self.pool = ThreadPool(threads, name=name)
        self.aside = Aside(name=f"{name}-values")

    async def invoke(
        self, task: BoundTask, context: AttemptContext, arguments: dict[str | int, Any]
    ) -> AttemptResult:
        """Run the attempt to its end; raises ``CancelledError`` only if Astrum cancelled it.

        That is so if ``context.is_revoked`` is true: any other cancellation comes from the task's
        own code or a library and is a failure. The attempt may change ``arguments``. In the user's
        own process a KeyboardInterrupt of async code is raised too.
        """
        CURRENT.set(context)
        job, started_at = asyncio.current_task(), time.time()
        depth = FORKS.depth
        outcome, value, failure = Outcome.SUCCEEDED, None, None
        try:
            positional: list[Any] = []
            named: dict[str, Any] = {}
            if task.inputs.supplies or _is_large_work(task, context, arguments):
                positional, named = await self._bound(task, context, arguments)
            elif arguments or task.inputs.defaults:
                positional, named = _bind(task, context, arguments)
            if task.lane == "async" and context.timeout_s is None:
                value = await task.function(*positional, **named)
            else:
                value = await self._within(context, self._started(task, context, positional, named))
        except InjectionError as error:
            return value_failure(error, "arguments")
        except BaseException as error:
            FORKS.end_child_since(depth, error)
            if _is_for_the_host(error, task, context, job):
                raise
            outcome, failure = _how_it_ended(error, context)
        FORKS.end_child_since(depth)
        return AttemptResult(outcome, value, failure, started_at, time.time())

    def close(self) -> None:
        """Let the threads end."""
        self.pool.close()
        self.aside.close()

    async def _bound(
        self, task: BoundTask, context: AttemptContext, arguments: dict[str | int, Any]
    ) -> tuple[list[Any], dict[str, Any]]:
        """Bind arguments if that takes an await: for providers, or for checks of large values."""
        if task.inputs.supplies:
            arguments |= await self._supply(task, context)
        if _is_large_work(task, context, arguments):
            return await self.aside.run(partial(_bind, task, context, arguments))
        return _bind(task, context, arguments)

    async def _started(
        self,
        task: BoundTask,
        context: AttemptContext,
        positional: list[Any],
        named: dict[str, Any],
    ) -> Any:
        if task.lane == "async":
            return await task.function(*positional, **named)
        value = await self._in_thread(context, lambda: task.function(*positional, **named))
        # A plain function may return a coroutine (a lambda, a partial, a decorated function).
        return await value if inspect.isawaitable(value) else value

    async def _within(self, context: AttemptContext, call: Any) -> Any:
        if context.timeout_s is None:
            return await call
        context.due_at = time.monotonic() + context.timeout_s
        deadline = asyncio.timeout(context.timeout_s)
        try:
            async with deadline:
                return await call
        except TimeoutError:
            if not deadline.expired():
                raise  # the user's own
            context.cancelled = True
            raise _AttemptTimeoutError from None

    async def _in_thread(self, context: AttemptContext, call: Callable[[], Any]) -> Any:
        is_first = context._call is None
        running = context._call = _Call(is_first)

        def tracked() -> Any:
            if not running.begin():
                return None
            try:
                return run_here(call)
            finally:
                if running.end():
                    self.pool.recovered()

        result = self.pool.submit(tracked)
        try:
            return await result
        except asyncio.CancelledError:
            if result.done() and not result.cancelled() and result.exception() is None:
                drop(result.result())  # the result came at the same moment
            context.cancelled = True  # after any cancellation, no code waits for the thread
            if running.give_up():
                self.pool.abandon()
            raise

    async def _supply(self, task: BoundTask, context: AttemptContext) -> dict[str | int, Any]:
        return {
            supply.parameter: await self._supplied(supply.provider, context)
            for supply in task.inputs.supplies
        }

    async def _supplied(self, provider: Any, context: AttemptContext) -> Any:
        if not callable(provider):
            return provider
        if inspect.iscoroutinefunction(provider):
            return await provider()
        value = await self._in_thread(context, provider)
        return await value if inspect.isawaitable(value) else value


class _AttemptTimeoutError(Exception):
    """The attempt's own limit passed; it differs from a TimeoutError of the user's code."""


class _Call:
    """The state of one job: a thread may be inside it, and its waiter may have given it up.

    The last of the two cleans up. ``is_first``: none of the attempt's code has run before.
    """

    def __init__(self, is_first: bool) -> None:
        self._lock = threading.Lock()
        self._has_begun = not is_first
        self._inside = False
        self._given_up = False

    def begin(self) -> bool:
        with self._lock:
            self._inside = not self._given_up
            self._has_begun |= self._inside
            return self._inside

    def withdraw(self) -> bool:
        with self._lock:
            self._given_up |= not self._has_begun
            return not self._has_begun

    def end(self) -> bool:
        with self._lock:
            self._inside = False
            return self._given_up

    def give_up(self) -> bool:
        with self._lock:
            self._given_up = True
            return self._inside


def _is_for_the_host(
    error: BaseException, task: BoundTask, context: AttemptContext, job: asyncio.Task[Any] | None
) -> bool:
    """Return whether an exception from a task's code is about its host, not about the task.

    Compares the type only: ``isinstance`` may run code of the exception's class.
    """
    if issubclass(type(error), asyncio.CancelledError):
        return context.is_revoked
    if issubclass(
        type(error), GeneratorExit
    ):  # the coroutine of the attempt itself is being closed
        return not runs_in(job)
    # In async code of the user's own process it may be Ctrl-C.
    is_local = task.lane == "async" and not context.worker_id
    return issubclass(type(error), KeyboardInterrupt) and is_local


def _how_it_ended(error: BaseException, context: AttemptContext) -> tuple[Outcome, Failure]:
    if issubclass(type(error), _AttemptTimeoutError):
        return Outcome.TIMED_OUT, timeout_failure(context)
    if issubclass(type(error), asyncio.CancelledError):
        _forget_cancellations()
        return Outcome.FAILED, Failure.from_cancellation(error)
    return Outcome.FAILED, Failure.from_exception(error)


def _forget_cancellations() -> None:
    """Let the asyncio task continue after a cancellation that ended only the attempt."""
    task = asyncio.current_task()
    while task is not None and task.cancelling():
        task.uncancel()


def _is_large_work(
    task: BoundTask, context: AttemptContext, values: Mapping[str | int, Any]
) -> bool:
    """Return whether a check of the types of these values would block the event loop."""
    expected = task.inputs.expected
    if not context.check_types or not expected:
        return False
    return any(parameter in expected and is_large(values[parameter]) for parameter in values)


def _bind(
    task: BoundTask, context: AttemptContext, values: dict[str | int, Any]
) -> tuple[list[Any], dict[str, Any]]:
    """Split values into positional and named ones, made to fit their declared types."""
    if context.check_types and task.inputs.expected:
        _fit_all(task, values)
    for parameter, default in task.inputs.defaults.items():
        if parameter not in values:
            values[parameter] = _own_copy(default)
    positions = [p for p in values if type(p) is int]
    if not positions:
        return [], cast("dict[str, Any]", values)
    positions.sort()
    named = {p: value for p, value in values.items() if isinstance(p, str)}
    return [values[p] for p in positions], named


def _own_copy(default: Any) -> Any:
    return copy.deepcopy(default) if type(default) in (list, dict, set) else default


def _fit_all(task: BoundTask, values: dict[str | int, Any]) -> None:
    for parameter, expected in task.inputs.expected.items():
        if parameter not in values:
            continue
        try:
            values[parameter] = fit(values[parameter], expected)
        except InjectionError as error:
            origin = _origin(task, parameter)
            raise InjectionError(
                f"task {task.task_id!r}, parameter {parameter!r}{origin}: {error}"
            ) from None


def _origin(task: BoundTask, parameter: str | int) -> str:
    for binding in task.inputs.bindings:
        if binding.parameter == parameter:
            where = "".join(f"[{step!r}]" for step in binding.path)
            return f" (from the result of {binding.source!r}{where})"
    return ""


def ended_by(error: BaseException, context: AttemptContext, started_at: float) -> AttemptResult:
    """Return the end of an attempt whose code raised ``error``."""
    if issubclass(type(error), asyncio.CancelledError) and context.is_revoked:
        return AttemptResult(Outcome.CANCELLED, None, None, started_at, time.time())
    outcome, failure = _how_it_ended(error, context)
    return AttemptResult(outcome, None, failure, started_at, time.time())


def swallowed(context: AttemptContext) -> AttemptResult:
    """Return the end of an attempt that still runs after its cancellation."""
    now = time.time()
    if context.is_revoked:
        return AttemptResult(Outcome.CANCELLED, None, None, now, now)
    return AttemptResult(Outcome.TIMED_OUT, None, timeout_failure(context), now, now)


def timeout_failure(context: AttemptContext) -> Failure:
    """Return the failure of an attempt that took longer than its own limit."""
    return Failure(TIMEOUT_TYPES, f"the attempt took longer than its {context.timeout_s:g} s")


def value_failure(error: BaseException, part: Literal["arguments", "result"]) -> AttemptResult:
    """Return the end of an attempt that failed for good because of a value: no retry policy matches
    its one type name, since trying again would not help.
    """
    failure = Failure.from_exception(error)
    failure = failure._replace(types=failure.types[:1], notes=(part,))
    if issubclass(type(error), AstrumError):
        failure = failure._replace(traceback="")  # it would show Astrum's code, not the user's
    now = time.time()
    return AttemptResult(Outcome.FAILED, None, failure, now, now)
