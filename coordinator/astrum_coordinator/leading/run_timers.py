"""The timers of a led run, and the server's time as it is known here."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from astrum.machine.events import RetryFellDue, ScheduleRetry

_RUN_TIMER, _CLEANUP_TIMER = -1, -2
"""In place of a task's number: the timers of the run's timeout and of the limit of its clean-up."""


class RunTimers:
    """The timer of the run's timeout and those of retries, by task.

    Times are the server's, as it was when the run was read and has gone on since.
    """

    def __init__(self) -> None:
        self._ahead_s = 0.0
        self._timers: dict[int, asyncio.TimerHandle] = {}

    def learn_time(self, server_s: float) -> None:
        """Take in the server's time of this moment, in seconds since the epoch."""
        self._ahead_s = server_s - time.monotonic()

    def server_now(self) -> float:
        """Return the server's time."""
        return time.monotonic() + self._ahead_s

    def limit_run(self, begun_at: float, limit_s: float, on_late: Callable[[], None]) -> None:
        """Call ``on_late`` when the run has lasted ``limit_s``."""
        # Never longer than the limit: the server's clock may have been set since.
        left_s = min(max(begun_at + limit_s - self.server_now(), 0.0), limit_s)
        self._timers[_RUN_TIMER] = asyncio.get_running_loop().call_later(left_s, on_late)

    def limit_cleanup(self, until: float, limit_s: float, on_late: Callable[[], None]) -> None:
        """Call ``on_late`` at ``until``, after at most ``limit_s``."""
        left_s = min(max(until - self.server_now(), 0.0), limit_s)
        self._timers[_CLEANUP_TIMER] = asyncio.get_running_loop().call_later(left_s, on_late)

    def schedule_retry(
        self, command: ScheduleRetry, on_due: Callable[[RetryFellDue], None], *, is_history: bool
    ) -> None:
        """Call ``on_due`` when the delay of a retry is over."""
        # A delay read from history began earlier. A new one begins now: the stamps of a journal
        # never go back, so they are useless after the server's clock went back.
        delay_s = command.left_s(self.server_now()) if is_history else command.delay_s
        event = RetryFellDue(command.task, command.attempt)
        loop = asyncio.get_running_loop()
        self._timers[command.task] = loop.call_later(delay_s, on_due, event)

    def clear(self) -> None:
        """Cancel all timers."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
