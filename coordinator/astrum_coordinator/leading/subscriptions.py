"""The subscriptions of this process to runs: to the journals of some, to the ends of others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from itertools import groupby
from operator import attrgetter
from typing import Protocol

from astrum.errors import RunError
from astrum.redis.entries import is_after
from astrum.redis.journals import News
from astrum.redis.records import JournalEntry
from astrum.redis.run_store import RunStore
from astrum.runtime.shared_call import SharedCall


class JournalSubscriber(Protocol):
    """Takes the journal entries of one run after its ``cursor``; ignores those up to it."""

    @property
    def run_id(self) -> str:
        """The id of the run."""

    @property
    def cursor(self) -> str:
        """The id of the last journal entry that was taken in."""

    def take_in(self, entries: Sequence[JournalEntry]) -> None:
        """Handle entries in their order; may not raise."""

    def give_up(self, error: Exception) -> None:
        """Handle that the journal cannot be read; no more entries come."""


class EndOfRun:
    """The end of one run, to wait for."""

    def __init__(self) -> None:
        self._is_news = asyncio.Event()

    async def wait(self, within_s: float) -> None:
        """Return when the run has ended, or after ``within_s``; then read the run's record."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._is_news.wait()
        self._is_news.clear()

    def notify(self) -> None:
        """End the waiting."""
        self._is_news.set()


class Subscriptions:
    """The leaders and followers of this process, and those who wait for the end of a run.

    All are served by one reader, with one blocking call (`JournalReader`).
    """

    def __init__(self, store: RunStore) -> None:
        self._subscribers: dict[str, list[JournalSubscriber]] = {}
        self._waiting: dict[str, list[EndOfRun]] = {}
        self._done: str | None = None
        self._is_done_refused = False
        self._is_needed = asyncio.Event()
        self._is_closed = False
        self._unblock = SharedCall(partial(store.unblock, "journal"))

    async def add(self, subscriber: JournalSubscriber) -> None:
        """Give journal entries to a subscriber from now on."""
        self._subscribers.setdefault(subscriber.run_id, []).append(subscriber)
        await self._read_again()

    def discard(self, subscriber: JournalSubscriber) -> None:
        """Give no more entries to a subscriber; harmless when repeated."""
        others = [one for one in self._of(subscriber.run_id) if one is not subscriber]
        if others:
            self._subscribers[subscriber.run_id] = others
        else:
            self._subscribers.pop(subscriber.run_id, None)

    @asynccontextmanager
    async def end_of(self, run_id: str) -> AsyncIterator[EndOfRun]:
        """Return the end of a run to wait for: ask for the run's state, then wait, by turns.

        The server may lose the entry that would end the wait, so always wait with a limit.
        """
        end = EndOfRun()
        is_first = not self._waiting
        self._waiting.setdefault(run_id, []).append(end)
        try:
            # The read under way, or the next one, is for all ends already, unless it was refused.
            if is_first or self._is_done_refused:
                await self._read_again()
            yield end
        finally:
            self._waiting[run_id].remove(end)
            if not self._waiting[run_id]:
                del self._waiting[run_id]
            if not self._waiting:
                self._done = None  # the next one that waits begins with the ends of its own time

    def close(self) -> None:
        """End all waiting for runs: this coordinator is closed."""
        self._is_closed = True
        self._notify_all()

    def check_open(self, run_id: str) -> None:
        """Raise `RunError` once this coordinator was closed: its store must not be used then."""
        if self._is_closed:
            raise RunError(f"run {run_id}: this coordinator was closed; another may go on with it")

    async def _read_again(self) -> None:
        self._is_needed.set()
        await self._unblock()

    # --- for the reader -----------------------------------------------------------------

    async def wait_for_one(self) -> None:
        """Return as soon as there is something to read."""
        self._is_needed.clear()
        if not self._subscribers and not self.wants_ends():
            await self._is_needed.wait()

    @property
    def journal_count(self) -> int:
        """How many journals there are to read."""
        return len(self._subscribers)

    def journal_cursors(self) -> dict[str, str]:
        """Return the cursors of the journals to read, by run id."""
        return {run_id: _earliest(found) for run_id, found in self._subscribers.items()}

    def wants_ends(self) -> bool:
        """Return whether ends of runs are waited for, and can be read."""
        return bool(self._waiting) and not self._is_done_refused

    @property
    def done(self) -> str | None:
        """The cursor in the stream of ends, `None` before `begin_ends`."""
        return self._done

    def begin_ends(self, cursor: str) -> None:
        """Read ends after this cursor; what ended before it is asked for again."""
        self._done = cursor
        self._notify_all()

    def hand_over(self, news: News, asked: Mapping[str, str]) -> None:
        """Pass the result of a read after the cursors ``asked`` to its subscribers."""
        for run_id, of_run in groupby(news.entries, key=attrgetter("run_id")):
            entries = list(of_run)
            for subscriber in self._of(run_id):
                # One that began again meanwhile, at an earlier cursor, would miss entries.
                if not is_after(asked[run_id], subscriber.cursor):
                    subscriber.take_in(entries)
        if self._done is not None:
            self._done = news.done
        for run_id in news.ended:
            for end in self._waiting.get(run_id, ()):
                end.notify()
        if news.has_gap:
            self._notify_all()

    def give_up_journal(self, run_id: str, error: Exception) -> None:
        """Stop reading a journal that the server refuses."""
        for subscriber in self._of(run_id):
            subscriber.give_up(error)
        self._subscribers.pop(run_id, None)

    def give_up_ends(self) -> None:
        """Stop reading the stream of ends, which the server refuses: who waits asks by turns."""
        self._is_done_refused, self._done = True, None

    def _notify_all(self) -> None:
        for ends in self._waiting.values():
            for end in ends:
                end.notify()

    def _of(self, run_id: str) -> list[JournalSubscriber]:
        return list(self._subscribers.get(run_id, ()))


def _earliest(subscribers: Sequence[JournalSubscriber]) -> str:
    first = subscribers[0].cursor
    for subscriber in subscribers[1:]:
        if is_after(first, subscriber.cursor):
            first = subscriber.cursor
    return first
