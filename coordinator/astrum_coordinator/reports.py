"""Reports of runs, from a leader's memory or from the store alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from astrum.errors import DecodeError, RunNotFoundError
from astrum.machine.fold import RunTimes, build_report
from astrum.machine.report import ExecutionReport, ExecutionState
from astrum.redis.facts import RunFacts
from astrum.redis.run_store import RunStore
from astrum.wire.codec import Codec
from astrum.wire.compression import inflate
from astrum.wire.projection import project
from astrum.wire.references import reference_of
from astrum.wire.sealing import Seal
from astrum_coordinator.history import RunHistory
from astrum_coordinator.led_runs import decode_plan

PLANNED_S_FACT = "planning_s"


class Reporter:
    """Builds the reports of runs that are in the store."""

    def __init__(self, store: RunStore, seal: Seal) -> None:
        self._store = store
        self._seal = seal

    async def report(self, run_id: str, types: Iterable[type] | None = None) -> ExecutionReport:
        """Return the report of a finished run, or of how far it is.

        ``types`` are the named types that results may have; without them such values are shown
        by field. Raises `RunNotFoundError`.
        """
        facts = await self._store.run_facts(run_id)
        if facts is None:
            raise RunNotFoundError(f"no run has the id {run_id!r}, or its record has expired")
        plan = decode_plan(await self._store.load_plan(run_id), run_id, self._seal)
        history = RunHistory(run_id, plan, self._seal)
        await history.catch_up(self._store)
        state = history.state
        if not facts.is_open:
            state.finished = facts.state
        codec = Codec.opaque() if types is None else Codec(types)
        results = {
            plan.tasks[task].task_id: await self._decoded(run_id, data, codec)
            for task, data in sorted(history.values.items())
        }
        report = build_report(state, await self._times(facts), results, run_id=run_id)
        if not facts.is_open:
            report.execution_state = ExecutionState(facts.state)
        return report

    async def _decoded(self, run_id: str, data: bytes, codec: Codec) -> Any:
        reference = reference_of(data)
        if reference is not None:
            whole = await self._store.get_blob(run_id, reference.digest)
            data = project(inflate(whole), reference.path)
        try:
            return codec.decode(data)
        except DecodeError:
            return Codec.opaque().decode(data)

    async def _times(self, facts: RunFacts) -> RunTimes:
        started_at = facts.created_at - float(facts.facts.get(PLANNED_S_FACT) or 0.0)
        ended_at = facts.ended_at
        if ended_at is None:
            ended_at = await self._store.server_time()
        return RunTimes(started_at, facts.created_at, ended_at)
