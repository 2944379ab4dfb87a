"""Reads a run so that its children are known by the names that people give them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress

from astrum.errors import TransportError
from astrum.execution.child_names import naming
from astrum.planning.plan import Plan
from astrum.protocol.sealing import Seal
from astrum.redis.run_store import RunStore
from astrum_coordinator.asking.run_follower import EVERY, RunFollower
from astrum_coordinator.fetching import fetched
from astrum_coordinator.leading.leader import RunLeader
from astrum_coordinator.stored_runs import StoredRun


async def read_with_names(
    store: RunStore, seal: Seal, run_id: str, stored: StoredRun, names: Iterable[str]
) -> RunFollower:
    """Return a run as far as it is, in which tasks can be found by these names."""
    plan = stored.plan
    is_keyed = has_keys(plan) and any("[" in name for name in names)
    values = EVERY if is_keyed else None  # the keys are parts of results
    run = RunFollower(run_id, plan, seal, values=values, lengths=stored.lengths)
    await run.catch_up(store)
    if is_keyed:
        await name_children(store, run_id, run, stored.header.inputs)
    return run


async def name_children(
    store: RunStore, run_id: str, known: RunFollower | RunLeader, inputs: Mapping[str, bytes]
) -> None:
    """Learn the keys of children from results; without them their names have their numbers."""
    tasks = known.state.tasks
    if tasks.roots:
        values = dict(known.results.items())
        with suppress(TransportError):
            await fetched(naming(tasks, values.get, inputs), run_id, store)


def has_keys(plan: Plan) -> bool:
    """Return whether any children of the plan are named by keys."""
    return any(axis.key is not None for spec in plan.tasks for axis in spec.axes)
