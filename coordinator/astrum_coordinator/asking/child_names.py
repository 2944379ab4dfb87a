"""Reads a run for a request that names its tasks: children may be named by their keys."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from astrum.errors import TransportError
from astrum.execution.child_names import naming
from astrum.machine.task_table import TaskTable
from astrum.protocol.records import RunInfo
from astrum.protocol.sealing import Seal
from astrum.redis.run_store import RunStore
from astrum_coordinator.asking.run_follower import EVERY, RunFollower
from astrum_coordinator.fetching import fetched
from astrum_coordinator.stored_runs import StoredRuns


async def read_with_names(store: RunStore, seal: Seal, info: RunInfo) -> RunFollower:
    """Read the state of a run; results are read only if keys name children of it."""
    stored = await StoredRuns(store, seal).load(info)
    has_keys = any(axis.key is not None for spec in stored.plan.tasks for axis in spec.axes)
    run = RunFollower(
        info.run_id,
        stored.plan,
        seal,
        values=EVERY if has_keys else None,
        lengths=stored.lengths,
    )
    await run.catch_up(store)
    if has_keys:
        await name_children(store, info.run_id, run.state.tasks, run.results, stored.header.inputs)
    return run


async def name_children(
    store: RunStore,
    run_id: str,
    tasks: TaskTable,
    results: Mapping[int, bytes],
    inputs: Mapping[str, bytes],
) -> None:
    """Learn the keys of children; without them their names have their numbers."""
    with suppress(TransportError):
        await fetched(naming(tasks, results.get, inputs), run_id, store)
