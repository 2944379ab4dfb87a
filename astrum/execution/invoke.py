"""Runs one attempt of one task: binds arguments, calls, limits the time, reports the outcome.

Every host, in process or worker, runs attempts through here, so that tasks have the same
conditions everywhere. What happens next is decided elsewhere.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

from astrum.data_transport import fitted
from astrum.data_transport.absent import fill_absent, own_copy
from astrum.data_transport.bindings import Binding, TaskInputs
from astrum.data_transport.types.class_fields import type_name
from astrum.data_transport.types.run_inputs import DeclaredInput
from astrum.errors import InjectionError
from astrum.execution.attempt import CURRENT, AttemptContext
from astrum.execution.endings import (
    AttemptResult,
    AttemptTimeoutError,
    is_for_the_host,
    outcome_of,
    value_failure,
)
from astrum.execution.large_values import Aside, is_large
from astrum.execution.threads import ThreadPool, drop
from astrum.machine.events import SUCCESS
from astrum.planning.plan import Lane, Plan
from astrum.planning.resources import ResourceUse
from astrum.runtime.forks import FORKS, run_here


class BoundTask(NamedTuple):
    """A task as a process runs it: its function and the sources of its parameters.

    The host opens ``resources`` and passes them among the arguments.
    """

    task_id: str
    function: Callable[..., Any]
    inputs: TaskInputs
    lane: Lane
    resources: tuple[ResourceUse, ...] = ()


@dataclass(frozen=True)
class Flow:
    """A plan together with its callables: everything a host needs to run it in this process.

    ``local_only`` says why other processes cannot run it, "" if they can. ``types`` are the
    named types that its values may have (see `astrum.data_transport.declared_types`).
    ``planning_s`` is the time that planning took. ``inputs`` are those of its plan, by name, as
    its tasks declare them. ``lacking`` are the tasks that this process cannot run, since they need
    a resource that no function here gives: the name of that resource by task id.
    """

    plan: Plan
    tasks: Mapping[str, BoundTask]
    local_only: str = ""
    types: Iterable[type] = ()
    planning_s: float = 0.0
    inputs: Mapping[str, DeclaredInput] = field(default_factory=dict)
    lacking: Mapping[str, str] = field(default_factory=dict)


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
        self,
        task: BoundTask,
        context: AttemptContext,
        arguments: dict[str | int, Any],
        job: asyncio.Task[Any] | None = None,
    ) -> AttemptResult:
        """Run the attempt to its end; raises ``CancelledError`` only if Astrum cancelled it.

        That is so if ``context.is_revoked`` is true: any other cancellation comes from the task's
        own code or a library and is a failure. The attempt may change ``arguments``. In the user's
        own process a KeyboardInterrupt of async code is raised too. ``job`` is the asyncio task
        that this runs in, if the caller knows it.
        """
        CURRENT.set(context)
        job, started_at = job or asyncio.current_task(), time.time()
        depth = FORKS.depth
        outcome, value, failure = SUCCESS, None, None
        try:
            positional: list[Any] = []
            named: dict[Any, Any] = {}
            inputs = task.inputs
            if inputs.supplies or (inputs.expected and _is_large_work(task, context, arguments)):
                positional, named = await self._bind_awaiting(task, context, arguments)
            elif arguments or inputs.defaults:
                positional, named = _bind(task, context, arguments)
            if task.lane == "async" and context.timeout_s is None:
                value = await task.function(*positional, **named)
            else:
                value = await self._await_in_time(
                    context, self._call_function(task, context, positional, named)
                )
        except InjectionError as error:
            return value_failure(error, "arguments")
        except BaseException as error:
            FORKS.end_child_since(depth, error)
            if is_for_the_host(error, task.lane, context, job):
                raise
            outcome, failure = outcome_of(error, context)
        FORKS.end_child_since(depth)
        return AttemptResult(outcome, value, failure, started_at, time.time())

    def close(self) -> None:
        """Let the threads end."""
        self.pool.close()
        self.aside.close()

    async def _bind_awaiting(
        self, task: BoundTask, context: AttemptContext, arguments: dict[str | int, Any]
    ) -> tuple[list[Any], dict[Any, Any]]:
        """Bind arguments if that takes an await: for providers, or for checks of large values."""
        if task.inputs.supplies:
            arguments |= await self._supply(task, context)
        if _is_large_work(task, context, arguments):
            return await self.aside.run(partial(_bind, task, context, arguments))
        return _bind(task, context, arguments)

    async def _call_function(
        self,
        task: BoundTask,
        context: AttemptContext,
        positional: list[Any],
        named: dict[Any, Any],
    ) -> Any:
        if task.lane == "async":
            return await task.function(*positional, **named)
        value = await self._in_thread(context, lambda: task.function(*positional, **named))
        # A plain function may return a coroutine (a lambda, a partial, a decorated function).
        return await value if inspect.isawaitable(value) else value

    async def _await_in_time(self, context: AttemptContext, call: Any) -> Any:
        if context.timeout_s is None:
            return await call
        context.start_clock(context.timeout_s)
        deadline = asyncio.timeout(context.timeout_s)
        try:
            async with deadline:
                return await call
        except TimeoutError:
            if not deadline.expired():
                raise  # the user's own
            context.give_up()
            raise AttemptTimeoutError from None

    async def _in_thread(self, context: AttemptContext, call: Callable[[], Any]) -> Any:
        running = context.begin_call()

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
            context.give_up()  # after any cancellation, no code waits for the thread
            if running.give_up():
                self.pool.abandon()
            raise

    async def _supply(self, task: BoundTask, context: AttemptContext) -> dict[str | int, Any]:
        return {
            supply.parameter: await self._provide(supply.provider, context)
            for supply in task.inputs.supplies
        }

    async def _provide(self, provider: Any, context: AttemptContext) -> Any:
        if not callable(provider):
            return provider
        if inspect.iscoroutinefunction(provider):
            return await provider()
        value = await self._in_thread(context, provider)
        return await value if inspect.isawaitable(value) else value


def _is_large_work(
    task: BoundTask, context: AttemptContext, values: Mapping[str | int, Any]
) -> bool:
    """Return whether a check of the types of these values would block the event loop."""
    if not context.check_types:
        return False
    expected = task.inputs.expected
    return any(parameter in expected and is_large(values[parameter]) for parameter in values)


def _bind(
    task: BoundTask, context: AttemptContext, values: dict[str | int, Any]
) -> tuple[list[Any], dict[Any, Any]]:
    """Split values into positional and named ones, made to fit their declared types.

    The named ones are what is left of ``values``.
    """
    inputs = task.inputs
    if inputs.fills:
        for parameter, (default, depth) in inputs.fills.items():
            if parameter in values:
                values[parameter] = fill_absent(values[parameter], depth, default)
    if context.check_types and inputs.expected:
        _fit_all(task, values)
    for parameter, default in inputs.defaults.items():
        if parameter not in values:
            values[parameter] = own_copy(default)
    positions = [p for p in values if type(p) is int]
    if not positions:
        return [], values
    return [values.pop(p) for p in sorted(positions)], values


def _fit_all(task: BoundTask, values: dict[str | int, Any]) -> None:
    for parameter, expected in task.inputs.expected.items():
        if parameter not in values:
            continue
        try:
            values[parameter] = fitted(values[parameter], expected)
        except InjectionError as error:
            binding = _binding(task, parameter)
            if binding is not None and binding.origin == "input":
                values[parameter] = _converted_input(task, binding, values[parameter], expected)
                continue
            raise _misfit(task, binding, parameter, str(error)) from None


def _converted_input(task: BoundTask, binding: Binding, value: Any, expected: Any) -> Any:
    """Return an input that was sent without its type, such as the dict of a model."""
    from astrum.execution.input_values import value_fitted  # it may import pydantic

    try:
        return value_fitted(value, expected)
    except InjectionError as error:
        hidden = binding.parameter in task.inputs.secrets
        why = f"expected {type_name(expected)}, got ***" if hidden else str(error)
        raise _misfit(task, binding, binding.parameter, why) from None


def _misfit(
    task: BoundTask, binding: Binding | None, parameter: str | int, why: str
) -> InjectionError:
    origin = "" if binding is None else f" (from {_source_of(binding)})"
    return InjectionError(f"task {task.task_id!r}, parameter {parameter!r}{origin}: {why}")


def _binding(task: BoundTask, parameter: str | int) -> Binding | None:
    return next((b for b in task.inputs.bindings if b.parameter == parameter), None)


def _source_of(binding: Binding) -> str:
    where = "".join(f"[{step!r}]" for step in binding.path)
    whole = "the input" if binding.origin == "input" else "the result of"
    return f"{whole} {binding.source!r}{where}"
