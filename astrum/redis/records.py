"""The stream entries that the stores return, as plain records."""

from __future__ import annotations

from typing import NamedTuple


def queued_ms(entry_id: str, until_s: float) -> int:
    """Return the ms from the dispatch of a stream entry until a time of the server's clock.

    >>> queued_ms("1500-0", 2.0)
    500
    """
    return max(round(until_s * 1000) - int(entry_id.partition("-")[0]), 0)


class Dispatched(NamedTuple):
    """The reply to a dispatch.

    ``states`` has one per attempt (see `RunStore.dispatch`). ``length`` counts all attempts in the
    stream, those with workers included. ``weight`` is that of all runs that have more for it
    (`astrum.protocol.streams.weight_of`).
    """

    states: list[str]
    length: int
    weight: int


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


class JournalEntry(NamedTuple):
    """One entry of a run's journal; ``data`` is an encoded array of records."""

    run_id: str
    entry_id: str
    data: bytes

    @property
    def recorded_at(self) -> float:
        """Seconds since the epoch at which the server recorded it."""
        return int(self.entry_id.partition("-")[0]) / 1000


class JournalPart(NamedTuple):
    """Some entries of a journal in their order; without ``goes_on`` there were no more then."""

    entries: list[JournalEntry]
    goes_on: bool
