"""The store, settings and shared objects that nearly every part of a coordinator uses."""

from __future__ import annotations

from dataclasses import dataclass, field

from astrum.protocol.sealing import Seal
from astrum.redis.run_store import RunStore
from astrum_coordinator.config import CoordinatorConfig
from astrum_coordinator.counters import CoordinatorCounters


@dataclass(frozen=True, slots=True)
class CoordinatorContext:
    """The store, the settings, the keys to sign with, and the id of this coordinator.

    ``owner`` is unique to the process: leases of runs are granted to it. ``counters`` are those of
    all its work.
    """

    store: RunStore
    owner: str
    config: CoordinatorConfig = field(default_factory=CoordinatorConfig)
    seal: Seal = field(default_factory=Seal)
    counters: CoordinatorCounters = field(default_factory=CoordinatorCounters)
