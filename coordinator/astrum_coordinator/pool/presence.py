"""Publishes what this coordinator is and does, so that people and other processes can see it."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress

from astrum.errors import StoreError
from astrum.machine.run_counter import RunCounter
from astrum.protocol.records import encode_counts
from astrum.protocol.status import MAX_LED_RUNS, CoordinatorStatus, LedRun
from astrum.redis.scripts import LedCounts
from astrum.runtime.service import PeriodicService
from astrum.runtime.version import installed_version
from astrum_coordinator.context import CoordinatorContext
from astrum_coordinator.leading.leader import RunLeader
from astrum_coordinator.leading.leaderships import Leaderships

_WITHDRAW_S = 1.0
ALL_EVERY = 40
"""Passes after which unchanged counts are written again, as the server may have lost them."""


class Presence(PeriodicService):
    """Publishes this coordinator and the counts of its runs as often as leases are renewed.

    What it publishes is for display: no process decides by it. It is withdrawn at the end, and
    expires if that is not possible.
    """

    name = "presence"

    def __init__(self, context: CoordinatorContext, led: Leaderships) -> None:
        super().__init__(context.config.renew_every_s)
        self._store = context.store
        self._owner = context.owner
        self._led = led
        # No longer than the leases of its runs: a successor holds the same tasks ready.
        self._life_s = context.config.lease_s
        self._details = {
            "host": socket.gethostname(),
            "pid": str(os.getpid()),
            "version": installed_version(),
        }
        self._counters: dict[str, RunCounter] = {}
        self._written: dict[str, LedCounts] = {}
        self._passes = 0
        self._is_published = False
        self._said_at: float | None = None
        self.said = CoordinatorStatus()
        """The status that was published last."""

    @property
    def said_s(self) -> float | None:
        """The seconds since the server took the last status, `None` if it has taken none."""
        return None if self._said_at is None else time.monotonic() - self._said_at

    async def pass_once(self) -> None:
        """Publish once."""
        leaders = list(self._led)
        self._counters = {leader.run_id: self._counter(leader) for leader in leaders}
        rows = [leader.status(self._counters[leader.run_id].ready()) for leader in leaders]
        led = [
            LedCounts(leader.run_id, leader.epoch, self._counts(row))
            for leader, row in zip(leaders, rows, strict=True)
        ]
        if self._passes % ALL_EVERY == 0:
            self._written.clear()
        news = [counts for counts in led if self._written.get(counts.run_id) != counts]
        self._is_published = True
        asked_at, self.said = time.monotonic(), self._status(rows)
        await self._store.announce(self._owner, self._details, self.said, news, self._life_s)
        self._said_at = asked_at
        self._written = {counts.run_id: counts for counts in led}
        self._passes += 1

    async def stop(self) -> None:
        """End the loop and withdraw what was published."""
        await super().stop()
        if self._is_published:
            self._is_published = False
            with suppress(StoreError, TimeoutError):
                async with asyncio.timeout(_WITHDRAW_S):
                    await self._store.withdraw(self._owner)

    def _counter(self, leader: RunLeader) -> RunCounter:
        known = self._counters.get(leader.run_id)
        # A leader that reads its run again has a new state.
        return known if known and known.state is leader.state else RunCounter(leader.state)

    def _counts(self, row: LedRun) -> bytes:
        """Return the counts of a run; what the server has not taken is not outstanding there."""
        counts = self._counters[row.run_id].counts()
        return encode_counts(counts._replace(outstanding=row.outstanding))

    def _status(self, rows: list[LedRun]) -> CoordinatorStatus:
        return CoordinatorStatus(
            led_count=len(rows),
            ready=_sum(row.ready for row in rows),
            paused=_sum(counter.paused() for counter in self._counters.values()),
            leaderships=tuple(rows[:MAX_LED_RUNS]),
        )


def _sum(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for each in counts:
        total.update(each)
    return dict(total)
