"""Reports of runs, from a leader's memory or from the store alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from astrum.errors import DecodeError
from astrum.execution.readings import by_task
from astrum.machine.observer import RunObserver
from astrum.machine.report import ExecutionReport
from astrum.machine.report_builder import RunTimes, build_report
from astrum.machine.task_state import SUCCEEDED
from astrum.planning.plan import Plan
from astrum.planning.run_inputs import HIDDEN
from astrum.protocol.records import RunInfo
from astrum.protocol.run_header import RunHeader
from astrum.protocol.sealing import Seal
from astrum.redis.run_store import RunStore
from astrum.runtime.collector import collector_paused
from astrum.values.codec import Codec
from astrum.values.projection import project
from astrum.values.references import reference_of
from astrum_coordinator.asking.result_types import types_declared_here
from astrum_coordinator.asking.run_follower import EVERY, RunFollower, read_run
from astrum_coordinator.asking.task_numbers import number_of
from astrum_coordinator.asking.waiting import found_run
from astrum_coordinator.fetching import learn_names
from astrum_coordinator.leading.leader import RunLeader
from astrum_coordinator.stored_runs import StoredRun, StoredRuns, read_header


class ReportLoader:
    """Builds the reports of runs that are in the store."""

    def __init__(self, store: RunStore, stored: StoredRuns, seal: Seal) -> None:
        self.store = store
        self._stored = stored
        self.seal = seal

    async def report(
        self,
        run_id: str,
        types: Iterable[type] | None = None,
        *,
        known: RunFollower | RunLeader | None = None,
        results: bool | str = True,
    ) -> ExecutionReport:
        """Return the report of a finished run, or of an open run so far.

        ``types`` are named types that results may have, besides those of the run's tasks that
        this process declares; values of others are `Opaque`. ``known`` has read the whole journal
        already. Without ``results`` none is fetched or decoded; a task's id
        stands for its result alone. Raises `RunNotFoundError`.
        """
        info = await found_run(self.store, run_id)
        known = known or await self.read(run_id, values=EVERY if results else None)
        state = known.state
        if not info.is_open:
            state.conclude()
        header = self.header(info)
        values, inputs = {}, header.inputs
        if inputs or results is not False:
            declared = types_declared_here(state.plan)
            codec = Codec.opaque(dict.fromkeys([*(types or ()), *declared]))
        if isinstance(known, RunLeader):  # others know all names
            await learn_names(known.results.names, run_id, self.store)
        if results is not False:
            values = await self._decoded_all(run_id, known, codec, results)
        shown = await self.shown_inputs(run_id, state.plan, inputs, codec) if inputs else {}
        times, ended_as = await self.times(info), None if info.is_open else info.state
        with collector_paused():
            is_led = not info.is_open or info.lease_s > 0
            return build_report(
                state,
                times,
                values,
                run_id=run_id,
                inputs=shown,
                priority=header.priority,
                ended_as=ended_as,
                is_led=is_led,
            )

    async def shown_inputs(
        self, run_id: str, plan: Plan, inputs: Mapping[str, bytes], codec: Codec
    ) -> dict[str, Any]:
        """Return the inputs of a run for people: secret ones are hidden."""
        secrets = {spec.name for spec in plan.inputs if spec.secret}
        return {
            name: HIDDEN if name in secrets else await self.decoded(run_id, data, codec)
            for name, data in inputs.items()
        }

    async def read(
        self, run_id: str, *, values: int | None = EVERY, task_id: str | None = None
    ) -> RunFollower:
        """Read the state of a run from its journal.

        ``values`` as in `RunFollower`; with ``task_id`` those of that task alone. Raises
        `TaskNotFoundError` for a task that the run does not have.
        """
        follower = await self.follower(run_id, values=values, task_id=task_id)
        await follower.catch_up(self.store)
        return follower

    async def stored(self, info: RunInfo) -> StoredRun:
        """Return the plan and the header of a run; raises as `StoredRuns.load`."""
        return await self._stored.load(info)

    def header(self, info: RunInfo) -> RunHeader:
        """Return what a run was created with; raises `DecodeError`."""
        return read_header(info, self.seal)

    async def follower(
        self,
        run_id: str,
        *,
        observer: RunObserver | None = None,
        values: int | None = None,
        task_id: str | None = None,
    ) -> RunFollower:
        """Return a follower of a run that has read nothing yet; arguments as in `read`."""
        stored = await self._stored.load(await found_run(self.store, run_id))
        if task_id is not None:
            values = await self._values_of(stored, run_id, task_id)
        return RunFollower(run_id, stored, self.seal, observer=observer, values=values)

    async def _values_of(self, stored: StoredRun, run_id: str, task_id: str) -> int:
        """Return whose results are read for that of one task, or of one child."""
        number = stored.plan.index.get(task_id)
        if number is not None:
            return EVERY if stored.plan.tasks[number].axes else number
        look = await read_run(self.store, self.seal, run_id, stored)
        return number_of(look.state, task_id, run_id)

    async def _decoded_all(
        self, run_id: str, known: RunFollower | RunLeader, codec: Codec, wanted: bool | str
    ) -> dict[str, Any]:
        state = known.state
        results: dict[int, Any] = {}
        for task, data in sorted(known.results.items()):
            if wanted not in (True, state.tasks.name(task), state.tasks.spec(task).task_id):
                continue
            if state.states[task] == SUCCEEDED:
                # A leader also keeps what fell away when the run was reopened.
                results[task] = await self.decoded(run_id, data, codec)
        found = by_task(state, results)
        if isinstance(wanted, str):  # of the other tasks without results nothing is known here
            child = {state.tasks.name(task): value for task, value in results.items()}
            return {wanted: found[wanted] if wanted in found else child[wanted]} if results else {}
        return found

    async def decoded(self, run_id: str, data: bytes, codec: Codec) -> Any:
        """Return a result of a run, fetched first if its record has only a reference to it."""
        return self._decoded(await self.whole(run_id, data), codec)

    async def whole(self, run_id: str, data: bytes) -> bytes:
        """Return an encoded value of a run, fetched first if it is a reference."""
        reference = reference_of(data)
        if reference is None:
            return data
        whole = await self.store.get_blob(run_id, reference.digest)
        return project(whole, reference.path)

    def _decoded(self, data: bytes, codec: Codec) -> Any:
        try:
            return codec.decode(data)
        except DecodeError:
            return Codec.opaque().decode(data)

    async def times(self, info: RunInfo) -> RunTimes:
        """Return the times of a run, until now if it is open, on the clock of the server."""
        is_over = info.ended_at is not None
        return info.times(0.0 if is_over else await self.store.server_time())
