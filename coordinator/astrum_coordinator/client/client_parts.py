"""Composes the parts of a client: one reader for all its handles, and what they ask."""

from __future__ import annotations

from typing import NamedTuple

from astrum.protocol.sealing import Seal
from astrum.redis.run_store import RunStore
from astrum_coordinator.asking.report_loader import ReportLoader
from astrum_coordinator.context import CoordinatorContext
from astrum_coordinator.leading.journal_reader import JournalReader
from astrum_coordinator.leading.subscriptions import Subscriptions
from astrum_coordinator.stored_runs import StoredRuns


class ClientParts(NamedTuple):
    """The parts that all handles of one open client share."""

    store: RunStore
    seal: Seal
    stored: StoredRuns
    subscriptions: Subscriptions
    reports: ReportLoader
    reader: JournalReader


def compose(context: CoordinatorContext) -> ClientParts:
    """Make the parts of a client whose store is open."""
    store, seal = context.store, context.seal
    subscriptions = Subscriptions(store)
    stored = StoredRuns(store, seal)

    async def begin_again() -> None:
        # A server that lost its last writes may have fewer ends than were read.
        subscriptions.begin_ends(await store.done_cursor())

    return ClientParts(
        store=store,
        seal=seal,
        stored=stored,
        subscriptions=subscriptions,
        reports=ReportLoader(store, stored, seal),
        reader=JournalReader(context, subscriptions, begin_again),
    )
