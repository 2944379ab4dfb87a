"""The store, settings and shared objects that nearly every part of a worker uses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from astrum.protocol.keys import LANE_SUFFIX
from astrum.protocol.sealing import Seal
from astrum.protocol.streams import Stream
from astrum.redis import WorkerStore
from astrum_worker.attempt_metrics import AttemptMetrics
from astrum_worker.claim_gate import ClaimGate
from astrum_worker.config import WorkerConfig
from astrum_worker.counters import Counters
from astrum_worker.doubt import Doubt
from astrum_worker.rare_streams import RareStreams
from astrum_worker.streams import streams_of_lane, turns_of

EXCLUSIVE = "exclusive"


@dataclass(frozen=True, slots=True)
class WorkerContext:
    """The worker's store, which knows the worker's id, and what its parts share.

    ``doubt`` is raised by the parts that may have lost a claim. ``offers`` are those that the
    streams of each namespace name. ``rare_streams`` are those of urgent attempts and of exact runs
    that are read. Without ``metrics`` none are kept.
    """

    store: WorkerStore
    config: WorkerConfig
    gate: ClaimGate = field(default_factory=ClaimGate)
    counters: Counters = field(default_factory=Counters)
    seal: Seal = field(default_factory=Seal)
    doubt: Doubt = field(default_factory=Doubt)
    offers: Sequence[Sequence[str]] = (("",),)
    rare_streams: RareStreams = field(default_factory=RareStreams)
    metrics: AttemptMetrics | None = None

    def streams(self, lane: str, turn: int = 0, *, ordinary_first: bool = False) -> list[Stream]:
        """Return the streams of a lane that the worker reads now: first those of urgent attempts.

        The rest of the order is that of `streams_of_lane`.
        """
        known = self.rare_streams.known
        return [
            stream
            for urgent in ((False, True) if ordinary_first else (True, False))
            for stream in self._of_lane(lane, turn, urgent=urgent)
            if stream in known or not stream.is_rare
        ]

    def exclusive_streams(self, turn: int = 0) -> list[Stream]:
        """Return the streams of the exclusive lane: they have no order by priority."""
        return self._of_lane(EXCLUSIVE, turn)

    @property
    def turns(self) -> int:
        """The number of turns after which the order of `streams` repeats."""
        return turns_of(self.offers)

    def all_streams(self) -> list[Stream]:
        """Return the streams of all lanes that the worker reads."""
        lanes = (lane for lane in LANE_SUFFIX if lane != EXCLUSIVE)
        return [
            stream for lane in lanes for stream in self.streams(lane)
        ] + self.exclusive_streams()

    def unknown_streams(self) -> list[Stream]:
        """Return the streams that the worker would read if they were in use."""
        known = self.rare_streams.known
        return [
            stream
            for lane in LANE_SUFFIX
            for urgent in (False, True)
            for stream in self._of_lane(lane, urgent=urgent)
            if stream.is_rare and stream not in known and not (urgent and lane == EXCLUSIVE)
        ]

    async def look_for_rare_streams(self) -> None:
        """Read from now on what other streams are in use."""
        await self.read_rare(await self.store.used_among(self.unknown_streams()))

    async def read_rare(self, streams: Sequence[Stream]) -> None:
        """Read these streams from now on."""
        if self.rare_streams.add(streams):
            await self.store.unblock()  # the reads under way do not include them

    def _of_lane(self, lane: str, turn: int = 0, *, urgent: bool = False) -> list[Stream]:
        return streams_of_lane(lane, self.config.queues, self.offers, turn, urgent=urgent)

    @property
    def worker_id(self) -> str:
        """The id of this worker, unique for all time."""
        return self.store.worker_id
