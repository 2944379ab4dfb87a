"""Gives up attempts whose code continues after its cancellation."""

from __future__ import annotations

import time

from astrum.runtime.service import PeriodicService
from astrum_worker.running.attempts import Attempts
from astrum_worker.running.claimed import ClaimedAttempt

_LOOK_S = 0.5


class HungTasks(PeriodicService):
    """Frees the slot of an attempt that ignores its cancellation, after ``patience_s``.

    An attempt must be overdue in two passes: after the event loop was blocked, the cancellation
    may not have reached it yet.
    """

    name = "hung tasks"

    def __init__(self, attempts: Attempts, patience_s: float) -> None:
        super().__init__(_LOOK_S)
        self._attempts = attempts
        self._patience_s = patience_s
        self._suspects: list[ClaimedAttempt] = []

    async def pass_once(self) -> None:
        """Give up each attempt that was overdue in the last pass and still is."""
        overdue_at = time.monotonic() - self._patience_s
        hung = [held for held in self._attempts.running() if held.over_at < overdue_at]
        for held in hung:
            if held in self._suspects:
                self._attempts.give_up(held)
        self._suspects = hung
