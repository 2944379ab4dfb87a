"""Reads all journals that this process follows with one blocking call; detects server restarts."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from astrum.errors import StoreError, StoreUnavailableError
from astrum.redis.journals import BEGINNING
from astrum.redis.settings import ServerIdentity
from astrum.runtime.service import Service
from astrum_coordinator.context import CoordinatorContext
from astrum_coordinator.leading.subscriptions import Subscriptions

logger = logging.getLogger("astrum.coordinator")

PAUSE_PER_JOURNAL_S = 20e-6
PAUSED_FROM = 8
"""With fewer journals than these a read waits for nothing."""


class JournalReader(Service):
    """Gives journal entries and ends of runs to the subscribers they are for.

    ``on_suspected_loss`` is awaited when the server is another than before a broken connection.
    """

    name = "journal reader"

    def __init__(
        self,
        context: CoordinatorContext,
        subscriptions: Subscriptions,
        on_suspected_loss: Callable[[], Awaitable[None]],
    ) -> None:
        super().__init__()
        self._store = context.store
        self._config = context.config
        self._subscriptions = subscriptions
        self._on_suspected_loss = on_suspected_loss
        self._identity: ServerIdentity | None = None

    async def run_once(self) -> None:
        """Wait for entries of any journal, or an end, and hand them over."""
        if self._identity is None or self._backoff.failures or self._store.loss.suspected:
            await self._check_server()
        await self._read()
        if self._backoff.failures:
            logger.warning("Redis answers again")

    async def _read(self) -> None:
        subscriptions = self._subscriptions
        if not subscriptions.journal_count and not subscriptions.wants_ends():
            await subscriptions.wait_for_one()
            return
        try:
            if subscriptions.wants_ends() and subscriptions.done is None:
                subscriptions.begin_ends(await self._store.done_cursor())
            await self._wait_for_news()
        except StoreUnavailableError:
            raise
        except StoreError as error:
            if not await self._give_up_unreadable():
                raise error

    async def _wait_for_news(self) -> None:
        await self._gather()
        # From here to the read nothing waits. Runs may begin all the time: if each of them ended
        # the next read, no journal would be read at all.
        self._store.forget_unblock("journal")
        journals = self._subscriptions.journal_cursors()
        done = self._subscriptions.done if self._subscriptions.wants_ends() else None
        block_s, count = self._config.journal_block_s, self._config.journal_count
        news = await self._store.wait_for_news(journals, done, block_s=block_s, count=count)
        self._subscriptions.hand_over(news, journals)

    async def _gather(self) -> None:
        """Let entries of many journals gather: both ends pay for each journal in every read."""
        journals = self._subscriptions.journal_count
        if journals >= PAUSED_FROM:
            await asyncio.sleep(journals * PAUSE_PER_JOURNAL_S)

    async def _give_up_unreadable(self) -> int:
        """Give up the streams that the server refuses to read; return how many."""
        given_up = 0
        for run_id, cursor in self._subscriptions.journal_cursors().items():
            if error := await self._refusal({run_id: cursor}, None):
                self._subscriptions.give_up_journal(run_id, error)
                given_up += 1
        if self._subscriptions.wants_ends() and await self._refusal({}, BEGINNING):
            self._subscriptions.give_up_ends()
            given_up += 1
        return given_up

    async def _refusal(self, journals: dict[str, str], done: str | None) -> StoreError | None:
        """Return why the server refuses to read a stream, `None` if it does not."""
        try:
            await self._store.wait_for_news(journals, done, block_s=None, count=1)
        except StoreError as error:
            if isinstance(error, StoreUnavailableError) or "NOPERM" in str(error):
                raise  # it is not for this stream
            return error
        return None

    async def _check_server(self) -> None:
        identity = await self._store.identity()
        known, self._identity = self._identity, identity
        suspicions = self._store.loss.count
        if self._store.loss.suspected or (known is not None and identity != known):
            logger.warning("Redis was restarted or replaced: reading all runs again")
            await self._on_suspected_loss()
            # Last: until this call the store refuses to dispatch. Before it, a leader could send
            # attempts that follow from what the server has lost.
            self._store.loss.acknowledge(suspicions)
