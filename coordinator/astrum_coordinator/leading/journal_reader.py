"""Reads the journals of all led runs with one blocking call, and detects server restarts."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from itertools import groupby
from operator import attrgetter

from astrum.errors import StoreError, StoreUnavailableError
from astrum.redis.settings import ServerIdentity
from astrum.runtime.service import Service
from astrum_coordinator.context import CoordinatorContext
from astrum_coordinator.leading.leaderships import Leaderships

logger = logging.getLogger("astrum.coordinator")


class JournalReader(Service):
    """Feeds journal entries to the leaders they are for.

    ``on_suspected_loss`` is awaited when the server is another than before a broken connection.
    """

    name = "journal reader"

    def __init__(
        self,
        context: CoordinatorContext,
        leaderships: Leaderships,
        on_suspected_loss: Callable[[], Awaitable[None]],
    ) -> None:
        super().__init__()
        self._store = context.store
        self._config = context.config
        self._leaderships = leaderships
        self._on_suspected_loss = on_suspected_loss
        self._identity: ServerIdentity | None = None

    async def run_once(self) -> None:
        """Wait for entries of any led run and hand them over."""
        if self._identity is None or self._backoff.failures or self._store.loss.suspected:
            await self._check_server()
        await self._read()
        if self._backoff.failures:
            logger.warning("Redis answers again")

    async def _read(self) -> None:
        cursors = {leader.run_id: leader.cursor for leader in self._leaderships}
        if not cursors:
            await self._leaderships.wait_for_one()
            return
        try:
            entries = await self._store.read_journal(
                cursors, block_s=self._config.journal_block_s, count=self._config.journal_count
            )
        except StoreUnavailableError:
            raise
        except StoreError as error:
            if await self._give_up_unreadable(cursors):
                return
            raise error
        for run_id, of_run in groupby(entries, key=attrgetter("run_id")):
            leader = self._leaderships.get(run_id)
            if leader is not None and leader.cursor == cursors[run_id]:
                leader.take_in(list(of_run))

    async def _give_up_unreadable(self, cursors: Mapping[str, str]) -> int:
        """Give up the runs for whose journals the server refuses to read all; return how many."""
        given_up = 0
        for run_id, cursor in cursors.items():
            try:
                await self._store.read_journal({run_id: cursor}, block_s=None, count=1)
            except StoreError as error:
                if isinstance(error, StoreUnavailableError) or "NOPERM" in str(error):
                    raise  # it is not for this journal
                leader = self._leaderships.get(run_id)
                if leader is not None:
                    leader.give_up(error)
                given_up += 1
        return given_up

    async def _check_server(self) -> None:
        identity = await self._store.identity()
        known, self._identity = self._identity, identity
        suspicions = self._store.loss.count
        if self._store.loss.suspected or (known is not None and identity != known):
            logger.warning("Redis was restarted or replaced: reading all runs again")
            await self._on_suspected_loss()
            self._store.loss.take(suspicions)  # last: until then the store refuses to dispatch
