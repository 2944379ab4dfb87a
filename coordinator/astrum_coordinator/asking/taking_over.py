"""Takes over the successes of an earlier run into a new one: what is valid still, and its seeds."""

from __future__ import annotations

import asyncio
import logging
from abc import abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from astrum.errors import (
    InjectionError,
    PlanNotFoundError,
    RunError,
    RunInputError,
    RunNotFoundError,
    TakeOverRefusedError,
    TaskNotFoundError,
    nearest,
)
from astrum.execution.input_lists import (
    input_lists,
    lengths_of_encoded,
    same_elements,
    whole_value,
)
from astrum.execution.input_values import value_fitted
from astrum.execution.invoke import Flow
from astrum.execution.run_inputs import Collected, checked_inputs, complete, named_values
from astrum.machine.events import Outcome
from astrum.machine.taking_over import TAKEN_OVER, OldRun, Seed, Wishes, take_over
from astrum.planning.axes import ListSource
from astrum.planning.child_names import possible_parents
from astrum.planning.plan import Plan
from astrum.planning.run_inputs import NO_INPUTS, GivenInputs
from astrum.protocol.messages import Record, encode_entry, encode_record
from astrum.protocol.records import RunInfo
from astrum.protocol.run_header import RunHeader, SeedPart, is_same_value
from astrum.protocol.sealing import Seal
from astrum.redis.patience import patiently
from astrum.redis.scripts import MAX_ITEMS
from astrum.values.codec import Codec
from astrum.values.payload import EncodedResult
from astrum.values.references import BlobRef, reference_of
from astrum_coordinator.asking.connected import Connected
from astrum_coordinator.asking.report_loader import ReportLoader
from astrum_coordinator.asking.run_follower import EVERY, RunFollower, read_run
from astrum_coordinator.asking.task_numbers import number_of
from astrum_coordinator.asking.waiting import found_run
from astrum_coordinator.leading.results import NIL

logger = logging.getLogger("astrum.coordinator")

_PATIENCE_S = 10.0
"""Seconds for which a submission waits for a server, for example at a restart."""
PART_BYTES = 128 * 1024
"""About the size of a journal entry with seeds."""
PART_COPIED_BYTES = 8 * 1024 * 1024
"""About how much one call copies at the server, unless one value is bigger."""


@dataclass(frozen=True, slots=True)
class TakeOver:
    """What a new run takes over from an earlier one.

    ``state`` is how the earlier run ended, or "open". ``reasons`` says for each task of the flow
    why it runs, "" if it is taken over. ``inputs`` are the inputs whose values are those of the
    earlier run, ``values`` are all inputs. ``seeds`` are the tasks and children that are taken
    over. A task of which some children run, and others do not, has a reason.
    """

    run_id: str
    state: str
    reasons: Mapping[str, str]
    inputs: tuple[str, ...] = ()
    values: Mapping[str, Any] = field(default_factory=dict, repr=False)
    seeds: tuple[Seed, ...] = field(default=(), repr=False)

    @property
    def tasks(self) -> list[str]:
        """The tasks that do not run, since the earlier run has their results."""
        return [task for task, reason in self.reasons.items() if reason == TAKEN_OVER]


def _tell_nobody(found: TakeOver) -> None:
    """Ignore what is taken over."""


class FromRun(NamedTuple):
    """The earlier run of which a new run takes over what is still valid.

    Tasks in ``trust`` are taken over in spite of other code. Those in ``again`` run in any case,
    and so does what needs them. Before the run is created, ``tell`` is called with what is taken
    over.
    """

    run_id: str
    trust: Collection[str] = ()
    again: Collection[str] = ()
    tell: Callable[[TakeOver], object] = _tell_nobody


class SeededInputs(NamedTuple):
    """The inputs of a new run: given, or taken from the earlier one, whose names are ``taken``."""

    values: Mapping[str, Any]
    taken: tuple[str, ...]


class Beginning(NamedTuple):
    """What a new run begins with: its encoded inputs, and the seeds from an earlier run."""

    inputs: Mapping[str, EncodedResult]
    old_run_id: str = ""
    seeds: Sequence[SeedPart] = ()


@dataclass(slots=True)
class _Part:
    """Seeds that are written in one call."""

    rows: list[bytes] = field(default_factory=list)
    tasks: list[int] = field(default_factory=list)
    digests: dict[str, None] = field(default_factory=dict)
    size: int = 0
    copied: int = 0

    @property
    def is_full(self) -> bool:
        return (
            len(self.rows) >= MAX_ITEMS
            or self.size >= PART_BYTES
            or self.copied >= PART_COPIED_BYTES
        )

    def add(self, row: bytes, task: int, reference: BlobRef | None) -> None:
        self.rows.append(row)
        self.tasks.append(task)
        self.size += len(row)
        if reference is not None and reference.digest not in self.digests:
            self.digests[reference.digest] = None
            self.copied += reference.size

    def seeds(self) -> SeedPart:
        return SeedPart(encode_entry(self.rows), tuple(self.tasks), tuple(self.digests))


class EarlierRun:
    """A run whose results are wanted for a new run of a flow."""

    def __init__(
        self, wish: FromRun, flow: Flow, info: RunInfo, header: RunHeader, follower: RunFollower
    ) -> None:
        self.run_id = info.run_id
        self._wish = wish
        self._flow = flow
        self._info = info
        self._header = header
        self._follower = follower
        self._old_lists: dict[str, bytes] = {}

    async def inputs(self, given: GivenInputs, reports: ReportLoader) -> SeededInputs:
        """Return the given inputs, with those of the earlier run that the flow still has."""
        values, codec = dict(named_values(given)), Codec(self._flow.types)
        taken, mistakes = [], []
        for name, data in self._header.inputs.items():
            if name in values or name not in self._flow.inputs:
                continue
            value = await reports.decoded(self.run_id, data, codec)
            try:
                values[name] = value_fitted(value, self._flow.inputs[name].type)
            except InjectionError as error:
                why = "its value does not fit" if self._flow.inputs[name].secret else error
                mistakes.append(
                    f"the input {name!r} of run {self.run_id}: {why}; give the input a new value"
                )
            taken.append(name)
        for one in input_lists(self._flow.plan):
            if one.source in self._header.inputs and one.source not in taken:
                data = self._header.inputs[one.source]
                self._old_lists[one.source] = await reports.whole(self.run_id, data)
        if mistakes:
            raise RunInputError(mistakes)
        return SeededInputs(values, tuple(taken))

    def decide(self, encoded: Mapping[str, EncodedResult], taken: Collection[str]) -> TakeOver:
        """Return what is taken over by a run with these inputs."""
        old = self._header.inputs
        changed = [
            name
            for name in self._flow.inputs
            if name not in taken
            and not (
                name in encoded and name in old and is_same_value(old[name], encoded[name].value)
            )
        ]
        state, plan = self._follower.state, self._flow.plan
        matches = self._matches(encoded, changed)
        earlier = OldRun(self.run_id, state, self._info.is_open, changed, matches)
        wishes = Wishes(self._wish.trust, self._wish.again)
        reasons, seeds = take_over(earlier, plan, wishes, lengths_of_encoded(plan, encoded))
        by_task = dict(zip(plan.index, reasons, strict=True))
        return TakeOver(self.run_id, self._info.state, by_task, tuple(taken), seeds=tuple(seeds))

    def _matches(
        self, encoded: Mapping[str, EncodedResult], changed: Collection[str]
    ) -> dict[ListSource, dict[int, int]]:
        """Return what the changed lists in inputs have in common with those of the earlier run."""
        plan, found = self._flow.plan, {}
        for one in input_lists(plan):
            old = self._old_lists.get(one.source)
            if one.source in changed and one.source in encoded and old is not None:
                same = same_elements(plan, one, old, whole_value(encoded[one.source]))
                if same is not None:
                    found[one] = same
        return found

    def seeds(self, run_id: str, found: TakeOver, seal: Seal) -> list[SeedPart]:
        """Return the seeds of a new run, upstream first, in parts of a bounded size."""
        parts: list[SeedPart] = []
        part = _Part()
        for row, task, reference in self._rows(run_id, found, seal):
            if part.is_full:
                parts.append(part.seeds())
                part = _Part()
            part.add(row, task, reference)
        return [*parts, part.seeds()] if part.tasks else parts

    def _rows(
        self, run_id: str, found: TakeOver, seal: Seal
    ) -> Iterator[tuple[bytes, int, BlobRef | None]]:
        """Yield for each seed its row, its task, and the reference to its value if it is big."""
        for task, old_task, seen in found.seeds:
            value = self._follower.results.get(old_task, NIL)
            record = Record(
                task, 0, Outcome.REUSED, value=value, seen=seen, reused_from=found.run_id
            )
            yield seal.seal_row(run_id, encode_record(record)), task, reference_of(value)


def _check_names(wish: FromRun, plan: Plan) -> None:
    for option, names in (("trust", wish.trust), ("again", wish.again)):
        if isinstance(names, str):
            raise RunError(f"{option} takes a list of tasks, got {names!r}: write [{names!r}]")
        for name in names:
            if name not in plan.index and not (option == "again" and _is_child(name, plan)):
                hint = nearest(name, plan.index)
                raise TaskNotFoundError(f"{option}: this flow has no task {name!r}{hint}")
    both = sorted({*wish.trust} & {*wish.again})
    if both:
        raise TakeOverRefusedError(
            f"task {both[0]!r} is both to be trusted and to run again: drop one of them"
        )


def _is_child(name: str, plan: Plan) -> bool:
    numbers = map(plan.index.get, possible_parents(name))
    return any(plan.tasks[one].axes for one in numbers if one is not None)


class TakingOver(Connected):
    """What a coordinator does to start runs from earlier ones."""

    @property
    @abstractmethod
    def _reports(self) -> ReportLoader:
        """The reader of results."""

    async def taken_over(
        self, flow: Flow, from_run: str | FromRun, *, inputs: GivenInputs = NO_INPUTS
    ) -> TakeOver:
        """Return what a new run of ``flow`` would take over from an earlier run; starts nothing.

        ``flow`` is planned with ``fingerprints=True``. An input that is missing, or wrong, counts
        as changed. Raises as `submit_flow` with ``from_run``.
        """
        earlier = await self._earlier(flow, from_run, values=None)
        seeded = await earlier.inputs(inputs, self._reports)
        known = {name: value for name, value in seeded.values.items() if name in flow.inputs}
        encoded = complete(flow, Collected(known, [])).encoded()
        found = await asyncio.to_thread(earlier.decide, encoded, seeded.taken)
        return replace(found, values=seeded.values)

    async def _beginning(
        self, flow: Flow, run_id: str, inputs: GivenInputs, from_run: str | FromRun | None
    ) -> Beginning:
        """Return what a new run begins with; raises `RunInputError` with all mistakes."""
        if from_run is None:
            return Beginning(checked_inputs(flow, inputs).encoded())
        wish = FromRun(from_run) if isinstance(from_run, str) else from_run
        earlier = await patiently(
            lambda: self._earlier(flow, wish),
            patience_s=_PATIENCE_S,
            what=f"run {wish.run_id} is to be read",
            log=logger,
        )
        seeded = await earlier.inputs(inputs, self._reports)
        encoded = checked_inputs(flow, seeded.values).encoded()
        found = await asyncio.to_thread(earlier.decide, encoded, seeded.taken)
        wish.tell(found)
        seeds = await asyncio.to_thread(earlier.seeds, run_id, found, self._context.seal)
        return Beginning(encoded, earlier.run_id, seeds)

    async def _earlier(
        self, flow: Flow, from_run: str | FromRun, *, values: int | None = EVERY
    ) -> EarlierRun:
        """Return the run to take over from, read as far as it goes; with its results or not."""
        wish = FromRun(from_run) if isinstance(from_run, str) else from_run
        _check_names(wish, flow.plan)
        store, seal = self._context.store, self._context.seal
        try:
            info = await found_run(store, wish.run_id)
            stored = await self._stored.load(info)
        except PlanNotFoundError:
            raise TakeOverRefusedError(
                f"the plan of run {wish.run_id} has expired, so nothing of it can be taken over: "
                "start a run without it"
            ) from None
        except RunNotFoundError as error:
            text = f"there is nothing to take over: {error}; `runs` lists those that there are"
            raise TakeOverRefusedError(text) from None
        if stored.plan.namespace != flow.plan.namespace:
            raise TakeOverRefusedError(
                f"run {info.run_id} is of flow {stored.plan.namespace!r} and this is "
                f"{flow.plan.namespace!r}: take over from a run of the same flow"
            )
        follower = await read_run(store, seal, info.run_id, stored, values=values)
        for name in wish.again:
            if name not in flow.plan.index:
                number_of(follower.state, name, info.run_id)
        return EarlierRun(wish, flow, info, stored.header, follower)
