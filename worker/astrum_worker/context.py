"""The store, settings and shared objects that nearly every part of a worker uses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from astrum.protocol.keys import LANE_SUFFIX
from astrum.protocol.sealing import Seal
from astrum.protocol.streams import Stream
from astrum.redis import WorkerStore
from astrum_worker.claim_gate import ClaimGate
from astrum_worker.config import WorkerConfig
from astrum_worker.counters import Counters
from astrum_worker.doubt import Doubt
from astrum_worker.exact_runs import ExactRuns
from astrum_worker.streams import is_exact, streams_of_lane, turns_of


@dataclass(frozen=True, slots=True)
class WorkerContext:
    """The worker's store, which knows the worker's id, and what its parts share.

    ``doubt`` is raised by the parts that may have lost a claim. ``offers`` are those that the
    streams of each namespace name. ``exact_runs`` says whether the streams of exact runs are read.
    """

    store: WorkerStore
    config: WorkerConfig
    gate: ClaimGate = field(default_factory=ClaimGate)
    counters: Counters = field(default_factory=Counters)
    seal: Seal = field(default_factory=Seal)
    doubt: Doubt = field(default_factory=Doubt)
    offers: Sequence[Sequence[str]] = (("",),)
    exact_runs: ExactRuns = field(default_factory=ExactRuns)

    def streams(self, lane: str, turn: int = 0) -> list[Stream]:
        """Return the streams of a lane that the worker may read, as `streams_of_lane`."""
        return streams_of_lane(lane, self.config.queues, self.offers, turn)

    @property
    def turns(self) -> int:
        """The number of turns after which the order of `streams` repeats."""
        return turns_of(self.offers)

    def all_streams(self) -> list[Stream]:
        """Return the streams of all lanes that the worker may read."""
        return [stream for lane in LANE_SUFFIX for stream in self.streams(lane)]

    def exact_streams(self) -> list[Stream]:
        """Return those of all streams that have attempts of exact runs."""
        return list(filter(is_exact, self.all_streams()))

    async def look_for_exact_runs(self) -> None:
        """Read the streams of exact runs from now on if one was used lately."""
        if not self.exact_runs.are_known:
            self.exact_runs.are_known = await self.store.are_used(self.exact_streams())

    @property
    def worker_id(self) -> str:
        """The id of this worker, unique for all time."""
        return self.store.worker_id
