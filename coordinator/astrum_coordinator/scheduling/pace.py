"""How many attempts a stream holds at once: enough that its workers never wait, and no more.

All outstanding attempts of a stream count, of all runs and coordinators: the server counts them.
What stands in front of a new attempt is what it waits for, so the fewer there are, the sooner a
small run has its turn beside a big one.
"""

from __future__ import annotations

import math
from collections import deque

UNREAD_TARGET = 16
"""The attempts sent to a stream that no worker is known to read, so that the backlog shows and a
worker that comes begins at once; the rest is held."""
LEAST_AHEAD_S = 0.03
ROUND_TRIPS_AHEAD = 4
"""A stream holds what its workers end in so many seconds and round trips, besides what they run."""
_HALF_LIFE_S = 0.5
_LOOKS_KEPT = 512


class StreamPace:
    """The pace of one stream: the slots of its workers, and how many attempts end there.

    Times are seconds of a monotonic clock. ``slots`` is how many attempts the live workers that
    read the stream run at once; ``rate`` is how many ended there per second by their counters,
    which are some seconds old. Own ends, which are known at once, count by `note_ends`.
    ``announced_at`` is when workers were last told that the stream is in use.
    """

    def __init__(self) -> None:
        self.announced_at = -math.inf
        self.slots = 0
        self.rate = 0.0
        self._ended = 0
        self._looks: deque[tuple[float, int]] = deque([(0.0, 0)], maxlen=_LOOKS_KEPT)
        self._peak = 0.0
        self._peak_at = 0.0

    def note_ends(self, now: float, count: int) -> None:
        """Count ends of own attempts."""
        if count:
            self._ended += count
            self._looks.append((now, self._ended))

    def target(self, now: float, round_trip_s: float) -> int:
        """Return how many attempts the stream should hold.

        That is as many as its workers run at once and, so that none of them waits for the next,
        as many again; or, of short ones, what ends during `LEAST_AHEAD_S` and some round trips.
        """
        ahead_s = LEAST_AHEAD_S + ROUND_TRIPS_AHEAD * round_trip_s
        ended = max(self._recent_peak(now, ahead_s), self.rate * ahead_s)
        target = self.slots + max(self.slots, round(ended))
        return target if self.slots else max(target, UNREAD_TARGET)

    def _recent_peak(self, now: float, ahead_s: float) -> float:
        """Return the most ends in such a time; older ones count less and less.

        Ends arrive in bursts: a pause between two of them must not halve what the stream holds.
        """
        looks = self._looks
        while len(looks) > 1 and looks[1][0] < now - ahead_s:
            looks.popleft()
        ended = float(self._ended - looks[0][1])
        faded = self._peak * 0.5 ** ((now - self._peak_at) / _HALF_LIFE_S)
        self._peak, self._peak_at = max(ended, faded), now
        return self._peak


def capacity(target: int, own: int, length: int, weight: int, others: int) -> int:
    """Return how many attempts one run may have in a stream of which the target is known.

    ``own`` are its attempts there, ``length`` those of all runs. ``weight`` is the run's,
    ``others`` that of all other runs that want more there than they have. Each has a share by its
    weight, at least one attempt, which it may send at once; what the others leave free it may use
    too. A run above its share sends less until it has come down to it, nothing is taken back. Two
    runs that see the same room overshoot by a quarter at most.
    """
    share = max(1, target * weight // (weight + others))
    room = min(target - length, max(1, target // 4))
    if room > 0 and others > weight:  # the room is mostly theirs: they have not sent the next yet
        room = room * weight // others
    return max(share, own + room)
