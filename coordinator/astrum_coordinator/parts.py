"""Composes the parts of a coordinator, each from parts that exist already."""

from __future__ import annotations

from typing import NamedTuple

from astrum_coordinator.asking.report_loader import ReportLoader
from astrum_coordinator.context import CoordinatorContext
from astrum_coordinator.leading.adoption import Adoption, Renewal
from astrum_coordinator.leading.journal_reader import JournalReader
from astrum_coordinator.leading.leaderships import Leaderships
from astrum_coordinator.pool.pool_monitor import PoolMonitor
from astrum_coordinator.pool.reaper import Reaper
from astrum_coordinator.pool.upkeep import Upkeep


class Parts(NamedTuple):
    """All parts of one open coordinator; none of them works before it is started.

    The services that every leader of a run needs are in ``services``, those that find work last.
    They stop in the reverse order. ``adoption`` finds runs for `Coordinator.serve`.
    """

    context: CoordinatorContext
    leaderships: Leaderships
    reports: ReportLoader
    reaper: Reaper
    monitor: PoolMonitor
    adoption: Adoption
    services: tuple[JournalReader, Renewal, Reaper, Upkeep, PoolMonitor]


def compose(context: CoordinatorContext) -> Parts:
    """Make the parts of a coordinator whose store is open."""
    leaderships = Leaderships(context)
    reaper = Reaper(context)
    monitor = PoolMonitor(context, leaderships)
    return Parts(
        context=context,
        leaderships=leaderships,
        reports=ReportLoader(context.store, context.seal),
        reaper=reaper,
        monitor=monitor,
        adoption=Adoption(context, leaderships),
        services=(
            JournalReader(context, leaderships, leaderships.resync),
            Renewal(context, leaderships),
            reaper,
            Upkeep(context, leaderships),
            monitor,
        ),
    )
