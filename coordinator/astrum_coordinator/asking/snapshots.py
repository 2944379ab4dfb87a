"""Snapshots of a run: its report, and the state of each unfinished task."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

from astrum.errors import DecodeError
from astrum.machine.report import TaskExecutionStatistics
from astrum.machine.task_state import OUTSTANDING
from astrum.planning.fingerprint import COMPATIBLE
from astrum.planning.offer import NamespaceVersion
from astrum.planning.plan import Plan
from astrum.protocol.records import Outstanding, RunInfo, WorkerInfo
from astrum.protocol.status import decode_served
from astrum.protocol.streams import Stream
from astrum.redis.run_store import RunStore
from astrum.view import (
    NoPool,
    Pool,
    QueueState,
    RunMoment,
    RunSnapshot,
    Sent,
    Taken,
    UnfinishedState,
    UnfinishedTask,
    queue_states,
    unfinished,
)
from astrum_coordinator.asking.report_loader import ReportLoader
from astrum_coordinator.asking.run_follower import EVERY, RunFollower
from astrum_coordinator.asking.waiting import found_run
from astrum_coordinator.scheduling.live_workers import LivePool, Served
from astrum_coordinator.scheduling.run_pool import RunPool


async def take_snapshot(
    store: RunStore, loader: ReportLoader, run_id: str, *, results: bool | str = False
) -> RunSnapshot:
    """Return the state of a run now. Only results that are asked for are read (see `report`).

    Raises `RunNotFoundError`, and `TaskNotFoundError` for a task in ``results``.
    """
    info = await found_run(store, run_id)
    task_id = results if isinstance(results, str) else None
    values = EVERY if results is True else None
    follower = await loader.read(run_id, values=values, task_id=task_id)
    report = await loader.report(run_id, known=follower, results=results)
    tasks, now = [], report.total_end_time
    if info.is_open:
        moment, pool = await read_moment(store, follower, info)
        tasks, now = unfinished(moment, pool), moment.now
        rows = _with_statuses(report.task_statistics, follower.state.plan, tasks)
        report = dataclasses.replace(report, task_statistics=rows)
    return RunSnapshot(
        report=report,
        unfinished=tasks,
        now=now,
        late_ends=info.late_ends,
        waits_until=info.waits_until,
        submitted_by=info.details.get("by", ""),
        labels=info.labels,
        logs_left_out=await store.logs_left_out(run_id),
    )


async def queue_states_of(store: RunStore) -> list[QueueState]:
    """Return per queue the waiting and running attempts, and the live workers that listen to it."""
    sizes = {}
    for key, size in (await store.queue_sizes()).items():
        with suppress(ValueError):  # not a queue's key
            sizes[store.keys.stream_of(key)] = size
    listens = {
        worker.worker_id: queues.split(",")
        for worker in await store.workers()
        if (queues := worker.details.get("queues"))
    }
    told = [coordinator.status for coordinator in await store.coordinators()]
    held, paused = [one.ready for one in told], [one.paused for one in told]
    return queue_states(sizes, listens, held, await store.paused(), paused)


async def _pool_of(store: RunStore, workers: Sequence[WorkerInfo]) -> LivePool:
    ids = [worker.worker_id for worker in workers]
    told = await store.served_by(ids)
    # Workers of a big pool say the same: each of these may take as long to read as the whole run.
    known = {data: _served(data) for data in set(told.values())}
    return LivePool(workers, {worker_id: known[data] for worker_id, data in told.items()})


async def served_versions(
    store: RunStore, workers: Sequence[str]
) -> dict[str, dict[str, NamespaceVersion]]:
    """Return the version of each namespace that these workers serve, by their ids."""
    return {
        worker_id: {
            namespace: NamespaceVersion(task.offer, task.code)
            for (namespace, _), task in _served(data).items()
        }
        for worker_id, data in (await store.served_by(workers)).items()
    }


def _served(data: bytes) -> Served:
    try:
        return decode_served(data)
    except DecodeError:  # its coordinator warns; here the worker counts as serving nothing
        return {}


async def read_moment(
    store: RunStore, follower: RunFollower, info: RunInfo
) -> tuple[RunMoment, Pool]:
    """Return all that is known of a run now, and its pool; of one that is over only its state."""
    state = follower.state
    logs = await store.logs_left_out(info.run_id)
    if not info.is_open:
        now = await store.server_time()
        return RunMoment(state=state, info=info, now=now, logs_left_out=logs), NoPool()
    out = {
        task: found
        for task, found in follower.outstanding.items()
        if state.states[task] == OUTSTANDING and state.attempts[task] == found.attempt
    }
    streams = _by_stream(out)
    workers = await store.workers()
    taken = _with_progress(await _taken(store, streams, out), workers, follower)
    queued = await _queued(store, streams)
    alive = {one.worker_id for one in workers}
    silent = {one.worker_id for one in taken.values()} - alive
    moment = RunMoment(
        state=state,
        info=info,
        now=await store.server_time(),
        sent={task: _sent(found) for task, found in out.items()},
        taken=taken,
        queued=queued,
        vanished=await _vanished(store, info.run_id, streams, out, taken, queued),
        workers=workers,
        silent=await store.last_words(silent) if silent else {},
        coordinators=await store.coordinators(),
        pauses=await store.paused(),
        logs_left_out=logs,
    )
    pool = await _pool_of(store, workers)
    return moment, RunPool(pool, state.plan.namespace, info.versions or COMPATIBLE)


async def _vanished(
    store: RunStore,
    run_id: str,
    streams: Mapping[Stream, list[int]],
    out: Mapping[int, Outstanding],
    taken: Mapping[int, Taken],
    queued: Mapping[Stream, int],
) -> set[int]:
    """Return the tasks whose messages are gone; asked only where fewer wait than there should."""
    found: set[int] = set()
    for stream, tasks in streams.items():
        waiting = [task for task in tasks if task not in taken]
        if queued.get(stream, 0) < len(waiting):
            attempts = [(task, out[task].attempt, out[task].entry_id) for task in waiting]
            found.update(await store.vanished(run_id, stream, attempts))
    return found


def _by_stream(out: Mapping[int, Outstanding]) -> dict[Stream, list[int]]:
    streams: dict[Stream, list[int]] = {}
    for task, found in out.items():
        streams.setdefault(found.stream, []).append(task)
    return streams


async def _taken(
    store: RunStore, streams: Mapping[Stream, list[int]], out: Mapping[int, Outstanding]
) -> dict[int, Taken]:
    found: dict[int, Taken] = {}
    for stream, tasks in streams.items():
        entries = {out[task].entry_id: task for task in tasks}
        holders = await store.holders(stream, list(entries))
        for entry_id, holder in holders.items():
            found[entries[entry_id]] = Taken(holder.worker_id, holder.claimed_at)
    return found


def _with_progress(
    taken: Mapping[int, Taken], workers: Iterable[WorkerInfo], run: RunFollower
) -> dict[int, Taken]:
    """Add what running tasks told their workers last."""
    told = {
        (row.task, row.attempt): row.progress
        for worker in workers
        for row in worker.status.running
        if row.run_id == run.run_id and row.progress is not None
    }
    attempts = run.state.attempts
    return {
        task: one._replace(progress=told.get((task, attempts[task]))) for task, one in taken.items()
    }


async def _queued(store: RunStore, streams: Mapping[Stream, list[int]]) -> dict[Stream, int]:
    keys = {store.keys.queue(stream): stream for stream in streams}
    sizes = await store.queue_sizes(list(keys))
    return {keys[key]: size.waiting for key, size in sizes.items()}


def _sent(found: Outstanding) -> Sent:
    ms, _, sequence = found.entry_id.partition("-")
    return Sent(found.attempt, int(ms) / 1000, int(sequence), *found.stream[2:])


def _with_statuses(
    rows: Sequence[TaskExecutionStatistics], plan: Plan, tasks: Sequence[UnfinishedTask]
) -> list[TaskExecutionStatistics]:
    """Return the rows with the status of unfinished tasks: "running" only if a worker runs it.

    Tails have a row only once they have ended; a row is added here for those that have not.
    """
    found = {row.task_name: row for row in rows}
    children = {child.task_name: child for row in rows for child in row.children}
    for task in tasks:
        status = _STATUSES.get(task.state, "pending")
        child = children.get(task.task_id)
        if child is not None:
            child.status = status
        elif task.task_id in found or task.task_id in plan.index:  # else the child of a tail
            row = found.get(task.task_id) or _no_attempts(plan, task.task_id)
            found[task.task_id] = dataclasses.replace(row, status=status)
    for row in found.values():
        if row.children and row.status == "running" and not _runs(row):
            row.status = "pending"
    return list(found.values())


_STATUSES = {UnfinishedState.RUNNING: "running", UnfinishedState.HELD: "held"}


def _runs(row: TaskExecutionStatistics) -> bool:
    return any(child.status == "running" for child in row.children)


def _no_attempts(plan: Plan, task_id: str) -> TaskExecutionStatistics:
    number = plan.index[task_id]
    retry = plan.tasks[number].retry.max_retries
    return TaskExecutionStatistics(
        task_id, plan.levels[number], 0.0, 0.0, 0.0, "pending", None, retry
    )
