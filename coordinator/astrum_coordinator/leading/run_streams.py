"""The streams of one run: their numbers in its state machine, and how many attempts each may hold.

The paces of streams are known to the whole coordinator; the shares in them are the run's own.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from astrum.machine.events import CapacityChanged, Event, RoutesChanged
from astrum.machine.state import RunState
from astrum.protocol.pauses import Pauses
from astrum.protocol.streams import Stream
from astrum_coordinator.scheduling.pace import StreamPace, capacity
from astrum_coordinator.scheduling.paces import Paces
from astrum_coordinator.scheduling.routes import EXCLUSIVE, Router
from astrum_coordinator.scheduling.run_pool import RunPool

CALCULATE_EVERY_S = 0.02
"""A run that holds nothing back calculates its capacities at most so often."""
LOOK_EVERY_S = 0.5
"""A run that holds ready tasks back asks so often whether there is room for them now."""


@dataclass(slots=True)
class _KnownStream:
    """What a run knows of one of its streams; ``length`` and ``others`` are the server's last."""

    stream: Stream
    pace: StreamPace
    length: int = 0
    others: int = 0
    told_at: float = 0.0
    calculated_at: float = 0.0
    ended: int = 0
    capacity: int = -1


class RunStreams:
    """Numbers the streams of a run, and derives capacities from what the server says about them.

    ``limit`` bounds the run's attempts in each stream, if it is given. The methods that return
    events change nothing in ``state``: it takes them in next.
    """

    def __init__(self, state: RunState, router: Router, paces: Paces, limit: int | None) -> None:
        self._state = state
        self._router = router
        self._paces = paces
        self._limit = limit
        self._numbers: dict[Stream, int] = {}
        self._known: list[_KnownStream] = []
        self._signature: object = None

    def number(self, stream: Stream) -> int:
        """Return the number of a stream, which stays the same."""
        number = self._numbers.get(stream)
        if number is None:
            number = self._numbers[stream] = len(self._known)
            pace, ended = self._paces.of(stream), self._state.ended_in(number)
            self._known.append(_KnownStream(stream, pace, ended=ended))
        return number

    def __getitem__(self, number: int) -> Stream:
        return self._known[number].stream

    @property
    def capacity(self) -> int:
        """How many attempts the run may have out now, besides exclusive ones."""
        ordinary = (known for known in self._known if known.stream.lane != EXCLUSIVE)
        return sum(max(known.capacity, 0) for known in ordinary)

    # --- what changes with the pool -----------------------------------------------------------

    def on_pool(self, run_pool: RunPool, pauses: Pauses) -> Iterator[Event]:
        """Yield the events of a look at the pool: capacities, and routes if they change."""
        signature = (self._router.signature(run_pool), pauses)
        routes, first_new = None, len(self._known)
        if signature != self._signature:
            self._signature = signature
            routes = self._router.routes(run_pool, pauses, self.number)
        changes = list(self._capacities(run_pool))
        if routes is not None:
            # A new stream would have no bound under the new routes. A known one that has lost its
            # last reader may hold more than before, which is not for the old routes.
            yield from (change for change in changes if change.stream >= first_new)
            yield RoutesChanged(routes)
            changes = [change for change in changes if change.stream < first_new]
        yield from changes

    def _capacities(self, run_pool: RunPool) -> Iterator[CapacityChanged]:
        now = time.monotonic()
        for number, known in enumerate(self._known):
            readers = run_pool.readers_of(known.stream)
            known.pace.slots = readers.slots if readers else 0
            known.pace.rate = readers.rate if readers else 0.0
            if self._has_new_capacity(number, now):
                yield CapacityChanged(number, known.capacity)

    # --- what changes with the work -----------------------------------------------------------

    def begin(self) -> None:
        """Count ends from now on; what has ended so far is history."""
        for number, known in enumerate(self._known):
            known.ended = self._state.ended_in(number)

    def note_ends(self) -> None:
        """Take in how many attempts have ended since the last call."""
        now = time.monotonic()
        for number, known in enumerate(self._known):
            ended = self._state.ended_in(number)
            known.pace.note_ends(now, ended - known.ended)
            known.ended = ended

    def wants_more(self, number: int) -> bool:
        """Return whether the run would send more to a stream than it may."""
        return self._state.has_more(number)

    def note_call(self, took_s: float) -> None:
        """Learn from a call how far the server is."""
        self._paces.note_call(took_s)

    def on_told(self, stream: Stream, length: int, others: int) -> CapacityChanged | None:
        """Return the new capacity of a stream by what the server says of it, if it changes.

        ``length`` is how many attempts it holds, of all runs; ``others`` is how many other runs
        want more there.
        """
        number, now = self.number(stream), time.monotonic()
        known = self._known[number]
        # A server without memory could not note that this run wants more, and did not count it.
        known.length, known.others, known.told_at = length, max(others, 0), now
        # The links of a chain come one by one: to calculate the capacity for each costs much of
        # what it costs to send it.
        if now < known.calculated_at + CALCULATE_EVERY_S and not self._state.has_more(number):
            return None
        if self._has_new_capacity(number, now):
            return CapacityChanged(number, known.capacity)
        return None

    def held_back(self) -> list[Stream]:
        """Return the streams that the run wants more of and has heard nothing of for a while."""
        before = time.monotonic() - LOOK_EVERY_S
        return [
            known.stream
            for number, known in enumerate(self._known)
            if known.told_at < before and known.pace.slots and self._state.has_more(number)
        ]

    def _has_new_capacity(self, number: int, now: float) -> bool:
        known = self._known[number]
        target = known.pace.target(now, self._paces.round_trip_s)
        own = self._state.outstanding_in(number)
        bound = capacity(target, own, known.length, known.others)
        if self._limit is not None:
            bound = min(bound, self._limit)
        is_new = bound != known.capacity
        known.capacity, known.calculated_at = bound, now
        return is_new
