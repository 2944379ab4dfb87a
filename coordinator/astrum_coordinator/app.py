"""The coordinator: leads runs and answers questions about them, without the users' code."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
from collections.abc import Iterable, Mapping
from types import MappingProxyType, TracebackType

from astrum.config import AstrumConfig, checked_config
from astrum.errors import (
    AstrumError,
    RunConflictError,
    RunError,
)
from astrum.execution.invoke import Flow
from astrum.execution.run_log import SENT_TO_WORKERS, with_log
from astrum.flow.registry import build_scheduler
from astrum.machine.observer import RunObserver
from astrum.machine.report import ExecutionReport
from astrum.planning.run_inputs import NO_INPUTS, GivenInputs
from astrum.protocol.run_header import NewRun, RunHeader
from astrum.protocol.sealing import Seal
from astrum.redis.patience import patiently
from astrum.redis.run_store import RunStore
from astrum.redis.settings import RedisSettings
from astrum_coordinator.asking.answers import Answers
from astrum_coordinator.asking.operations import Operations
from astrum_coordinator.asking.report_loader import ReportLoader
from astrum_coordinator.asking.taking_over import Beginning, FromRun, TakingOver
from astrum_coordinator.asking.task_logs import TaskLogReading
from astrum_coordinator.asking.waiting import found_run, until_over
from astrum_coordinator.client.client_parts import ClientParts
from astrum_coordinator.client.handle import RunHandle
from astrum_coordinator.config import CoordinatorConfig
from astrum_coordinator.context import CoordinatorContext
from astrum_coordinator.health import CoordinatorHealth
from astrum_coordinator.leading.leader import RunLeader
from astrum_coordinator.parts import Parts, compose
from astrum_coordinator.publishing import Publishing
from astrum_coordinator.start_time import StartTime, start_time
from astrum_coordinator.stored_runs import StoredRuns, encode_plan, new_run
from astrum_coordinator.submission import RunOptions, check_flow, new_run_id, submission_details
from astrum_coordinator.workers_here import WorkersHere

logger = logging.getLogger("astrum.coordinator")

NO_LABELS: Mapping[str, str] = MappingProxyType({})
_PATIENCE_S = 10.0
"""Seconds for which a submission or a cancel waits for a server, for example at a restart."""


class Coordinator(Operations, Answers, Publishing, TakingOver, TaskLogReading, WorkersHere):
    """Runs flows on a pool of workers that share a Redis or Valkey server.

    ``async with Coordinator("redis://host") as coordinator: await coordinator.run(...)``; also
    an executor for `astrum.run(executor=coordinator)`. ``redis`` is a URL or `RedisSettings`.
    Entering raises `StoreUnavailableError` or `StoreConfigurationError` with what to do; for the
    former it waits as long as ``config`` says, by default not at all.
    Background work begins with the first run to lead; questions alone start none. On leaving it
    stops leading its runs, and another coordinator may lead them.
    """

    def __init__(
        self, redis: str | RedisSettings, *, config: CoordinatorConfig | None = None
    ) -> None:
        self._settings = RedisSettings.from_env(redis) if isinstance(redis, str) else redis
        self._config = config or CoordinatorConfig()
        self.owner = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self._opened: Parts | None = None
        self._led_here: set[str] = set()
        """Runs to submit and to lead here: no process that serves is woken for them."""

    async def __aenter__(self) -> Coordinator:
        store = await patiently(
            lambda: RunStore.open(self._settings).__aenter__(),
            patience_s=self._config.start_patience_s,
            log=logger,
        )
        seal = Seal(self._settings.signing_keys)
        self._opened = compose(CoordinatorContext(store, self.owner, self._config, seal))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # Services that find work stop first. The leases are released last: until then no other
        # coordinator can lead these runs while a service here still acts on them.
        parts = self._parts
        try:
            for service in reversed((*parts.services, *parts.finders)):
                await service.stop()
            await parts.leaderships.release()
            await parts.chronicles.close()
            parts.adoption.notices.close()
        finally:
            parts.subscriptions.close()
            self._opened = None
            await parts.context.store.__aexit__(kind, error, trace)

    @property
    def _parts(self) -> Parts:
        if self._opened is None:
            raise RunError(
                "this coordinator is not open: use it inside `async with Coordinator(...) as "
                "coordinator:`"
            )
        return self._opened

    @property
    def _store(self) -> RunStore:
        return self._context.store

    @property
    def _context(self) -> CoordinatorContext:
        return self._parts.context

    @property
    def _stored(self) -> StoredRuns:
        return self._parts.stored

    @property
    def _reports(self) -> ReportLoader:
        return self._parts.reports

    def _begin_to_lead(self) -> None:
        for service in self._parts.services:
            service.start()

    # --- running ------------------------------------------------------------------------

    async def run(
        self,
        target_tasks: Iterable[str] | None = None,
        *,
        namespace: str | None = None,
        config: AstrumConfig | None = None,
        inputs: GivenInputs = NO_INPUTS,
        timeout_s: float | None = None,
        result_ttl_s: float | None = None,
        run_id: str | None = None,
        observer: RunObserver | None = None,
        labels: Mapping[str, str] = NO_LABELS,
        priority: int = 0,
        traceparent: str = "",
        versions: str = "",
        unserved_limit_s: float | None = None,
        from_run: str | FromRun | None = None,
    ) -> ExecutionReport:
        """Run tasks of a namespace on the workers; see `astrum.machine`, and `run_flow`."""
        config = checked_config(config)
        scheduler = build_scheduler(target_tasks, namespace=namespace, config=config)
        flow = scheduler.flow(fingerprints=True)
        return await self.run_flow(
            flow,
            config,
            inputs=inputs,
            timeout_s=timeout_s,
            result_ttl_s=result_ttl_s,
            run_id=run_id,
            observer=observer,
            labels=labels,
            priority=priority,
            traceparent=traceparent,
            versions=versions,
            unserved_limit_s=unserved_limit_s,
            from_run=from_run,
        )

    async def run_flow(
        self,
        flow: Flow,
        config: AstrumConfig,
        *,
        inputs: GivenInputs = NO_INPUTS,
        timeout_s: float | None = None,
        result_ttl_s: float | None = None,
        run_id: str | None = None,
        observer: RunObserver | None = None,
        labels: Mapping[str, str] = NO_LABELS,
        priority: int = 0,
        traceparent: str = "",
        versions: str = "",
        unserved_limit_s: float | None = None,
        from_run: str | FromRun | None = None,
    ) -> ExecutionReport:
        """Submit a planned flow, lead it, and return its report.

        Failures of tasks are in the report. With ``silence=False`` in ``config`` the attempts'
        starts, ends and retries are logged. Cancelling the caller cancels the run, waits until
        it is over and propagates ``CancelledError``.
        """
        run_id = run_id or new_run_id()
        self._led_here.add(run_id)
        submission = self.submit_flow(
            flow,
            inputs=inputs,
            run_id=run_id,
            timeout_s=timeout_s,
            result_ttl_s=result_ttl_s,
            labels=labels,
            priority=priority,
            traceparent=traceparent,
            versions=versions,
            unserved_limit_s=unserved_limit_s,
            from_run=from_run,
        )
        submitting = asyncio.create_task(submission)
        try:
            await asyncio.shield(submitting)
            watching = with_log(observer, run_id, SENT_TO_WORKERS, config.silence)
            known = await self._see_through(run_id, watching)
        except asyncio.CancelledError:
            await self._cancel_and_wait(run_id, submitting)
            raise
        finally:
            self._led_here.discard(run_id)
        return await self._reports.report(run_id, flow.types, known=known)

    async def submit_flow(
        self,
        flow: Flow,
        *,
        inputs: GivenInputs = NO_INPUTS,
        run_id: str | None = None,
        timeout_s: float | None = None,
        result_ttl_s: float | None = None,
        labels: Mapping[str, str] = NO_LABELS,
        priority: int = 0,
        traceparent: str = "",
        versions: str = "",
        unserved_limit_s: float | None = None,
        at: StartTime | None = None,
        from_run: str | FromRun | None = None,
    ) -> str:
        """Store a run without an owner and return its id; any coordinator may adopt it.

        ``inputs`` are those that its tasks read, by name, or a dataclass or pydantic model with
        them; they are checked first, and `RunInputError` tells all mistakes.
        Once it has ended it is kept for ``result_ttl_s``, by default as long as its leader says.
        The same ``run_id`` with the same flow (its namespace) and inputs is the same run, whatever
        its tasks and its code; with others it raises `RunConflictError`.
        ``priority``, from -9 to 9, is added to that of each task: attempts above 0 begin before all
        others, and the runs of others share what is sent ahead by it, a half for each step down.
        ``labels`` are short strings by name that `runs` shows, and ``traceparent`` is that of the
        W3C's Trace Context, which each task message carries; those of the first submission count.
        ``versions`` says which code may run the tasks: "compatible",
        or "exact", which is the plan's alone. A task that no live worker serves fails the run after
        ``unserved_limit_s``; ``math.inf``: never. Where these are left out, the run's leader
        decides. ``at`` delays the run, as in `Client.start`. Raises `StoreUnavailableError` if the
        server does not answer for a while.

        With ``from_run`` those tasks do not run in which that run of the same flow succeeded with
        the same code and values; inputs that are not given are those of that run. Raises
        `TaskNotFoundError` and `TakeOverRefusedError`.
        """
        check_flow(flow)
        run_id = run_id or new_run_id()
        options = RunOptions(
            labels, timeout_s, result_ttl_s, traceparent, versions, unserved_limit_s, priority
        )
        details = submission_details(flow, options)
        stored = encode_plan(flow.plan, self._context.seal)
        self._stored.keep(stored.digest, flow.plan)
        header = RunHeader(flow.plan.namespace, stored.digest, priority=priority)
        begun = await self._beginning(flow, run_id, inputs, from_run)
        run = new_run(run_id, header, self._context.seal, details, inputs=begun.inputs)
        run = run._replace(wakes=run_id not in self._led_here)
        await patiently(
            lambda: self._create(run, stored.data, at, begun),
            patience_s=_PATIENCE_S,
            what=f"run {run_id} is to be submitted",
            log=logger,
        )
        return run_id

    async def _create(
        self, run: NewRun, plan: bytes, at: StartTime | None, begun: Beginning
    ) -> None:
        run = run._replace(start_at=await start_time(self._store, at))
        try:
            await self._store.create_seeded_run(run, plan, begun.old_run_id, begun.seeds)
        except RunConflictError:
            raise await self._stored.conflict(run) from None
        if begun.seeds:
            await self._store.prolong(run.run_id)

    async def resume(
        self,
        run_id: str,
        *,
        observer: RunObserver | None = None,
        types: Iterable[type] = (),
    ) -> ExecutionReport:
        """Lead an existing run to its end, also after another leader, and return its report.

        For ``types`` see `report`.
        """
        await found_run(self._store, run_id)
        known = await self._see_through(run_id, observer)
        return await self._reports.report(run_id, types, known=known)

    async def serve(self) -> None:
        """Adopt and lead every run that has no live leader, until cancelled."""
        self._begin_to_lead()
        finders = self._parts.finders
        for finder in finders:
            finder.start()
        try:
            await asyncio.Event().wait()
        finally:
            for finder in finders:
                await finder.stop()

    async def _see_through(self, run_id: str, observer: RunObserver | None) -> RunLeader | None:
        self._begin_to_lead()
        return await self._parts.completion.see_through(run_id, observer)

    async def _cancel_and_wait(self, run_id: str, submitting: asyncio.Task[str]) -> None:
        try:
            await submitting  # a run that was not stored, or is another one, must not be cancelled
            await patiently(
                lambda: self.cancel(run_id, "its caller was cancelled", by=""),
                patience_s=_PATIENCE_S,
                what=f"run {run_id} is to be cancelled",
                log=logger,
            )
            await self._see_through(run_id, None)
        except asyncio.CancelledError:
            logger.warning("run %s: cancelled twice; its attempts may still be running", run_id)
        except AstrumError as error:
            logger.warning("run %s could not be cancelled: %s", run_id, error)

    def health(self) -> CoordinatorHealth:
        """Return what this coordinator answers about its health and its work."""
        return CoordinatorHealth(self._parts)

    # --- questions and requests ---------------------------------------------------------

    async def report(
        self, run_id: str, *, types: Iterable[type] = (), results: bool = True
    ) -> ExecutionReport:
        """Return the report of a finished run, or of an open one so far; needs none of its code.

        Results have the types that their tasks declare where the tasks' modules are imported, and
        those in ``types`` (for example `Flow.types`). Others are placeholders that show the value
        and say how to get the real one.

        All results are read from the server, decoded and kept in ``task_return_set``: that costs
        time and memory. With ``results=False`` none is fetched. For a single one ask `snapshot`.
        """
        return await self._reports.report(run_id, types, results=results)

    async def wait(
        self,
        run_id: str,
        *,
        timeout_s: float | None = None,
        types: Iterable[type] = (),
        results: bool = True,
    ) -> ExecutionReport:
        """Wait until a run is over, without leading it, and return its `report`.

        Raises `RunNotFoundError`, and `TimeoutError` if it is still open after ``timeout_s``.
        Waits for as long as the server is away.
        With ``results=False`` no result is fetched; the default has the cost that `report` names.
        """
        try:
            async with asyncio.timeout(timeout_s):
                self._parts.reader.start()
                await until_over(self._store, self._parts.subscriptions, run_id)
        except TimeoutError:
            raise TimeoutError(f"run {run_id!r} is still open after {timeout_s:g} s") from None
        return await self.report(run_id, types=types, results=results)

    async def follow(self, run_id: str, observer: RunObserver) -> None:
        """Tell ``observer`` of all that happens in a run until it is over, without leading it.

        Raises `RunNotFoundError`. Waits for as long as the server is away.
        """
        self._parts.reader.start()
        await self._parts.completion.follow(run_id, observer)

    def handle(self, run_id: str) -> RunHandle:
        """Return a handle of a run, as `Client.handle` does; its first method asks the server."""
        parts, context = self._parts, self._context
        told = (parts.stored, parts.subscriptions, parts.reports, parts.reader)
        return RunHandle(ClientParts(context.store, context.seal, *told), run_id)
