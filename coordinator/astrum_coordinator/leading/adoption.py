"""Adopts runs that have no leader, and renews the leases of those that are led here."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from astrum.errors import StoreError, StoreUnavailableError
from astrum.runtime.service import PeriodicService, Service
from astrum_coordinator.context import CoordinatorContext
from astrum_coordinator.leading.leader import RunLeader
from astrum_coordinator.leading.leadership_end import LeadershipEnd
from astrum_coordinator.leading.leaderships import Leaderships
from astrum_coordinator.leading.run_notices import RunNotices

logger = logging.getLogger("astrum.coordinator")

RUNS_PER_PASS = 100
RUNS_PER_WAKE = 32
"""The most runs taken at once: what is not taken yet, another process may take."""
LONGEST_PAUSE_S = 60.0
"""The longest pause before another try to adopt a run that the server refused to show."""


class Renewal(PeriodicService):
    """Renews the leases of all runs that are led here."""

    name = "leadership"

    def __init__(self, context: CoordinatorContext, leaderships: Leaderships) -> None:
        super().__init__(context.config.renew_every_s)
        self._leaderships = leaderships

    async def pass_once(self) -> None:
        """Renew them once."""
        await self._leaderships.renew()


class _Refusal(NamedTuple):
    until: float
    pause_s: float


class Adoption(PeriodicService):
    """Adopts every run that has no leader, and logs how its leadership ends.

    A run that cannot be read here is left to others: for good if its plan is the reason, since
    neither the plan nor the keys of this process change.
    """

    name = "adoption"

    def __init__(self, context: CoordinatorContext, leaderships: Leaderships) -> None:
        super().__init__(context.config.adopt_every_s)
        self._store = context.store
        self._leaderships = leaderships
        self._refused: dict[str, _Refusal] = {}
        """Run id to the monotonic time until which it is left to others."""
        self._fresh: frozenset[str] = frozenset()
        self._has_looked = False
        self.notices = RunNotices()

    async def pass_once(self) -> None:
        """Look for runs once."""
        limit = RUNS_PER_PASS + len(self._refused)
        orphans = await self._store.orphans(limit)
        found = orphans.run_ids
        self._forget_absent(found)
        # The process that was woken for a run, this one or another, begins with it at once.
        left = orphans.fresh - self._fresh if self._has_looked else frozenset()
        self._fresh, self._has_looked = orphans.fresh, True
        if orphans.next_s is not None:
            self._wait_s = min(self._wait_s, orphans.next_s)
        if len(found) == limit:
            self._wait_s = 0.0  # there are more
        await self.adopt([run_id for run_id in found if run_id not in left])

    async def adopt(self, run_ids: Iterable[str]) -> None:
        """Lead these runs if they have no leader and are not left to others."""
        now = time.monotonic()
        due = [run_id for run_id in run_ids if self._is_due(run_id, now)]
        adopting = [self._begin_to_adopt(run_id) for run_id in due]
        if not adopting:
            return
        await asyncio.wait(adopting)
        for one in adopting:
            if not one.cancelled() and isinstance(error := one.exception(), StoreUnavailableError):
                raise error

    def _begin_to_adopt(self, run_id: str) -> asyncio.Task[RunLeader | None]:
        adopting = self._leaderships.begin_to_adopt(run_id)
        adopting.add_done_callback(lambda _: self._note(run_id, adopting))
        return adopting

    def _is_due(self, run_id: str, now: float) -> bool:
        refusal = self._refused.get(run_id)
        is_due = refusal is None or refusal.until <= now
        return is_due and self._leaderships.get(run_id) is None

    def _forget_absent(self, found: Sequence[str]) -> None:
        """Forget refused runs that are over, or that other coordinators lead."""
        now = time.monotonic()
        for run_id in self._refused.keys() - set(found):
            # A run that was given up a moment ago, or that others try to lead, may be missing
            # here for some time and appear again.
            if not now < self._refused[run_id].until + LONGEST_PAUSE_S < math.inf:
                del self._refused[run_id]

    def _note(self, run_id: str, adopting: asyncio.Task[RunLeader | None]) -> None:
        """Note the result of an adoption."""
        if adopting.cancelled():  # this coordinator is being closed
            return
        try:
            leader = adopting.result()
        except StoreUnavailableError:
            return  # `adopt` raises it
        except Exception as error:  # of any kind: it must not affect the other runs
            level = logging.DEBUG if run_id in self._refused else logging.ERROR
            text = "run %s cannot be led from here and is left to others: %s"
            logger.log(level, text, run_id, error)
            self._refuse(run_id, for_good=not isinstance(error, StoreError))
            return
        self._refused.pop(run_id, None)
        if leader is not None:
            self.notices.on_begin(leader)
            leader.ended.add_done_callback(lambda ended: self._on_end(leader, ended.result()))

    def _refuse(self, run_id: str, *, for_good: bool = False) -> None:
        last = self._refused.get(run_id)
        pause_s = self._every_s if last is None else min(2 * last.pause_s, LONGEST_PAUSE_S)
        until = math.inf if for_good else time.monotonic() + pause_s
        self._refused[run_id] = _Refusal(until, pause_s)

    def _on_end(self, leader: RunLeader, how: LeadershipEnd) -> None:
        if how is LeadershipEnd.UNREADABLE:
            self._refuse(leader.run_id)
        self.notices.on_end(leader, how)


class Wakes(Service):
    """Adopts the runs for which this process is woken; each wakes one of those that serve."""

    name = "wakes"

    def __init__(self, context: CoordinatorContext, adoption: Adoption) -> None:
        super().__init__()
        self._store = context.store
        self._block_s = context.config.journal_block_s
        self._adoption = adoption
        self._has_joined = False

    async def run_once(self) -> None:
        """Wait for runs and adopt them."""
        if not self._has_joined:
            await self._store.join_servers()
            self._has_joined = True
        try:
            found = await self._store.wait_for_wakes(block_s=self._block_s, count=RUNS_PER_WAKE)
        except StoreError:
            self._has_joined = False  # the server may have lost the stream
            raise
        await self._adoption.adopt(found)
