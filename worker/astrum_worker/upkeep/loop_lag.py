"""Measures by how much the event loop is late, from a timer that it runs regularly."""

from __future__ import annotations

import math


class LoopLag:
    """Fed by the event loop at each tick; safe to read from another thread.

    The loop counts as blocked while a tick is late by more than ``blocked_after_s``.
    """

    def __init__(self, tick_s: float, blocked_after_s: float) -> None:
        self._tick_s = tick_s
        self._blocked_after_s = blocked_after_s
        # One tuple: a reader must not see a new due time with the old sum, or the other way.
        self._state = (math.inf, 0.0)
        self._worst_s = 0.0

    def tick(self, now: float) -> None:
        """Note that the loop ran at this monotonic time."""
        due_at, blocked_s = self._state
        late_s = max(now - due_at, 0.0)
        if late_s > self._blocked_after_s:
            blocked_s += late_s
        self._worst_s = max(self._worst_s, late_s)
        self._state = (now + self._tick_s, blocked_s)

    def stop(self) -> None:
        """Note that no tick follows."""
        self._state = (math.inf, self._state[1])

    def late_s(self, now: float) -> float:
        """Return by how much the next tick is late, 0 if it is not."""
        return max(now - self._state[0], 0.0)

    def take_worst_s(self, now: float) -> float:
        """Return by how much a tick was late at worst since this was asked last."""
        worst_s, self._worst_s = self._worst_s, 0.0
        return max(worst_s, self.late_s(now))

    def blocked_s(self, now: float) -> float:
        """Return for how long the loop was blocked so far."""
        due_at, blocked_s = self._state
        late_s = max(now - due_at, 0.0)
        return blocked_s + (late_s if late_s > self._blocked_after_s else 0.0)
