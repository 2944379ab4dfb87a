"""Composes the parts of a coordinator, each from parts that exist already."""

from __future__ import annotations

from typing import NamedTuple

from astrum.runtime.service import Service
from astrum_coordinator.asking.chronicles import Chronicles
from astrum_coordinator.asking.completion import RunCompletion
from astrum_coordinator.asking.missing_chronicles import MissingChronicles
from astrum_coordinator.asking.report_loader import ReportLoader
from astrum_coordinator.context import CoordinatorContext
from astrum_coordinator.leading.adoption import Adoption, Renewal, Wakes
from astrum_coordinator.leading.journal_reader import JournalReader
from astrum_coordinator.leading.leaderships import Leaderships
from astrum_coordinator.leading.room_watch import RoomWatch
from astrum_coordinator.leading.subscriptions import Subscriptions
from astrum_coordinator.pool.pool_changes import PoolChanges
from astrum_coordinator.pool.pool_monitor import PoolMonitor
from astrum_coordinator.pool.presence import Presence
from astrum_coordinator.pool.reaper import Reaper
from astrum_coordinator.pool.upkeep import Upkeep
from astrum_coordinator.scheduling.pool_view import PoolView
from astrum_coordinator.stored_runs import StoredRuns


class Parts(NamedTuple):
    """All parts of one open coordinator; none of them works before it is started.

    The services that every leader of a run needs are in ``services``, those that find work last.
    They stop in the reverse order. ``adoption`` and ``wakes`` find runs for `Coordinator.serve`,
    which also makes the ``missing_chronicles``.
    """

    context: CoordinatorContext
    stored: StoredRuns
    subscriptions: Subscriptions
    leaderships: Leaderships
    reports: ReportLoader
    chronicles: Chronicles
    missing_chronicles: MissingChronicles
    completion: RunCompletion
    pool: PoolView
    reader: JournalReader
    reaper: Reaper
    monitor: PoolMonitor
    presence: Presence
    adoption: Adoption
    wakes: Wakes
    services: tuple[Service, ...]

    @property
    def finders(self) -> tuple[Service, ...]:
        """What finds work for `Coordinator.serve`."""
        return (self.missing_chronicles, self.adoption, self.wakes)


def compose(context: CoordinatorContext) -> Parts:
    """Make the parts of a coordinator whose store is open."""
    subscriptions = Subscriptions(context.store)
    pool = PoolView(context)
    stored = StoredRuns(context.store, context.seal)
    chronicles = Chronicles(context)
    leaderships = Leaderships(context, stored, subscriptions, pool, chronicles.add)
    reader = JournalReader(context, subscriptions, leaderships.resync)
    reports = ReportLoader(context.store, stored, context.seal)
    reaper = Reaper(context)
    adoption = Adoption(context, leaderships)
    monitor = PoolMonitor(context, leaderships, pool)
    presence = Presence(context, leaderships)
    return Parts(
        context=context,
        stored=stored,
        subscriptions=subscriptions,
        leaderships=leaderships,
        reports=reports,
        chronicles=chronicles,
        missing_chronicles=MissingChronicles(context, chronicles, reports),
        completion=RunCompletion(leaderships, subscriptions, reports),
        pool=pool,
        reader=reader,
        reaper=reaper,
        monitor=monitor,
        presence=presence,
        adoption=adoption,
        wakes=Wakes(context, adoption),
        services=(
            presence,
            reader,
            Renewal(context, leaderships),
            reaper,
            Upkeep(context, leaderships),
            RoomWatch(context, leaderships),
            PoolChanges(context, leaderships, monitor, reaper),
            monitor,
        ),
    )
