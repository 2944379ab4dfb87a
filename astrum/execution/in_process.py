"""The in-process host of a run: asyncio tasks on the caller's loop, threads for sync functions.

`RunState` decides what to start, retry and revoke; this host does it and reports how each attempt
ended. The run ends when the state says so.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Awaitable, Mapping, Sequence
from typing import Any

from astrum.errors import ResourceError
from astrum.execution.attempt import CURRENT, AttemptContext, told_index
from astrum.execution.endings import (
    SWALLOW_GRACE_S,
    AttemptResult,
    ended_by,
    swallowed,
    value_failure,
)
from astrum.execution.in_process_options import InProcessOptions
from astrum.execution.in_process_values import LiveValues, WireValues
from astrum.execution.input_lists import lengths_of_inputs
from astrum.execution.invoke import BoundTask, Flow, Invoker
from astrum.execution.kept_logs import KeptLogs
from astrum.execution.log_capture import capturing
from astrum.execution.ordered_places import OrderedPlaces
from astrum.execution.readings import by_task
from astrum.execution.resources import OpenResources
from astrum.execution.run_inputs import CheckedInputs, checked_inputs
from astrum.execution.run_log import STARTS_HERE, with_log
from astrum.execution.task_reuse import TaskReuser
from astrum.execution.threads import drop
from astrum.machine.events import (
    SUCCESS,
    AttemptSettled,
    CancelRequested,
    CleanupStopped,
    Command,
    Dispatch,
    Event,
    Finish,
    Outcome,
    RetryFellDue,
    Revoke,
    RunTimedOut,
    ScheduleRetry,
)
from astrum.machine.failure import NOT_DESCRIBED, UNDESCRIBED, Failure
from astrum.machine.progress import Progress
from astrum.machine.report import ExecutionReport
from astrum.machine.report_builder import RunTimes, build_report
from astrum.machine.state import RunState
from astrum.machine.task_state import OUTSTANDING
from astrum.planning.run_inputs import NO_INPUTS, GivenInputs
from astrum.planning.task_spec import TaskSpec
from astrum.runtime.collector import collector_paused
from astrum.runtime.log_records import NO_LOGS
from astrum.runtime.loops import leave_behind, runs_in

logger = logging.getLogger("astrum.run")

_NOTHING = (None, None)
_RUN_TIMER, _CLEANUP_TIMER = -1, -2
"""In place of a task's number: the timers of the run's timeout and of the limit of its clean-up."""
MAX_OUTSTANDING = 100_000
"""The most attempts that exist at once, so that a run of a million tasks fits into memory."""


async def run_in_process(
    flow: Flow, options: InProcessOptions, inputs: GivenInputs = NO_INPUTS
) -> ExecutionReport:
    """Run ``flow`` on the current loop and return its report.

    Raises `RunInputError` for inputs that it cannot have, and `ResourceError` if a resource cannot
    be opened. Failures of tasks are in the report.
    Cancelling the caller cancels what runs, waits for its clean-up and propagates
    ``CancelledError``.
    """
    return await InProcessRun(flow, options, checked_inputs(flow, inputs)).run()


class InProcessRun:
    """One run of a flow on the loop that runs when it is made; see `run_in_process`."""

    def __init__(self, flow: Flow, options: InProcessOptions, inputs: CheckedInputs) -> None:
        self._loop = asyncio.get_running_loop()
        self._flow = flow
        self._options = options
        self._inputs = inputs
        self._run_id = options.run_id or uuid.uuid4().hex
        self._observer = with_log(options.observer, self._run_id, STARTS_HERE, options.silence)
        with collector_paused():
            self._state = RunState(
                flow.plan,
                run_key=self._run_id,
                capacity=MAX_OUTSTANDING,
                lengths=lengths_of_inputs(flow.plan, inputs.values),
            )
        self._tasks = self._state.tasks
        limit = options.thread_limit
        self._invoker = Invoker(limit, name="astrum-task")
        # An attempt waits here for its thread, not behind `Invoker`, which counts its time.
        self._free_threads = None if limit is None else OrderedPlaces(limit)
        self.logs = KeptLogs(self._run_id, options.task_logs, options.task_logs_limit)
        self._results: dict[int, Any] = {}
        known = (self._state, self._results, inputs.values)
        self._resources = OpenResources(self._on_resource_failure)
        self._resource_error: ResourceError | None = None
        self._values = (
            WireValues(*known, flow, inputs.encoded()) if options.check_wire else LiveValues(*known)
        )
        self._running: dict[int, tuple[asyncio.Task[None], AttemptContext]] = {}
        self._timers: dict[int, asyncio.TimerHandle] = {}
        self._patience: dict[int, asyncio.TimerHandle] = {}
        # Attempts start in the context of the caller of the flow, not in that of the attempt whose
        # end made them ready.
        self._to_start = TaskReuser(self._attempt, own=CURRENT)
        self._dropped: set[tuple[int, int]] = set()
        self._is_over = False
        # Whether the run has yet to stop and may then clean up, for a limited time.
        self._may_clean_up = not flow.plan.is_plain
        self._over: asyncio.Future[None] = self._loop.create_future()

    async def run(self) -> ExecutionReport:
        """Run the flow to its end; raises `ResourceError` if a resource fails."""
        planned_at = time.time()
        options = self._options
        with capturing(logs=options.task_logs != NO_LOGS, prints=options.capture_print):
            self._arm_run_timeout()
            self._obey(None, self._state.start())
            try:
                await self._wait()
            finally:
                self._clean_up()
                await self._resources.close()
        if self._resource_error is not None:
            raise self._resource_error
        times = RunTimes(planned_at - self._flow.planning_s, planned_at, time.time())
        with collector_paused():
            report = build_report(
                self._state,
                times,
                by_task(self._state, self._results),
                run_id=self._run_id,
                inputs=self._inputs.shown,
                priority=options.priority,
            )
        report.logs = self.logs.by_name(self._state)
        return report

    def progress_of(self, task: int) -> Progress | None:
        """Return what the running attempt of a task told last; any thread may ask."""
        running = self._running.get(task)
        return None if running is None else running[1].told

    def disturbed(self, error: BaseException | None) -> list[str]:
        """Handle an error of the event loop itself, which continues; name the async tasks.

        It ends an attempt that let it out, and one that runs alone on the loop.
        """
        running = {
            task: (job, context)
            for task, (job, context) in self._running.items()
            if self._tasks.spec(task).lane == "async"
        }
        for task, (job, context) in running.items():
            if error is not None and (job.done() or len(running) == 1):
                self._settle(task, context.attempt, ended_by(error, context, time.time()))
                job.cancel()
        return sorted(context.name for _, context in running.values())

    async def _wait(self) -> None:
        """Wait for the run's end, also after a cancellation: attempts get time to clean up."""
        try:
            await asyncio.shield(self._over)
        except asyncio.CancelledError:
            self._take_in(CancelRequested(time.time()))
            while not self._over.done():
                try:
                    await asyncio.shield(self._over)
                except asyncio.CancelledError:  # cancelled a second time: leave at once
                    self._take_in(CleanupStopped(time.time(), "the clean-up was interrupted"))
                    break
            raise

    def _on_resource_failure(self, error: ResourceError) -> None:
        """End the run: the tasks that need the resource cannot run in this process."""
        if self._is_over:
            logger.error("run %s is over already: %s", self._run_id, error)
            return
        self._resource_error = error
        self._take_in(CancelRequested(time.time()))

    def _clean_up(self) -> None:
        for timer in (*self._timers.values(), *self._patience.values()):
            timer.cancel()
        self._close_if_idle()

    def _close_if_idle(self) -> None:
        if not self._running and not self._to_start:
            self._invoker.close()

    def _arm_run_timeout(self) -> None:
        limit_s = self._options.timeout_s
        if limit_s is not None:
            event = RunTimedOut(time.time() + limit_s, limit_s)
            self._timers[_RUN_TIMER] = self._loop.call_later(limit_s, self._take_in, event)

    # --- events in, commands out --------------------------------------------------------

    def _take_in(self, event: Event) -> None:
        commands = self._state.handle(event)
        if self._may_clean_up and self._state.stopping:
            self._limit_cleanup()
        if commands or self._observer is not None:
            self._obey(event, commands)

    def _limit_cleanup(self) -> None:
        until, limit_s = self._state.cleanup_until, self._flow.plan.cleanup_s
        self._may_clean_up = False
        if until is not None:
            event = CleanupStopped.too_late(until, limit_s)
            self._timers[_CLEANUP_TIMER] = self._loop.call_later(limit_s, self._take_in, event)

    def _obey(self, event: Event | None, commands: Sequence[Command]) -> None:
        if self._observer is not None:
            self._observer.observe(self._state, event, commands)
        for command in commands:
            if type(command) is Dispatch:
                self._to_start.add(command)
            elif type(command) is ScheduleRetry:
                self._schedule(command)
            elif type(command) is Revoke:
                self._revoke(command)
            elif type(command) is Finish:
                self._is_over = True
                if not self._over.done():
                    self._over.set_result(None)

    def _schedule(self, command: ScheduleRetry) -> None:
        event = RetryFellDue(command.task, command.attempt)
        timer = self._loop.call_later(command.delay_s, self._take_in, event)
        self._timers[command.task] = timer

    def _revoke(self, command: Revoke) -> None:
        task, attempt = command
        if task not in self._running:
            if self._flow.plan.is_plain:
                self._to_start.clear()  # nothing starts any more
            else:
                self._dropped.add((task, attempt))
            self._loop.call_soon(self._settle_unrun, task, attempt)
            return
        job, context = self._running[task]
        context.cancel()
        job.cancel()
        # An asyncio task that is cancelled before its first step runs none of its coroutine, and
        # one that raised a KeyboardInterrupt did not settle its attempt either.
        job.add_done_callback(lambda _: self._settle_unrun(task, attempt))

        self._abandon_after(SWALLOW_GRACE_S, task, context)

    def _abandon_after(self, delay_s: float, task: int, context: AttemptContext) -> None:
        """Settle an attempt that was cancelled and still has not ended."""
        self._cancel_timer(task)
        self._patience[task] = self._loop.call_later(delay_s, self._abandon, task, context)

    def _abandon(self, task: int, context: AttemptContext) -> None:
        logger.warning(
            "run %s: task %r goes on though it was cancelled %g s ago; the run goes on without "
            "it, and what it returns is dropped: let CancelledError out of the task",
            *(self._run_id, context.name, SWALLOW_GRACE_S),
        )
        leave_behind(self._running[task][0])  # else `asyncio.run` would wait for it at its own end
        self._settle(task, context.attempt, swallowed(context))

    def _cancel_timer(self, task: int) -> None:
        timer = self._patience.pop(task, None)
        if timer is not None:
            timer.cancel()

    def _settle_unrun(self, task: int, attempt: int) -> None:
        """Settle a revoked attempt that could not do it itself."""
        if self._state.states[task] != OUTSTANDING:
            return
        now = time.time()
        self._settle(task, attempt, AttemptResult(Outcome.CANCELLED, None, None, now, now))

    def _settle(self, task: int, attempt: int, result: AttemptResult) -> None:
        context = self._running.pop(task, _NOTHING)[1]
        if self._patience:
            self._cancel_timer(task)
        outcome, _, failure, started_at, at, seen = result
        kept = b""
        if context is not None and context.log is not None:
            kept = self.logs.keep(task, attempt, outcome, context.log)
        event = AttemptSettled(
            task, attempt, outcome, started_at, at, at, "", failure, seen=seen, log=kept
        )
        self._take_in(event)
        if self._is_over:
            self._close_if_idle()

    # --- one attempt --------------------------------------------------------------------

    def _context(self, task: int, attempt: int, spec: TaskSpec) -> AttemptContext:
        context = AttemptContext(
            self._run_id,
            spec.task_id,
            attempt,
            spec.retry.max_retries,
            self._flow.plan.namespace,
            "",
            spec.timeout_s,
            self._flow.plan.check_types,
        )
        context.keeps_prints = self._options.capture_print
        if spec.axes:
            context.index = told_index(self._tasks.index(task))
            context.key = self._values.key(task)
        return context

    async def _attempt(self, command: Dispatch, job: asyncio.Task[None]) -> None:
        task, attempt, *_ = command
        if self._dropped and (task, attempt) in self._dropped:
            return
        spec = self._tasks.specs[task]
        context = self._context(task, attempt, spec)
        self._running[task] = job, context
        started_at = time.time()
        try:
            bound = self._flow.tasks[spec.task_id]
            resources = await self._resources.values(bound.resources) if bound.resources else None
            if spec.timeout_s is not None and spec.lane == "async":
                self._abandon_after(spec.timeout_s + SWALLOW_GRACE_S, task, context)
            if self._free_threads is None or spec.lane == "async":
                result = await self._invoke(task, spec, bound, context, job, resources)
            else:
                async with self._free_threads.place(self._tasks.priorities[task] | task):
                    result = await self._invoke(task, spec, bound, context, job, resources)
        except (asyncio.CancelledError, ResourceError) as error:  # the latter ends the run
            result = ended_by(error, context, started_at)
        except GeneratorExit as error:
            if not runs_in(job):  # this coroutine itself is being closed
                raise
            result = ended_by(error, context, started_at)
        except KeyboardInterrupt:  # Ctrl-C
            raise
        except BaseException:
            logger.exception("task %r ended in an unexpected way", context.name)
            failure = Failure((UNDESCRIBED,), NOT_DESCRIBED)
            result = AttemptResult(Outcome.FAILED, None, failure, started_at, time.time())
        if self._running.get(task, _NOTHING)[1] is not context:  # abandoned, perhaps tried again
            drop(result.value)
            return
        self._settle(task, attempt, self._keep(task, spec, result))

    def _keep(self, task: int, spec: TaskSpec, result: AttemptResult) -> AttemptResult:
        """Keep the value of a success for its readers; return how the attempt ended after all."""
        if result.outcome is not SUCCESS:
            return result
        try:
            seen = self._values.keep(task, spec, result.value)
        except KeyboardInterrupt:  # Ctrl-C
            raise
        except BaseException as error:
            drop(result.value)
            return value_failure(error, "result")
        return result._replace(seen=seen) if seen else result

    def _invoke(
        self,
        task: int,
        spec: TaskSpec,
        bound: BoundTask,
        context: AttemptContext,
        job: asyncio.Task[None],
        resources: Mapping[str | int, Any] | None,
    ) -> Awaitable[AttemptResult]:
        """Return what to await for the end of an attempt."""
        # It is not async itself: a further coroutine for each attempt would cost more.
        try:
            arguments = self._values.arguments(task, spec) if spec.bindings else {}
            if resources:
                arguments |= resources
        except KeyboardInterrupt:  # Ctrl-C
            raise
        except BaseException as error:  # a property in user code may raise anything
            return _at_once(value_failure(error, "arguments"))
        return self._invoker.invoke(bound, context, arguments, job)


async def _at_once(result: AttemptResult) -> AttemptResult:
    return result
