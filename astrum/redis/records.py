"""The plain records that the stores return; no behaviour."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from astrum.errors import StoreError


def damaged(run_id: str, why: object) -> StoreError:
    """Return the error of a run's record that Astrum cannot have written."""
    return StoreError(f"the record of run {run_id!r} is damaged: {why}")


EntryKey = tuple[str, str]
"""Stream and entry id."""


class Claim(NamedTuple):
    """A dispatched attempt that this worker now holds; ``signature`` is ``b""`` if unsigned."""

    stream: str
    entry_id: str
    data: bytes
    signature: bytes = b""

    @property
    def key(self) -> EntryKey:
        """The stream and the entry's id, which no other claim has."""
        return self.stream, self.entry_id


class DeadClaim(NamedTuple):
    """A dispatched attempt that a dead worker still holds.

    ``claimed_at`` is the time of the claim, in seconds since the epoch on the server's clock.
    """

    stream: str
    worker_id: str
    entry_id: str
    data: bytes
    signature: bytes = b""
    claimed_at: float = 0.0


class Holder(NamedTuple):
    """The worker that holds a dispatched attempt, and since when (as `DeadClaim.claimed_at`)."""

    worker_id: str
    claimed_at: float


class JournalEntry(NamedTuple):
    """One entry of a run's journal; ``data`` is an encoded array of records."""

    run_id: str
    entry_id: str
    data: bytes

    @property
    def recorded_at(self) -> float:
        """Seconds since the epoch at which the server recorded it."""
        return int(self.entry_id.partition("-")[0]) / 1000


class Outstanding(NamedTuple):
    """A dispatched, unsettled attempt of a task and the stream entry that carries it."""

    attempt: int
    entry_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunInfo:
    """The record of a run.

    ``state`` is "open" until `RunStore.finish` sets it. ``lease_s`` is the rest of the leader's
    lease (0: the run has no leader). Times are seconds since the epoch on the server's clock.
    ``details`` are the strings given at creation and at the finish.
    """

    run_id: str
    state: str
    epoch: int
    owner: str
    lease_s: float
    created_at: float
    ended_at: float | None
    outstanding: int
    details: Mapping[str, str]

    @property
    def is_open(self) -> bool:
        """Whether the run has not ended."""
        return self.state == "open"

    def duration(self, name: str) -> float | None:
        """Return a detail as seconds, ``None`` if it is missing.

        Raises `StoreError` if it is not a number of seconds.
        """
        text = self.details.get(name)
        if not text:
            return None
        try:
            seconds = float(text)
        except ValueError:
            seconds = math.nan
        if not 0 <= seconds < math.inf:
            raise damaged(self.run_id, f"{name} is {text!r}")
        return seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerInfo:
    """A live worker: its registration, the rest of its lease, its last reported status."""

    worker_id: str
    lease_s: float
    details: Mapping[str, str]
    status: bytes
