"""The store, settings and shared objects that nearly every part of a worker uses."""

from __future__ import annotations

from dataclasses import dataclass, field

from astrum.protocol.sealing import Seal
from astrum.protocol.streams import Stream
from astrum.redis import WorkerStore
from astrum_worker.claim_gate import ClaimGate
from astrum_worker.config import WorkerConfig
from astrum_worker.counters import Counters
from astrum_worker.doubt import Doubt
from astrum_worker.streams import streams_of_lane


@dataclass(frozen=True, slots=True)
class WorkerContext:
    """The worker's store, which knows the worker's id, and what its parts share.

    ``doubt`` is raised by the parts that may have lost a claim.
    """

    store: WorkerStore
    config: WorkerConfig
    gate: ClaimGate = field(default_factory=ClaimGate)
    counters: Counters = field(default_factory=Counters)
    seal: Seal = field(default_factory=Seal)
    doubt: Doubt = field(default_factory=Doubt)

    def streams(self, *lanes: str) -> list[Stream]:
        """Return the streams of these lanes that the worker reads."""
        queues = self.config.queues
        return [stream for lane in lanes for stream in streams_of_lane(lane, queues)]

    @property
    def worker_id(self) -> str:
        """The id of this worker, unique for all time."""
        return self.store.worker_id
