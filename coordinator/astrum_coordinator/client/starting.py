"""Starts runs of published flows: checks their inputs, and creates them in one call each."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from astrum.errors import PlanNotFoundError, RunError
from astrum.execution.planned_inputs import checked_against_plan
from astrum.planning.plan import Plan
from astrum.planning.run_inputs import GivenInputs
from astrum.protocol.published_flows import PublishedFlow
from astrum.protocol.run_header import NewRun, RunHeader
from astrum.redis.scripts import Creation
from astrum_coordinator.client.client_parts import ClientParts
from astrum_coordinator.publishing import not_published, read_flow
from astrum_coordinator.start_time import StartTime, start_time
from astrum_coordinator.stored_runs import new_run
from astrum_coordinator.submission import RunOptions, option_details, plan_details

logger = logging.getLogger("astrum.client")

NO_LABELS: Mapping[str, str] = MappingProxyType({})
_ATTEMPTS = 10


@dataclass(frozen=True, slots=True)
class StartOptions(RunOptions):
    """How a run is started, as the arguments of `Client.start`."""

    at: StartTime | None = None


class LoadedFlow(NamedTuple):
    """A published flow as this process has read it, with what each of its runs is created with."""

    record: bytes
    flow: PublishedFlow
    plan: Plan
    details: Mapping[str, str]


class Wish(NamedTuple):
    """A run that is to be started."""

    run_id: str
    inputs: GivenInputs


class Starting:
    """Starts runs; the flows are read once, and again when they are published again."""

    def __init__(self, parts: ClientParts) -> None:
        self._parts = parts
        self._flows: dict[str, LoadedFlow] = {}

    async def start(self, name: str, wishes: Sequence[Wish], options: StartOptions) -> Plan:
        """Create these runs; return the plan of the flow.

        Those that exist already with the same inputs are the same runs. Raises
        `FlowNotFoundError` and `RunInputError` before any is created. After a
        `RunConflictError`, for the id of a run with other inputs, the others are created.
        """
        start_at = await start_time(self._parts.store, options.at)
        for _ in range(_ATTEMPTS):
            loaded = self._flows.get(name) or await self._load(name)
            plain = [_new_run(self._parts, loaded, wish, options) for wish in wishes]
            runs = [run._replace(start_at=start_at) for run in plain]
            replies = await self._parts.store.create_runs(runs)
            if not {Creation.FLOW_CHANGED, Creation.PLAN_UNKNOWN} & set(replies):
                await self._raise_conflict(runs, replies)
                return loaded.plan
            self._flows.pop(name, None)
        raise RunError(f"flow {name!r} is published again and again just now: try it later")

    async def _load(self, name: str) -> LoadedFlow:
        record = await self._parts.store.flow_record(name)
        if not record:
            raise await not_published(self._parts.store, name)
        flow = read_flow(self._parts.seal, name, record)
        try:
            plan = await self._parts.stored.plan(flow.plan_digest)
            await self._parts.store.load_plan(flow.plan_digest)
        except PlanNotFoundError:
            raise PlanNotFoundError(
                f"the plan of flow {name!r} is gone from the server, which may have lost data: "
                "publish the flow again"
            ) from None
        details = plan_details(plan, flow.modules)
        loaded = self._flows[name] = LoadedFlow(record, flow, plan, details)
        return loaded

    async def _raise_conflict(self, runs: Sequence[NewRun], replies: Sequence[Creation]) -> None:
        for run, reply in zip(runs, replies, strict=True):
            if reply is Creation.CONFLICT:
                raise await self._parts.stored.conflict(run)


def _new_run(parts: ClientParts, loaded: LoadedFlow, wish: Wish, options: StartOptions) -> NewRun:
    plan, flow = loaded.plan, loaded.flow
    details = dict(loaded.details) | option_details(plan, options)
    run = new_run(
        wish.run_id,
        RunHeader(flow.name, flow.plan_digest, priority=options.priority),
        parts.seal,
        details,
        inputs=checked_against_plan(plan, wish.inputs),
    )
    return run._replace(published=(flow.name, loaded.record))
