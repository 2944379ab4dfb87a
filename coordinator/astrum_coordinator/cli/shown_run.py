"""Shows a run on a server while it happens, whatever process leads it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from astrum_coordinator.cli import output

if TYPE_CHECKING:
    from astrum_coordinator.asking.operations import Operations
    from astrum_coordinator.display.progress import RunProgress


@asynccontextmanager
async def shown(
    operations: Operations, run_id: str, progress: RunProgress, quiet: bool = False
) -> AsyncIterator[None]:
    """Show a run while the context is open; what leads or follows it calls ``progress``."""
    if quiet:
        yield
        return
    from astrum_coordinator.asking.pool_watch import PoolWatch

    watch = PoolWatch(operations, run_id, progress.queues)
    async with watch.looking():
        with output.display(progress, quiet, watch):
            yield
