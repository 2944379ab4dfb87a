"""Says in the log which runs begin and end here; of many at once, how many they are."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter

from astrum.machine.task_state import TaskState
from astrum_coordinator.leading.leader import RunLeader
from astrum_coordinator.leading.leadership_end import LeadershipEnd

logger = logging.getLogger("astrum.coordinator")

LINES = 10
"""The most lines of each kind in one period; further runs are only counted."""
PERIOD_S = 1.0


class RunNotices:
    """Logs the begin and the end of each run that is led here, on level info.

    A line for each of hundreds of runs a second costs as much as to lead them, and no one reads
    them. After ``LINES`` of one kind, such as "completed", further ones have level debug for the
    rest of the period, and one line at its end has their number.
    """

    def __init__(self) -> None:
        self._said: Counter[str] = Counter()
        self._unsaid: Counter[str] = Counter()
        self._period_began = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def on_begin(self, leader: RunLeader) -> None:
        """Say that a run is led here from now on."""
        how = "resumed" if leader.has_history else "started"
        self._say(how, "run %s is %s here, epoch %d", leader.run_id, how, leader.epoch)

    def on_end(self, leader: RunLeader, how: LeadershipEnd) -> None:
        """Say how the leadership of a run ended."""
        if how is LeadershipEnd.FINISHED:
            state, counts = leader.state.finished, leader.state.counts()
            self._say(
                state or "over",
                "run %s is %s after %.1f s: %d of %d tasks succeeded",
                leader.run_id,
                state or "over, ended by another coordinator",
                leader.age_s,
                counts[TaskState.SUCCEEDED],
                counts.total(),
            )
        elif how is LeadershipEnd.VANISHED:
            logger.error(
                "run %s: its record has vanished from Redis (was the database flushed or "
                "replaced?); it is given up",
                leader.run_id,
            )
        else:
            text = "run %s is not led here any more: %s"
            self._say("not led here any more", text, leader.run_id, how.value)

    def close(self) -> None:
        """Tell the numbers that were not told yet."""
        if self._timer is not None:
            self._timer.cancel()
            self._tell_numbers()

    def _say(self, kind: str, text: str, *values: object) -> None:
        if not logger.isEnabledFor(logging.INFO):
            return
        now = time.monotonic()
        if now >= self._period_began + PERIOD_S:
            self._period_began = now
            self._said.clear()
        self._said[kind] += 1
        if self._said[kind] <= LINES:
            logger.info(text, *values)
            return
        logger.debug(text, *values)
        self._unsaid[kind] += 1
        if self._timer is None:
            left_s = self._period_began + PERIOD_S - now
            self._timer = asyncio.get_running_loop().call_later(left_s, self._tell_numbers)

    def _tell_numbers(self) -> None:
        self._timer = None
        unsaid, self._unsaid = self._unsaid, Counter()
        numbers = ", ".join(f"{count} {kind}" for kind, count in unsaid.items())
        logger.info("besides these runs, within %g s: %s", PERIOD_S, numbers)
