"""The server's clock, as far as this process knows it from the server's answers."""

from __future__ import annotations

import math

_STEP_S = 0.001
"""The server answers whole milliseconds, rounded down."""


class ServerClock:
    """By how much the server's clock is ahead of this host's; safe to use from several threads.

    The answer that came fastest is the most exact: half its round trip is the largest error.
    """

    def __init__(self) -> None:
        self.ahead_s = 0.0
        self._error_s = math.inf

    def learn(self, asked_at: float, server_s: float, answered_at: float) -> None:
        """Take in an answer; the other times are when this host asked and was answered."""
        error_s = (answered_at - asked_at + _STEP_S) / 2
        if error_s <= 0:
            return  # this host's clock was set back meanwhile
        ahead_s = server_s + _STEP_S / 2 - (asked_at + answered_at) / 2
        # Two answers that contradict each other: one of the clocks was set in between.
        is_set = abs(ahead_s - self.ahead_s) > error_s + self._error_s
        if is_set or error_s <= self._error_s:
            self.ahead_s, self._error_s = ahead_s, error_s

    def at(self, local_s: float) -> float:
        """Return the server's time at a time of this host's clock, in seconds since the epoch."""
        return local_s + self.ahead_s
