"""The names that a pool knows: queues, namespaces and tasks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress

from astrum.errors import DecodeError, NotInPoolError, RunError, nearest
from astrum.planning.plan import Plan
from astrum.protocol.pauses import PauseKind, PauseTarget
from astrum.protocol.status import decode_served
from astrum_coordinator.asking.snapshots import queue_states_of
from astrum_coordinator.context import CoordinatorContext
from astrum_coordinator.stored_runs import StoredRuns

_RUNS = 200
_PLANS = 20
"""The most plans that are read to find a name: of the latest open runs."""


async def check_known(
    context: CoordinatorContext, stored: StoredRuns, targets: Sequence[PauseTarget]
) -> None:
    """Raise `NotInPoolError` for a target that no live worker and no open run has."""
    known = set(await _of_workers(context))
    if not known.issuperset(targets):
        known.update(await _of_runs(context, stored))
    for target in targets:
        if target not in known:
            raise NotInPoolError(_unknown(target, known))


def _unknown(target: PauseTarget, known: Iterable[PauseTarget]) -> str:
    hint = nearest(target.name, [one.name for one in known if one.kind is target.kind])
    return (
        f"no live worker and no open run has the {target}{hint} (--anyway, or anyway=True, pauses "
        "it all the same)"
    )


async def _of_workers(context: CoordinatorContext) -> set[PauseTarget]:
    """Return what live workers serve and listen to, and the queues in use."""
    ids = [worker.worker_id for worker in await context.store.workers()]
    queues = [one.queue for one in await queue_states_of(context.store)]
    found = {PauseTarget(PauseKind.QUEUE, queue) for queue in queues}
    for data in (await context.store.served_by(ids)).values():
        with suppress(DecodeError):  # its coordinator warns
            for namespace, task_id in decode_served(data):
                found |= _with_namespace(namespace, task_id)
    return found


async def _of_runs(context: CoordinatorContext, stored: StoredRuns) -> set[PauseTarget]:
    """Return what the latest open runs consist of."""
    runs = [info for info in await context.store.list_runs(_RUNS) if info.is_open]
    found = {PauseTarget(PauseKind.NAMESPACE, info.details.get("namespace", "")) for info in runs}
    for info in runs[:_PLANS]:
        with suppress(RunError, DecodeError):  # it has just expired, or is not readable here
            found |= _of_plan((await stored.load(info)).plan)
    return found


def _of_plan(plan: Plan) -> set[PauseTarget]:
    found = {PauseTarget(PauseKind.QUEUE, spec.queue) for spec in plan.tasks}
    for spec in plan.tasks:
        found |= _with_namespace(plan.namespace, spec.task_id)
    return found


def _with_namespace(namespace: str, task_id: str) -> set[PauseTarget]:
    return {
        PauseTarget(PauseKind.NAMESPACE, namespace),
        PauseTarget.of_task(namespace, task_id),
    }
