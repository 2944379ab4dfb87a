"""A short queue in which claimed attempts wait for a free slot."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping

from astrum_worker.running.claim_reader import Runnable
from astrum_worker.running.claimed import ClaimedAttempt
from astrum_worker.running.slots import Slots

PATIENCE_S = 0.25
"""An attempt that waited longer is handed back: those ahead of it are slower than predicted."""


class ReadyQueue:
    """Calls ``start`` for attempts in the order of their claims, as soon as a slot is free.

    ``hand_back`` is called for an attempt that waits longer than `PATIENCE_S`, and for all when
    the worker may claim no more (`close`). An attempt of a lane without ``slots`` starts at once.
    A thread lane may start a few more attempts than it has threads; ``take_back`` is called for one
    that no thread has begun in time.
    """

    def __init__(
        self,
        slots: Mapping[str, Slots],
        *,
        may_wait: Callable[[], bool],
        start: Callable[[ClaimedAttempt, Runnable], None],
        hand_back: Callable[[ClaimedAttempt], None],
        take_back: Callable[[ClaimedAttempt], None],
    ) -> None:
        self._slots = slots
        self._may_wait = may_wait
        self._start = start
        self._hand_back = hand_back
        self._queues: dict[str, deque[tuple[ClaimedAttempt, Runnable]]] = {
            lane: deque() for lane in slots
        }
        self._take_back = take_back
        self._handed: deque[ClaimedAttempt] = deque()
        self._look: asyncio.TimerHandle | None = None

    def __iter__(self) -> Iterator[ClaimedAttempt]:
        return (held for queue in self._queues.values() for held, _ in queue)

    def put(self, held: ClaimedAttempt, runnable: Runnable) -> None:
        """Start an attempt if a slot is free; otherwise queue it or hand it back."""
        slots = self._slots.get(held.lane)
        if slots is None:
            self._start(held, runnable)
            return
        slots.take()
        if _may_begin(slots, runnable):
            self._begin(slots, held, runnable)
        elif self._may_wait():
            self._queues[held.lane].append((held, runnable))
            self._plan_look()
        else:
            self._away(held)

    def on_end(self, held: ClaimedAttempt, took_s: float) -> None:
        """Free the slot of an attempt that ran for ``took_s``; start the next ones of its lane."""
        slots = self._slots.get(held.lane)
        if slots is None:
            return
        slots.end(took_s)
        queue = self._queues[held.lane]
        while queue and _may_begin(slots, queue[0][1]):
            self._begin(slots, *queue.popleft())

    def remove(self, held: ClaimedAttempt) -> None:
        """Remove a waiting attempt that must not run."""
        queue = self._queues[held.lane]
        self._queues[held.lane] = deque(pair for pair in queue if pair[0] is not held)
        self._slots[held.lane].leave()

    def close(self) -> None:
        """Hand all waiting attempts back."""
        for queue in self._queues.values():
            while queue:
                self._away(queue.popleft()[0])

    def _begin(self, slots: Slots, held: ClaimedAttempt, runnable: Runnable) -> None:
        if not slots.has_place:
            self._handed.append(held)
            self._plan_look()
        slots.begin()
        self._start(held, runnable)

    def _away(self, held: ClaimedAttempt) -> None:
        self._slots[held.lane].leave()
        self._hand_back(held)

    def _plan_look(self) -> None:
        if self._look is None:
            self._look = asyncio.get_running_loop().call_later(PATIENCE_S, self._look_round)

    def _look_round(self) -> None:
        self._look = None
        now = time.monotonic()
        for lane, queue in self._queues.items():
            if queue and now - queue[0][0].since >= PATIENCE_S:
                self._slots[lane].stalled(now - queue[0][0].since)
                while queue:
                    self._away(queue.popleft()[0])
        self._ask_back(now)
        if self._handed or any(self._queues.values()):
            self._plan_look()

    def _ask_back(self, now: float) -> None:
        """Recall the attempts that no thread has begun within `PATIENCE_S`."""
        while self._handed:
            held = self._handed[0]
            if not held.has_ended and now - held.since < PATIENCE_S:
                return
            self._handed.popleft()
            if not held.has_ended:
                self._take_back(held)


def _may_begin(slots: Slots, runnable: Runnable) -> bool:
    # The time of an attempt with a limit must not pass while it waits for a thread.
    return slots.has_place or (slots.has_spare and runnable.message.timeout_s is None)
