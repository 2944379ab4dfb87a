"""A handle of one run: asks for its result and state, waits, and sends requests about it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import lru_cache, partial
from typing import Any, TypeVar, overload

from astrum.data_transport import fitted
from astrum.data_transport.types.class_fields import named_types
from astrum.errors import RunCancelledError, RunError, TaskFailedError, TaskNotFoundError, nearest
from astrum.machine.report import ExecutionReport, TaskExecutionStatistics
from astrum.machine.task_state import SUCCEEDED
from astrum.planning.plan import Plan
from astrum.protocol.records import RunInfo
from astrum.protocol.run_header import RunHeader
from astrum.values.codec import Codec
from astrum.view import Explanation
from astrum_coordinator.asking.reasons import why
from astrum_coordinator.asking.releasing import How, Release, release_task
from astrum_coordinator.asking.requests import cancel_run
from astrum_coordinator.asking.result_types import types_declared_here
from astrum_coordinator.asking.retrying import Retry, retry_run
from astrum_coordinator.asking.submitter import submitter
from astrum_coordinator.asking.waiting import Answer, found_run, insist
from astrum_coordinator.client.client_parts import ClientParts
from astrum_coordinator.client.progress_events import LOOK_EVERY_S, ProgressWatch
from astrum_coordinator.client.run_events import (
    EventFollower,
    Place,
    RunEvent,
    TaskFollower,
    place_of,
)
from astrum_coordinator.client.run_value import value_of
from astrum_coordinator.stored_runs import StoredRun

Value = TypeVar("Value")

KEYED_S = 1.0
"""Seconds between two looks for a child with a key: only results tell its name."""
NET_S = 15.0
"""Ends of runs are pushed. This is the time after which a lost one is noticed all the same."""


class RunHandle:
    """One run, known by its id: made by `Client.start`, or by `Client.handle` in any process.

    All methods wait for as long as the server is away, or until their ``timeout``, in seconds.
    They raise `RunNotFoundError` if there is no such run, or it has expired.
    """

    def __init__(self, parts: ClientParts, run_id: str, plan: Plan | None = None) -> None:
        self.run_id = run_id
        self._parts = parts
        self._plan = plan

    def __repr__(self) -> str:
        return f"RunHandle({self.run_id!r})"

    # --- results -----------------------------------------------------------------------------

    @overload
    async def result(self, task: str | None = None, *, timeout: float | None = None) -> Any: ...

    @overload
    async def result(
        self, task: str | None = None, *, timeout: float | None = None, type: type[Value]
    ) -> Value: ...

    async def result(
        self, task: str | None = None, *, timeout: float | None = None, type: Any = Any
    ) -> Any:
        """Wait for the result of a task, by default of the only one at the end of the flow.

        That of another task comes as soon as it has succeeded. That of a task with children is the
        list of theirs, that of a child (``parse[3]``, ``pay[A-17]``) its own. With ``type`` the
        value is checked against it, and a dict becomes the dataclass or model that it names. Raises
        `TaskFailedError`, `RunCancelledError`, and ``TimeoutError`` if it is not there in time.
        """
        what = f"result of task {task!r}" if task else "result"
        async with self._within(timeout, f"has no {what}"):
            plan = await self._known_plan()
            name = self._chosen(plan, task)
            number = plan.index.get(name)
            if number is None or plan.tasks[number].axes:
                return fitted(await self._result_of_children(name, type), type)
            if plan.dependents[number]:
                data = await self._result_on_the_way(plan, number)
            else:
                data = await self._result_at_the_end(plan, number)
            codec = _codec(tuple(dict.fromkeys([*named_types(type), *types_declared_here(plan)])))
            value = await self._insist(
                lambda: self._parts.reports.decoded(self.run_id, data, codec)
            )
        return fitted(value, type)

    def _chosen(self, plan: Plan, task: str | None) -> str:
        if task is not None:
            is_child = any(task.startswith(f"{one.task_id}[") for one in plan.tasks if one.axes)
            if task not in plan.index and not is_child:
                hint = nearest(task, plan.index)
                raise TaskNotFoundError(f"run {self.run_id} has no task {task!r}{hint}")
            return task
        last = plan.last_tasks
        if len(last) != 1:
            raise RunError(
                f"run {self.run_id} ends with several tasks: name one of {', '.join(last)} in "
                "result()"
            )
        return last[0]

    async def _result_at_the_end(self, plan: Plan, number: int) -> bytes:
        state = await self._ended()
        if state == "completed":
            read = partial(value_of, self._parts.store, self._parts.seal, self.run_id, number)
            data = await self._insist(read)
            if data is not None:
                return data
        return await self._result_now(plan, number)

    async def _result_on_the_way(self, plan: Plan, number: int) -> bytes:
        run = await self._until_over(plan.tasks[number].task_id)
        if run.state.states[number] == SUCCEEDED:
            return run.results[number]
        return await self._result_now(plan, number)

    async def _result_of_children(self, name: str, type: Any) -> Any:
        """Return the result of a child, or those of all children of a task as nested lists."""
        await self._until_over(name)
        ask = partial(self._parts.reports.report, self.run_id, named_types(type), results=name)
        report = await self._insist(ask)
        rows = {one.task_name: one for row in report.task_statistics for one in _with_children(row)}
        status, results = rows[name].status if name in rows else "", report.task_return_set
        if status == "completed":
            return results.get(name, [])  # of no children there is no record
        if status == "skipped" and name in results:  # as reports have it, `None` for such children
            return results[name]
        raise why_there_is_none(report, name)

    async def _until_over(self, name: str) -> TaskFollower:
        subscriptions, store, seal = self._parts.subscriptions, self._parts.store, self._parts.seal
        stored = await self._stored()
        self._parts.reader.start()
        async with subscriptions.end_of(self.run_id) as end:
            run = TaskFollower(self.run_id, stored, seal, end, name)
            look = partial(run.catch_up, store)
            await self._insist(look)
            await subscriptions.add(run)
            try:
                while not run.is_over and await self._state() == "open":
                    await end.wait(KEYED_S if run.is_keyed else NET_S)
                    await self._insist(look)
            finally:
                subscriptions.discard(run)
        return run

    async def _result_now(self, plan: Plan, number: int) -> bytes:
        """Return a result that must be there by now; raises with the reason if it is not."""
        name = plan.tasks[number].task_id
        run = await self._insist(partial(self._parts.reports.read, self.run_id, task_id=name))
        if number in run.results and run.state.tasks.name(number) == name:
            return run.results[number]
        report = await self.report(results=False)
        raise why_there_is_none(report, name)

    # --- waiting -----------------------------------------------------------------------------

    async def wait(self, timeout: float | None = None) -> RunInfo:
        """Wait until the run is over and return what is known of it.

        Raises ``TimeoutError`` if it is still open after ``timeout``.
        """
        async with self._within(timeout, "is still open"):
            await self._ended()
            return await self.status()

    async def status(self) -> RunInfo:
        """Return what is known of the run now: its state, its times, who leads it, its labels."""
        return await self._insist(lambda: found_run(self._parts.store, self.run_id))

    async def report(self, *, results: bool = True) -> ExecutionReport:
        """Return the report of the run, as far as it is now; see `Coordinator.report`."""
        return await self._insist(lambda: self._parts.reports.report(self.run_id, results=results))

    async def why(self, task: str | None = None) -> Explanation:
        """Return why the run, or a task of it, is as it is; see `Coordinator.why`.

        It looks at queues and workers too, which a viewer may, and a starter may not.
        """
        parts = self._parts
        known = (parts.store, parts.seal, parts.reports)
        return await self._insist(lambda: why(*known, self.run_id, task))

    async def events(self, after: str = "", *, progress: bool = False) -> AsyncIterator[RunEvent]:
        """Yield what happens in the run from its beginning on, and end after its end.

        ``after`` is the cursor of an event that is known already: then those behind it follow.
        With ``progress`` also the last ``current_attempt().progress()`` of running tasks,
        looked up each second while this waits.
        """
        place = place_of(after) if after else Place()
        watch = ProgressWatch(self.run_id)
        stored = await self._stored()
        subscriptions, store = self._parts.subscriptions, self._parts.store
        self._parts.reader.start()
        async with subscriptions.end_of(self.run_id) as end:
            run = EventFollower(self.run_id, stored, self._parts.seal, end, place)
            await self._insist(lambda: run.catch_up(store))
            await subscriptions.add(run)
            try:
                while await self._state() == "open":
                    await self._insist(lambda: run.learn_names(store))
                    while run.found:
                        event = run.found.popleft()
                        after = event.cursor
                        yield event
                    if progress:
                        for event in await self._insist(partial(watch.look, store, after)):
                            yield event
                    await end.wait(LOOK_EVERY_S if progress else NET_S)
                await self._insist(lambda: run.catch_up(store))
            finally:
                subscriptions.discard(run)
        info = await self.status()
        run.ended(info.ended_at or time.time(), info.state)
        for event in run.found:
            yield event

    # --- requests ----------------------------------------------------------------------------

    async def cancel(self, reason: str = "", *, now: bool = False, by: str | None = None) -> bool:
        """Ask for the run's end, durably. ``False`` if it was over already.

        With ``now`` no task cleans up, also if the run is stopping already.
        """
        who = submitter() if by is None else by
        parts = self._parts
        return await self._insist(
            lambda: cancel_run(parts.store, parts.seal, self.run_id, reason, who, now=now)
        )

    async def release(
        self, task: str, how: How, value: Any = None, *, by: str | None = None
    ) -> Release:
        """Say what becomes of a held task: "retry", "fail", or "succeed" with ``value``.

        Raises `ReleaseRefusedError` if it is not held.
        """
        who = submitter() if by is None else by
        parts = self._parts
        return await self._insist(
            lambda: release_task(parts.store, parts.seal, self.run_id, task, how, value, by=who)
        )

    async def retry(
        self, tasks: Sequence[str] = (), *, now: bool = False, by: str | None = None
    ) -> Retry:
        """Run what did not succeed in a run that failed or was cancelled, or what of it is named.

        With ``now`` attempts that wait for their delay begin at once. Raises `RetryRefusedError`.
        """
        if isinstance(tasks, str):
            raise TypeError(f"retry() takes a list of task ids, got {tasks!r}: write [{tasks!r}]")
        who = submitter() if by is None else by
        parts = self._parts
        return await self._insist(
            lambda: retry_run(parts.store, parts.seal, self.run_id, tasks, by=who, now=now)
        )

    # --- steps -------------------------------------------------------------------------------

    async def _ended(self) -> str:
        """Wait until the run is over and return its state."""
        self._parts.reader.start()
        async with self._parts.subscriptions.end_of(self.run_id) as end:
            while (state := await self._state()) == "open":
                await end.wait(NET_S)
        return state

    async def _state(self) -> str:
        state = await self._insist(lambda: self._parts.store.run_state(self.run_id))
        if state is None:
            await found_run(self._parts.store, self.run_id)  # raises, with the nearest id
        return state or "open"

    async def _known_plan(self) -> Plan:
        if self._plan is None:
            self._plan = (await self._stored()).plan
        return self._plan

    async def _stored(self) -> StoredRun:
        if self._plan is not None and self._plan.is_plain:  # no list of an input is to be known
            return StoredRun(self._plan, RunHeader("", ""))
        info = await self.status()
        return await self._insist(lambda: self._parts.stored.load(info))

    async def _insist(self, action: Callable[[], Awaitable[Answer]]) -> Answer:
        return await insist(self._parts.subscriptions, self.run_id, action)

    def _within(self, timeout: float | None, what: str) -> _Limit:
        return _Limit(timeout, f"run {self.run_id} {what} after {timeout or 0:g} s")


def _with_children(row: TaskExecutionStatistics) -> list[TaskExecutionStatistics]:
    return [row, *row.children]


class _Limit:
    """A time limit whose error says what was not there in time."""

    def __init__(self, timeout_s: float | None, text: str) -> None:
        self._limit = asyncio.timeout(timeout_s)
        self._text = text

    async def __aenter__(self) -> None:
        await self._limit.__aenter__()

    async def __aexit__(self, *error: Any) -> None:
        try:
            await self._limit.__aexit__(*error)
        except TimeoutError:
            raise TimeoutError(f"{self._text}: wait longer, or ask for its status()") from None


@lru_cache(maxsize=64)
def _codec(types: tuple[type, ...]) -> Codec:
    return Codec.opaque(types)


def why_there_is_none(report: ExecutionReport, task: str) -> RunError | TaskNotFoundError:
    """Return the error that says why a task, or child, of a run that is over has no result."""
    run_id, stats = report.run_id, report.task_statistics
    rows = {row.task_name: row for one in stats for row in _with_children(one)}
    row = rows.get(task)
    if row is None:
        return TaskNotFoundError(f"run {run_id} has no task {task!r}{nearest(task, rows)}")
    if row.status == "failed":
        text = f"task {task!r} of run {run_id} failed: {row.error_message}"
        return TaskFailedError(
            f"{text}; `retry {run_id}` tries it again", run_id=run_id, task_id=task
        )
    text = f"task {task!r} of run {run_id} has no result: {_why_not(report, row)}"
    if report.execution_state != "completed":
        text += f"; `retry {run_id}` runs what did not succeed"
    if report.execution_state == "cancelled":
        return RunCancelledError(text)
    return TaskFailedError(text, run_id=run_id, task_id=task)


def _why_not(report: ExecutionReport, row: TaskExecutionStatistics) -> str:
    if row.status in ("skipped", "blocked"):
        return f"it was {row.status}{f' because of {row.because!r}' if row.because else ''}"
    return "; ".join(report.error_summary[:3]) or f"the run is {report.execution_state}"
