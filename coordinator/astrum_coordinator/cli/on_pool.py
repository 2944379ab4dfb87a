"""One run over a server, from its flow to its report and its clean end."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING, Any

from astrum.config import AstrumConfig
from astrum.errors import AstrumError
from astrum.execution.invoke import Flow
from astrum.execution.run_inputs import CheckedInputs
from astrum.machine import ExecutionReport
from astrum.machine.observer import Observers
from astrum.view.report.columns import RunColumns
from astrum_coordinator.app import Coordinator
from astrum_coordinator.cli import workers_output
from astrum_coordinator.cli.asking import patient_coordinator
from astrum_coordinator.cli.attach import has_ended
from astrum_coordinator.cli.interrupts import Interrupts, cancelling
from astrum_coordinator.cli.options import redis_settings
from astrum_coordinator.cli.shown_run import shown
from astrum_coordinator.display.progress import RunProgress
from astrum_coordinator.embedded.local_workers import (
    LocalWorkers,
    LocalWorkerSettings,
    WorkerOutput,
)
from astrum_coordinator.embedded.resource_watch import ResourceWatch
from astrum_coordinator.embedded.server import EmbeddedServer
from astrum_coordinator.submission import new_run_id, traceparent_of_environment

if TYPE_CHECKING:
    from astrum_coordinator.cli.run_settings import RunSettings

WORKER_GRACE_S = 2.0
"""The grace of local workers in seconds: once the run is over, their work is not needed."""
CANCELLING = "cancelling the run"


class PoolSession:
    """A run led by this process, with the server and the workers that it needs."""

    def __init__(
        self, settings: RunSettings, flow: Flow, inputs: CheckedInputs, progress: RunProgress
    ) -> None:
        self._settings = settings
        self._flow = flow
        self._inputs = inputs
        self._progress = progress
        self._run_id = settings.run_id or new_run_id()
        self.columns: RunColumns | None = None
        """The columns of the run, if they are to be exported."""

    async def run(self, interrupts: Interrupts) -> ExecutionReport | None:
        """Run the flow to its end; `None` if it was interrupted before there was a run."""
        try:
            return await self._run(interrupts)
        except asyncio.CancelledError:
            if not interrupts.received:
                raise
            return None

    async def _run(self, interrupts: Interrupts) -> ExecutionReport:
        place = self._settings.place
        async with AsyncExitStack() as stack:
            server = place.server
            if server.url is None:
                embedded = await stack.enter_async_context(EmbeddedServer())
                server = server._replace(url=embedded.url)
            settings = redis_settings(server)
            # A private server is gone after the run, and all chronicles with it.
            history = {} if place.server.url is not None else {"history_s": 0.0}
            opening = patient_coordinator(settings, **history)
            coordinator = await stack.enter_async_context(opening)
            resources = ResourceWatch(lambda _: False)
            if await has_ended(coordinator, self._settings.run_id, self._settings.attach):
                return await self._led(coordinator, interrupts, resources)
            workers = await self._enter_workers(stack, settings.url, coordinator)
            await stack.enter_async_context(
                shown(coordinator, self._run_id, self._progress, self._settings.quiet)
            )
            if workers is None:
                return await self._led(coordinator, interrupts, resources)
            resources = ResourceWatch(workers.has)
            work = self._led(coordinator, interrupts, resources)
            return await workers.supervise(work)

    async def _enter_workers(
        self, stack: AsyncExitStack, url: str, coordinator: Coordinator
    ) -> LocalWorkers | None:
        if not self._settings.place.workers:
            return None
        workers = await stack.enter_async_context(self._workers(url, coordinator))
        coordinator.expect_workers(lambda: workers.pids)
        return workers

    def _workers(self, url: str, coordinator: Coordinator) -> LocalWorkers:
        server = self._settings.place.server
        options = [*server.arguments(), *self._settings.worker_options]
        if server.url is None:  # no other workers can reach this server
            for queue in sorted({spec.queue for spec in self._flow.plan.tasks}):
                options += ["--queue", queue]
        settings = LocalWorkerSettings(
            redis_url=url,
            count=self._settings.place.workers,
            options=options,
            grace_s=WORKER_GRACE_S,
            log_level=logging.getLevelName(logging.getLogger("astrum").level).lower(),
            folder=self._settings.folder,
        )
        shown = WorkerOutput(
            show_output=workers_output.show_output,
            show_log=workers_output.show_log,
            until_there_is_room=workers_output.until_there_is_room,
        )
        return LocalWorkers(self._settings.choice.modules, coordinator, settings, shown)

    async def _led(
        self,
        coordinator: Coordinator,
        interrupts: Interrupts,
        resources: ResourceWatch,
    ) -> ExecutionReport:
        report = await self._seen_through(coordinator, interrupts, resources)
        if self._settings.makes_columns:
            self.columns = await coordinator.export(self._run_id)
        return report

    async def _seen_through(
        self,
        coordinator: Coordinator,
        interrupts: Interrupts,
        resources: ResourceWatch,
    ) -> ExecutionReport:
        given, is_quiet = self._settings.from_run, self._settings.quiet
        from_run = given and await given.wish(coordinator, is_quiet=is_quiet)
        work = asyncio.ensure_future(
            coordinator.run_flow(
                self._flow,
                AstrumConfig(concurrency_limit=self._settings.choice.concurrency_limit),
                inputs=self._inputs.values,
                timeout_s=self._settings.timeout_s,
                result_ttl_s=self._settings.result_ttl_s,
                run_id=self._run_id,
                observer=Observers((self._progress, resources)),
                labels=self._settings.labels,
                traceparent=traceparent_of_environment(),
                priority=self._settings.priority,
                versions=self._settings.versions,
                unserved_limit_s=self._settings.unserved_limit_s,
                from_run=from_run,
            )
        )
        stopper = Stopper(coordinator, self._run_id, work)
        plan = self._flow.plan
        if any(spec.always for spec in plan.tasks):
            interrupts.before_leaving(stopper.end_cleanup)
        interrupts.on_first(stopper.stop, cancelling(plan, CANCELLING))
        try:
            return await resources.guard(work)
        finally:
            await _cancel(work)


class Stopper:
    """Cancels a run on the first interrupt, so that its report still comes."""

    def __init__(
        self, coordinator: Coordinator, run_id: str, work: asyncio.Future[ExecutionReport]
    ) -> None:
        self._coordinator = coordinator
        self._run_id = run_id
        self._work = work
        self._stopping: asyncio.Task[None] | None = None

    def stop(self) -> None:
        """Begin to cancel the run."""
        if self._stopping is None:
            self._stopping = asyncio.create_task(self._stop())

    async def end_cleanup(self) -> None:
        """Ask for the end of the clean-up of the run."""
        with suppress(AstrumError):
            await self._coordinator.cancel(self._run_id, "interrupted twice", now=True, by="")

    async def _stop(self) -> None:
        try:
            asked = await self._coordinator.cancel(self._run_id, "interrupted", by="")
        except AstrumError:
            asked = False
        if not asked:
            self._work.cancel()  # there is no run yet, or no server to ask


async def _cancel(task: asyncio.Future[Any]) -> None:
    if not task.done():
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
