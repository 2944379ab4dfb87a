"""Watches a run until it is over, whichever process leads it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from astrum.errors import AstrumError, StoreError, StoreUnavailableError
from astrum.runtime.cli.options import ServerOptions
from astrum.view.run_list import status_of
from astrum_coordinator.app import Coordinator
from astrum_coordinator.asking.pool_watch import PoolWatch
from astrum_coordinator.cli.asking import patient_coordinator
from astrum_coordinator.cli.options import require_redis
from astrum_coordinator.cli.printing import print_json
from astrum_coordinator.cli.shown_run import shown
from astrum_coordinator.display.progress import RunProgress

EVERY_S = 1.0
"""Seconds between two lines of JSON."""
LAST_LOOK_S = 2.0
"""How long the display of a run that is over may take to have its last state."""


def watch_run(server: ServerOptions, run_id: str, *, as_json: bool) -> None:
    """Show how far a run is until it is over.

    On standard error as `run` does, or as JSON on standard output, in a line for each change.
    """
    settings = require_redis(server)

    async def watch() -> None:
        async with patient_coordinator(settings) as coordinator:
            await (_told if as_json else _shown)(coordinator, run_id)

    asyncio.run(watch())


async def _shown(coordinator: Coordinator, run_id: str) -> None:
    progress = await progress_of(coordinator, run_id)
    async with shown(coordinator, run_id, progress):
        await coordinator.follow(run_id, progress)


async def progress_of(coordinator: Coordinator, run_id: str) -> RunProgress:
    """Return a progress that knows for how long a run has been under way."""
    info = await coordinator.run_info(run_id)
    return RunProgress(0.0 if info is None else info.took_s(await coordinator.server_time()))


@asynccontextmanager
async def followed(
    coordinator: Coordinator, run_id: str, progress: RunProgress
) -> AsyncIterator[None]:
    """Show how far a run is beside what waits for its end; what cannot be read is not shown."""
    async with shown(coordinator, run_id, progress):
        following = asyncio.ensure_future(coordinator.follow(run_id, progress))
        try:
            yield
            await asyncio.wait([following], timeout=LAST_LOOK_S)  # it learns of the end by itself
        finally:
            following.cancel()
            with suppress(asyncio.CancelledError, AstrumError):
                await following


async def _told(coordinator: Coordinator, run_id: str) -> None:
    progress = RunProgress()
    watch = PoolWatch(coordinator, run_id, progress.queues)
    following = asyncio.ensure_future(coordinator.follow(run_id, progress))
    told: dict[str, Any] = {}
    try:
        while True:
            is_over = following.done()
            with suppress(StoreError):
                await watch.look()
            progress.look(watch.latest())
            known = await _known(coordinator, run_id, progress)
            if known and known != told and not print_json(known):
                return  # its reader has gone away
            told = known or told
            if is_over:
                following.result()  # raises what went wrong
                return
            await asyncio.wait([following], timeout=EVERY_S)
    finally:
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following


async def _known(coordinator: Coordinator, run_id: str, progress: RunProgress) -> dict[str, Any]:
    """Return how far a run is as an object for JSON, an empty one if that is not known now."""
    info = None
    with suppress(StoreUnavailableError):  # what follows the run waits for the server
        info = await coordinator.run_info(run_id)
    if progress.state is None or info is None:
        return {}
    estimate, facts = progress.estimate, progress.facts
    return {
        "run_id": run_id,
        "status": str(status_of(info)),
        "total": progress.total,
        "succeeded": progress.succeeded,
        "failed": progress.failed,
        "skipped": progress.skipped,
        "blocked": progress.blocked,
        "cancelled": progress.cancelled,
        "retried": progress.retried,
        "lost": progress.lost,
        "outstanding": progress.running_count,
        "rate": None if estimate.rate is None else round(estimate.rate, 1),
        "left_s": None if estimate.left_s is None else round(estimate.left_s),
        "unknown": estimate.unknown,
        "troubles": [] if facts is None else list(facts.troubles),
        "children": [
            {"task": progress.name(row.task), **row.counts()} for row in progress.open_children()
        ],
    }
