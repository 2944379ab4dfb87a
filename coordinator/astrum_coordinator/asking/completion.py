"""Sees a run through to its end: leads it, or follows it while another process leads it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial

from astrum.errors import RunError
from astrum.machine.observer import RunObserver
from astrum.runtime.loops import Backoff
from astrum_coordinator.asking.report_loader import ReportLoader
from astrum_coordinator.asking.run_follower import RunFollower
from astrum_coordinator.asking.waiting import CHECK_EVERY_S, Answer, current_info, insist
from astrum_coordinator.leading.leader import RunLeader
from astrum_coordinator.leading.leadership_end import LeadershipEnd
from astrum_coordinator.leading.leaderships import Leaderships
from astrum_coordinator.leading.subscriptions import Subscriptions

FENCE_SHARE = 0.05
"""The share of the time for reading the outstanding attempts, which no journal shows."""


class RunCompletion:
    """Leads or follows runs for callers that wait for their ends."""

    def __init__(
        self, leaderships: Leaderships, subscriptions: Subscriptions, reports: ReportLoader
    ) -> None:
        self._leaderships = leaderships
        self._subscriptions = subscriptions
        self._reports = reports

    async def see_through(self, run_id: str, observer: RunObserver | None) -> RunLeader | None:
        """Wait until the run is over, for as long as the server is away.

        Returns the leader if it ended the run and so knows all of it. A follower may not know all:
        the server may have lost some of what was read.
        """
        lead = partial(self._leaderships.adopt, run_id, observer=observer)
        backoff = Backoff(longest_s=1.0)
        follower: RunFollower | None = None
        while True:
            leader = await self._insist(run_id, lead)
            how = None if leader is None else await _end_of_leadership(leader)
            is_led_to_its_end = how is LeadershipEnd.FINISHED
            if leader is not None and is_led_to_its_end and leader.state.finished is not None:
                return leader
            if leader is None or is_led_to_its_end:  # another process leads it, or has ended it
                follower = follower or await self._follower(run_id, observer)
                if await self._follow(follower):
                    return None
            await backoff.wait()

    async def follow(self, run_id: str, observer: RunObserver) -> None:
        """Follow the run until it is over, whether it has a leader or not."""
        follower = await self._follower(run_id, observer)
        is_over = await self._follow(follower)
        while not is_over:
            await asyncio.sleep(CHECK_EVERY_S)
            is_over = await self._follow(follower)

    async def _insist(self, run_id: str, action: Callable[[], Awaitable[Answer]]) -> Answer:
        return await insist(self._subscriptions, run_id, action)

    async def _follower(self, run_id: str, observer: RunObserver | None) -> RunFollower:
        make = partial(self._reports.follower, run_id, observer=observer)
        return await self._insist(run_id, make)

    async def _follow(self, follower: RunFollower) -> bool:
        """Follow the run until it is over, or until it lacks a leader: then return ``False``."""
        store, subscriptions, run_id = self._reports.store, self._subscriptions, follower.run_id
        fence_due = await self._catch_up(follower)
        async with subscriptions.end_of(run_id) as end, self._subscribed(follower):
            follower.on_unread_names = end.notify
            while (info := await current_info(store, subscriptions, run_id)).is_open and (
                info.lease_s > 0 or info.waits_until is not None
            ):
                if follower.has_unread_names:
                    await self._insist(run_id, partial(follower.learn_names, store))
                if follower.has_news and time.monotonic() >= fence_due:
                    fence_due = await self._catch_up(follower)
                await end.wait(CHECK_EVERY_S)
        if not info.is_open:
            await self._catch_up(follower)  # after asking: then it has the end too
        return not info.is_open

    async def _catch_up(self, follower: RunFollower) -> float:
        """Read new entries and outstanding attempts; return the earliest time for the next read."""
        began = time.monotonic()
        await self._insist(follower.run_id, partial(follower.catch_up, self._reports.store))
        now = time.monotonic()
        return now + (now - began) / FENCE_SHARE

    @asynccontextmanager
    async def _subscribed(self, follower: RunFollower) -> AsyncIterator[None]:
        try:
            await self._subscriptions.add(follower)
            yield
        finally:
            self._subscriptions.discard(follower)


async def _end_of_leadership(leader: RunLeader) -> LeadershipEnd:
    how = await asyncio.shield(leader.ended)
    if how is LeadershipEnd.VANISHED:
        raise RunError(
            f"run {leader.run_id}: its record vanished from Redis while it ran (was the "
            "database flushed or replaced?); submit it again"
        )
    return how
