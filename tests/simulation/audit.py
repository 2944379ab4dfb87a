"""The checks of a simulated installation that has come to rest."""

from __future__ import annotations

from collections import Counter
from typing import Any

from astrum.machine.events import CancelRequested, Outcome, RunTimedOut
from astrum.machine.report import ExecutionReport
from astrum.planning.plan import Plan
from astrum.protocol.messages import Record, decode_entry
from astrum_worker.app import Worker
from tests.contract.model import Run
from tests.simulation.growing_audit import audit_growing
from tests.simulation.loop import OUTSIDE
from tests.simulation.standing import Standing
from tests.simulation.world import Violation, World


def audit(world: World) -> None:
    """Raise `Violation` unless every promise was kept."""
    for process, failure in world.loop.failures:
        if process is OUTSIDE:
            raise RuntimeError(f"the simulation itself is at fault: {failure}")
    if world.errors:
        raise Violation(f"an error of our own: {world.errors[0]}")
    for process, failure in world.loop.failures:
        if not process.is_dead and "exception" in failure:
            raise Violation(f"{process}: {failure}")
    for run_id in world.flows:
        run = world.network.model.state.runs.get(run_id)
        if run is not None:
            (audit_growing if world.is_growing else _audit_run)(world, run_id, run)
        elif world.reported_at[run_id] > world.rolled_back_at:
            raise Violation(f"{run_id} is gone")
    _audit_streams(world)
    world.counts["runs"] += len(world.flows)
    world.counts["run twice by one worker"] += sum(n > 1 for n in world.book.runs.values())
    world.counts["run by several workers"] += sum(
        n > 1 for n in Counter(attempt for attempt, _ in world.book.runs).values()
    )
    for worker in world.workers.values():
        _audit_worker(worker)


def _audit_run(world: World, run_id: str, run: Run) -> None:
    items = [item for entry in run.journal.values() for item in decode_entry(entry)]
    records = [item for item in items if isinstance(item, Record)]
    _audit_attempts(run_id, records)
    plan = world.flows[run_id].plan
    standing = Standing(run_id, plan)
    for item in items:
        standing.take_in(item)
    _audit_lineage(run_id, standing.values)
    _audit_end(run_id, plan, run, standing)
    _audit_report(run_id, world.last_reports[run_id], run, records, standing.values)
    is_final = run_id not in world.retries.reopened
    # Otherwise the server lost the writes, or the report was made before the run went on.
    if is_final and world.reported_at[run_id] > world.rolled_back_at:
        _audit_report(run_id, world.reports[run_id], run, records, standing.values)


def _audit_attempts(run_id: str, records: list[Record]) -> None:
    last: Counter[int] = Counter()
    for record in records:
        if record.attempt != last[record.task] + 1:
            raise Violation(
                f"{run_id}: attempt {record.attempt} of task {record.task} follows "
                f"{last[record.task]}"
            )
        last[record.task] = record.attempt


def _audit_lineage(run_id: str, values: dict[str, Any]) -> None:
    for name, (_, consumed) in values.items():
        for source, serial in consumed:
            if values.get(source, [None])[0] != serial:
                raise Violation(f"{run_id}: {name} consumed a value of {source} that fell away")


def _audit_end(run_id: str, plan: Plan, run: Run, standing: Standing) -> None:
    if run.outstanding:
        raise Violation(f"{run_id} ended as {run.state} with attempts outstanding: {run.attempts}")
    reasons = {
        "completed": len(standing.values) == len(plan.tasks),
        "cancelled": any(isinstance(item, CancelRequested) for item in standing.orders),
        "failed": standing.has_spent_a_budget
        or any(isinstance(item, RunTimedOut) for item in standing.orders),
    }
    if not reasons.get(run.state):
        raise Violation(f"{run_id} has no reason to be {run.state}")


def _audit_report(
    run_id: str,
    report: ExecutionReport,
    run: Run,
    records: list[Record],
    values: dict[str, Any],
) -> None:
    told = (report.execution_state, report.task_return_set, report.successful_tasks)
    if told != (run.state, values, len(values)):
        raise Violation(f"{run_id}: the report tells {told}, the journal {run.state}, {values}")
    began = (record for record in records if record.outcome is not Outcome.NEVER_BEGAN)
    counts = Counter(f"t{record.task}" for record in began)
    for stat in report.task_statistics:
        if stat.attempt_count != counts[stat.task_name]:
            raise Violation(
                f"{run_id}: {stat.task_name} had {counts[stat.task_name]} attempts, the report "
                f"has {stat.attempt_count}"
            )
        if stat.status == "completed" and stat.task_name not in values:
            raise Violation(f"{run_id}: {stat.task_name} is reported to have succeeded")


def _audit_streams(world: World) -> None:
    for name, stream in world.network.model.state.streams.items():
        if stream.entries or any(stream.pending.values()):
            raise Violation(f"{name} still holds {list(stream.entries)}, {stream.pending}")


def _audit_worker(worker: Worker) -> None:
    held = [(h.run_id, h.task, h.attempt) for h in worker.parts.attempts.held()]
    taken = {lane: slots.claimed for lane, slots in worker.parts.slots.items() if slots.claimed}
    if held or taken or worker.parts.settler.unsettled:
        raise Violation(f"{worker.worker_id} has not let go of {held}, {taken}")
