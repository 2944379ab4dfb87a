"""The columns of a run, for exports and chronicles: from its record, or from its chronicle."""

from __future__ import annotations

from collections.abc import Mapping

from astrum.machine.report_builder import RunTimes
from astrum.protocol.records import RunInfo
from astrum.redis.run_store import RunStore
from astrum.runtime.collector import collector_paused
from astrum.runtime.version import installed_version
from astrum.values.codec import Codec
from astrum.values.opaque import plain_repr
from astrum.view import RunMoment, unfinished
from astrum.view.report.attempt_columns import OpenAttempt
from astrum.view.report.columns import OpenTasks, RunColumns, run_columns
from astrum.view.report.redacting import without_messages
from astrum.view.report.run_head import RunHead
from astrum_coordinator.asking.report_loader import ReportLoader
from astrum_coordinator.asking.result_types import types_declared_here
from astrum_coordinator.asking.run_logs import read_logs
from astrum_coordinator.asking.snapshots import read_moment

MAX_INPUT_CHARS = 2_000
NO_INPUTS: Mapping[str, str] = {}


def head_of(
    info: RunInfo, times: RunTimes, now: float, inputs: Mapping[str, str] = NO_INPUTS
) -> RunHead:
    """Return the head of the columns of a run, by its record; times are the server's."""
    state = ("running" if info.lease_s > 0 else "pending") if info.is_open else info.state
    return RunHead(
        run_id=info.run_id,
        state=state,
        times=times,
        taken_at=now,
        is_over=not info.is_open,
        version=installed_version(),
        labels=info.labels,
        inputs=inputs,
        submitted_by=info.details.get("by", ""),
        late_ends=info.late_ends,
        priority=info.priority,
    )


async def recorded_columns(
    store: RunStore,
    loader: ReportLoader,
    info: RunInfo,
    *,
    with_values: bool = False,
    redacted: bool = False,
) -> RunColumns:
    """Return the columns of a run whose record is there.

    Its inputs are among them only ``with_values``; ``redacted`` leaves out messages,
    tracebacks and logs.
    """
    known = await loader.read(info.run_id, values=None)
    times, tasks = await loader.times(info), None
    now = times.ended_at
    if info.is_open:
        moment, pool = await read_moment(store, known, info)
        states = {task.task_id: str(task.state) for task in unfinished(moment, pool)}
        tasks, now = OpenTasks(states, _running(moment)), moment.now
        if info.waits_until is None:  # else no time of it has passed
            times = times._replace(ended_at=now)
    else:
        known.state.conclude()
    inputs = await _inputs(loader, info) if with_values else NO_INPUTS
    ends = () if redacted else known.state.attempt_log.settled
    logs = await read_logs(store, loader.seal, info.run_id, ends)
    with collector_paused():
        columns = run_columns(known.state, head_of(info, times, now, inputs), tasks, logs)
    return without_messages(columns) if redacted else columns


def _running(moment: RunMoment) -> list[OpenAttempt]:
    return [
        OpenAttempt(task, moment.sent[task].sent_at, taken.taken_at, taken.worker_id)
        for task, taken in moment.taken.items()
        if task in moment.sent
    ]


async def _inputs(loader: ReportLoader, info: RunInfo) -> dict[str, str]:
    header = loader.header(info)
    if not header.inputs:
        return {}
    plan = (await loader.stored(info)).plan
    codec = Codec.opaque(dict.fromkeys(types_declared_here(plan)))
    shown = await loader.shown_inputs(info.run_id, plan, header.inputs, codec)
    return {name: plain_repr(value)[:MAX_INPUT_CHARS] for name, value in shown.items()}
