"""The slots of a lane, and how many attempts may be claimed ahead of a free slot.

A worker that claims one attempt per free slot pays a round trip for each short attempt. So it
claims ahead: as many attempts as the slots complete in `AHEAD_S` seconds, at their recent average
duration. That is many if they are very short, and none if they take longer. It is never more than
have completed at that duration, since one short attempt does not predict the next ones.
"""

from __future__ import annotations

import asyncio

AHEAD_S = 0.02
AHEAD_LIMIT = 256
_SPARE_PER_PLACE = 3
_SPARE_SHARE = 8
_WEIGHT = 0.1
"""The weight of the newest duration in the running mean."""


class Slots:
    """Counts what is claimed, runs and waits in one lane. ``limit`` may run at once.

    With ``feeds_threads`` a few more than ``limit`` may begin while attempts are very short. They
    wait in the queue of the threads, which then need not wait for the event loop in between.
    """

    def __init__(self, limit: int, *, feeds_threads: bool = False) -> None:
        self.limit = limit
        self._feeds_threads = feeds_threads
        self._claimed = 0
        self._running = 0
        self._mean_s = 0.0
        self._ended = 0
        self._ended_before_stall = 0
        self._ahead = 0
        self._pays = True
        self._freed = asyncio.Event()
        self._freed.set()

    @property
    def claimed(self) -> int:
        """The number of claimed attempts."""
        return self._claimed

    @property
    def ended(self) -> int:
        """The number of attempts that have ended after they ran."""
        return self._ended_before_stall + self._ended

    @property
    def used(self) -> int:
        """The number of attempts that run, or are queued for a thread."""
        return self._running

    @property
    def has_place(self) -> bool:
        """True if one more may run."""
        return self._running < self.limit

    @property
    def has_spare(self) -> bool:
        """True if one more may begin to wait for a thread."""
        spare = min(_SPARE_PER_PLACE * self.limit, self._ahead // _SPARE_SHARE)
        return self._feeds_threads and self._running < self.limit + spare

    @property
    def free(self) -> int:
        """The number of attempts that may be claimed now."""
        return max(self.limit + self._ahead - self._claimed, 0)

    def take(self) -> None:
        """Count a claimed attempt."""
        self._claimed += 1
        self._note()

    def begin(self) -> None:
        """Count one of them as running."""
        self._running += 1

    def end(self, took_s: float) -> None:
        """Count a running attempt as ended, after ``took_s`` seconds."""
        self._running -= 1
        self._ended += 1
        self._learn(took_s, _WEIGHT if self._mean_s else 1.0)
        self.leave()

    def leave(self) -> None:
        """Stop counting a claimed attempt that did not run."""
        self._claimed -= 1
        self._note()

    def stalled(self, waited_s: float) -> None:
        """Note that an attempt waited this long for a slot; claim fewer ahead from now on."""
        self._ended_before_stall += self._ended
        self._ended = 0
        self._learn(max(waited_s, self._mean_s), 1.0)

    async def wait_free(self) -> int:
        """Wait until claiming is worth a round trip; return how many may be claimed."""
        await self._freed.wait()
        return self.free

    def _learn(self, took_s: float, weight: float) -> None:
        self._mean_s += weight * (max(took_s, 1e-6) - self._mean_s)
        pace = int(self.limit * AHEAD_S / self._mean_s)
        self._ahead = min(AHEAD_LIMIT, pace, self._ended)

    def _note(self) -> None:
        # Claim again when half of the attempts ahead have begun, so that claims come in batches.
        pays = self.limit + self._ahead - self._claimed > self._ahead // 2
        if pays != self._pays:
            self._pays = pays
            if pays:
                self._freed.set()
            else:
                self._freed.clear()
