"""One run in this process, with its display and its clean end."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from functools import partial
from typing import TYPE_CHECKING

from astrum.execution.in_process import InProcessRun
from astrum.execution.in_process_options import InProcessOptions
from astrum.execution.invoke import Flow
from astrum.execution.kept_logs import KeptLogs
from astrum.execution.run_inputs import CheckedInputs
from astrum.logs import AttemptFilter
from astrum.machine import ExecutionReport, RunTimes, build_report
from astrum.runtime.cli.logs import log_for_users
from astrum.runtime.collector import collector_paused
from astrum.runtime.log_records import NO_LOGS
from astrum.runtime.version import installed_version
from astrum.runtime.visible_text import visible_name
from astrum.view.report.columns import RunColumns, run_columns
from astrum.view.report.log_rows import RunLogs
from astrum.view.report.run_head import RunHead
from astrum_coordinator.cli import output
from astrum_coordinator.cli.interrupts import Interrupts, cancelling
from astrum_coordinator.display.progress import RunProgress, ShownAttempt

if TYPE_CHECKING:
    from astrum_coordinator.cli.run_settings import RunSettings

logger = logging.getLogger("astrum.run")


class LocalSession:
    """A run without server and workers."""

    def __init__(
        self, settings: RunSettings, flow: Flow, inputs: CheckedInputs, progress: RunProgress
    ) -> None:
        self._quiet = settings.quiet
        self._makes_columns = settings.makes_columns
        self.columns: RunColumns | None = None
        """The columns of the run, if they are to be exported."""
        self._flow = flow
        self._inputs = inputs
        self._progress = progress
        self._planned_at = time.time()
        self._options = InProcessOptions(
            timeout_s=settings.timeout_s,
            run_id=settings.run_id or uuid.uuid4().hex,
            priority=settings.priority,
            observer=progress,
            task_logs=settings.logs.task_logs,
            capture_print=settings.logs.capture_print,
            task_logs_limit=settings.logs.task_logs_limit,
        )

    async def run(self, interrupts: Interrupts) -> ExecutionReport | None:
        """Run the flow to its end; `None` if it was interrupted before there was a run."""
        keeps = self._options.task_logs != NO_LOGS
        log_for_users(AttemptFilter(), least=logging.INFO if keeps else logging.CRITICAL)
        if keeps:
            logging.captureWarnings(True)
        run = InProcessRun(self._flow, self._options, self._inputs)
        interrupts.on_disturbance(partial(_disturbed, run))
        work = asyncio.current_task()
        if work is not None:
            interrupts.on_first(work.cancel, cancelling(self._flow.plan, "stopping"))
        try:
            with output.display(self._progress, self._quiet, told=partial(_told, run)):
                report: ExecutionReport | None = await run.run()
        except asyncio.CancelledError:
            if not interrupts.received:
                raise
            report = self._report_of_cancelled()
        if report is not None and self._makes_columns:
            self.columns = self._columns_of(report, run.logs)
        return report

    def _columns_of(self, report: ExecutionReport, logs: KeptLogs) -> RunColumns | None:
        if self._progress.state is None:
            return None
        planned_at = report.total_start_time + report.planning_duration
        head = RunHead(
            run_id=report.run_id,
            state=report.execution_state.value,
            times=RunTimes(report.total_start_time, planned_at, report.total_end_time),
            taken_at=report.total_end_time,
            is_over=True,
            version=installed_version(),
            is_local=True,
            priority=report.priority,
        )
        return run_columns(self._progress.state, head, logs=RunLogs(logs, logs.left_out))

    def _report_of_cancelled(self) -> ExecutionReport | None:
        """Return the report of the interrupted run, without the values of its tasks."""
        state, planned_at = self._progress.state, self._planned_at
        if state is None:
            return None
        times = RunTimes(planned_at - self._flow.planning_s, planned_at, time.time())
        with collector_paused():
            return build_report(
                state,
                times,
                {},
                run_id=self._options.run_id,
                inputs=self._inputs.shown,
                priority=self._options.priority,
            )


def _told(run: InProcessRun, attempt: ShownAttempt) -> str:
    progress = run.progress_of(attempt.task)
    return "" if progress is None else visible_name(str(progress))


def _disturbed(run: InProcessRun, error: BaseException | None) -> None:
    """Log that a task interfered with the event loop; fail the one attempt that ran there."""
    names = run.disturbed(error)
    suspects = f" (async tasks that ran then: {', '.join(map(repr, names))})" if names else ""
    if error is None:
        logger.error("a task stopped the event loop; it continues%s", suspects)
        return
    logger.error(
        "%s was raised in the event loop, outside of all attempts: by a signal handler, a callback "
        "or an asyncio task of a task; the loop continues%s",
        *(type(error).__name__, suspects),
        exc_info=error,
    )
