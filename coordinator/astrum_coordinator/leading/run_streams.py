"""The streams of one run: their numbers in its state machine, and how many attempts each may hold.

The paces of streams are known to the whole coordinator; the shares in them are the run's own.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from astrum.machine.events import CapacityChanged, Event, RoutesChanged
from astrum.machine.state import RunState
from astrum.planning.priorities import effective_priority
from astrum.protocol.pauses import Pauses
from astrum.protocol.streams import Stream, weight_of
from astrum_coordinator.scheduling.pace import StreamPace, capacity
from astrum_coordinator.scheduling.paces import Paces
from astrum_coordinator.scheduling.routes import EXCLUSIVE, Router
from astrum_coordinator.scheduling.run_pool import RunPool

CALCULATE_EVERY_S = 0.02
"""A run that holds nothing back calculates its capacities at most so often."""
LOOK_EVERY_S = 0.5
"""A run that holds ready tasks back asks so often whether there is room for them now."""

ANNOUNCE_EVERY_S = 60.0
"""A stream that workers read only once it exists is announced at most so often: an idle one lives
much longer, so that workers that come meanwhile find it."""


@dataclass(slots=True)
class _KnownStream:
    """What a run knows of one of its streams; ``length`` and ``others`` are the server's last.

    ``rank`` is the latest of what the run held back there.
    """

    stream: Stream
    pace: StreamPace
    rank: int
    length: int = 0
    others: int = 0
    told_at: float = 0.0
    calculated_at: float = 0.0
    ended: int = 0
    capacity: int = -1


class RunStreams:
    """Numbers the streams of a run, and derives capacities from what the server says about them.

    ``limit`` bounds the run's attempts in each stream, if it is given. ``priority`` is that of the
    run. The methods that return events change nothing in ``state``: it takes them in next.
    """

    def __init__(
        self,
        state: RunState,
        router: Router,
        paces: Paces,
        limit: int | None,
        priority: int = 0,
    ) -> None:
        self._state = state
        self._router = router
        self._paces = paces
        self._limit = limit
        self._priority = priority
        self._numbers: dict[Stream, int] = {}
        self._known: list[_KnownStream] = []
        self._signature: object = None

    def number(self, stream: Stream) -> int:
        """Return the number of a stream, which stays the same."""
        number = self._numbers.get(stream)
        if number is None:
            number = self._numbers[stream] = len(self._known)
            pace, ended = self._paces.of(stream), self._state.ended_in(number)
            rank = stream.rank(self._priority)
            self._known.append(_KnownStream(stream, pace, rank, ended=ended))
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

    def rank_wanted(self, number: int) -> int | None:
        """Return the rank of what the run would send to a stream if it might, `None` of nothing.

        It is that of the task which is next.
        """
        task_priority = self._state.waiting_priority(number)
        if task_priority is None:
            return None
        known = self._known[number]
        known.rank = known.stream.rank(effective_priority(self._priority, task_priority))
        return known.rank

    def is_news(self, number: int, now: float) -> bool:
        """Return whether to announce a rare stream to workers now, and note that it is done.

        Workers find by themselves what was used before they came, so it is seldom told again.
        """
        pace = self._known[number].pace
        if now < pace.announced_at + ANNOUNCE_EVERY_S:
            return False
        pace.announced_at = now
        return True

    def note_call(self, took_s: float) -> None:
        """Learn from a call how far the server is."""
        self._paces.note_call(took_s)

    def on_told(self, stream: Stream, length: int, others: int) -> CapacityChanged | None:
        """Return the new capacity of a stream by what the server says of it, if it changes.

        ``length`` is how many attempts it holds, of all runs; ``others`` is the weight of the
        other runs that want more there.
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

    def held_back(self) -> list[tuple[Stream, int]]:
        """Return the streams that the run wants more of and has heard nothing of for a while.

        With each comes the rank of what it wants to send there.
        """
        before = time.monotonic() - LOOK_EVERY_S
        silent = [
            (known.stream, self.rank_wanted(number))
            for number, known in enumerate(self._known)
            if known.told_at < before and known.pace.slots
        ]
        return [(stream, rank) for stream, rank in silent if rank is not None]

    def _has_new_capacity(self, number: int, now: float) -> bool:
        known = self._known[number]
        target = known.pace.target(now, self._paces.round_trip_s)
        own = self._state.outstanding_in(number)
        self.rank_wanted(number)
        bound = capacity(target, own, known.length, weight_of(known.rank), known.others)
        if self._limit is not None:
            bound = min(bound, self._limit)
        is_new = bound != known.capacity
        known.capacity, known.calculated_at = bound, now
        return is_new
