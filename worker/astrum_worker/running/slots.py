"""The places of a lane, and how many attempts may wait for one.

A worker that claims one attempt per free place pays a round trip for each short one. So attempts
may wait here too, as many as the places get through in `AHEAD_S` at their pace of late: many of
very short ones, none of those that take longer. And no more than have ended at this pace, since
one short attempt tells little about the next ones.
"""

from __future__ import annotations

import asyncio

AHEAD_S = 0.02
AHEAD_LIMIT = 256
_SPARE_PER_PLACE = 3
_SPARE_SHARE = 8
_WEIGHT = 0.1
"""Of the newest duration in the running mean."""


class Slots:
    """Counts what is claimed, runs and waits in one lane. ``limit`` may run at once.

    With ``feeds_threads`` a few more may begin while attempts are very short: they wait where the
    threads find them, which then need not wait for the event loop between two of them.
    """

    def __init__(self, limit: int, *, feeds_threads: bool = False) -> None:
        self.limit = limit
        self._feeds_threads = feeds_threads
        self._claimed = 0
        self._running = 0
        self._mean_s = 0.0
        self._ended = 0
        self._ahead = 0
        self._pays = True
        self._freed = asyncio.Event()
        self._freed.set()

    @property
    def claimed(self) -> int:
        """How many attempts are here."""
        return self._claimed

    @property
    def has_place(self) -> bool:
        """Whether one more may run."""
        return self._running < self.limit

    @property
    def has_spare(self) -> bool:
        """Whether one more may begin to wait for a thread."""
        spare = min(_SPARE_PER_PLACE * self.limit, self._ahead // _SPARE_SHARE)
        return self._feeds_threads and self._running < self.limit + spare

    @property
    def free(self) -> int:
        """How many attempts may be claimed now."""
        return max(self.limit + self._ahead - self._claimed, 0)

    def take(self) -> None:
        """Count a claimed attempt."""
        self._claimed += 1
        self._note()

    def begin(self) -> None:
        """Count one of them as running."""
        self._running += 1

    def end(self, took_s: float) -> None:
        """Count one of those that ran out, after so many seconds."""
        self._running -= 1
        self._ended += 1
        self._learn(took_s, _WEIGHT if self._mean_s else 1.0)
        self.leave()

    def leave(self) -> None:
        """Count one out; that of one that has not run."""
        self._claimed -= 1
        self._note()

    def stalled(self, waited_s: float) -> None:
        """Note that one has waited so long for a place: the pace of late is over."""
        self._ended = 0
        self._learn(max(waited_s, self._mean_s), 1.0)

    async def wait_free(self) -> int:
        """Wait until claiming pays and return how many may be claimed."""
        await self._freed.wait()
        return self.free

    def _learn(self, took_s: float, weight: float) -> None:
        self._mean_s += weight * (max(took_s, 1e-6) - self._mean_s)
        pace = int(self.limit * AHEAD_S / self._mean_s)
        self._ahead = min(AHEAD_LIMIT, pace, self._ended)

    def _note(self) -> None:
        # Half of those that wait are let go first, so that claims come in batches.
        pays = self.limit + self._ahead - self._claimed > self._ahead // 2
        if pays != self._pays:
            self._pays = pays
            if pays:
                self._freed.set()
            else:
                self._freed.clear()
