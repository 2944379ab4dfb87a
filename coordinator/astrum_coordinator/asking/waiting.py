"""Finds a run by its id, and waits for its end without leading it."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

from astrum.errors import RunExpiredError, RunNotFoundError, nearest
from astrum.protocol.keys import is_run_id
from astrum.protocol.records import RunInfo
from astrum.redis.patience import patiently
from astrum.redis.run_store import RunStore
from astrum.view.run_names import EXPIRED
from astrum_coordinator.leading.subscriptions import Subscriptions

logger = logging.getLogger("astrum.coordinator")

Answer = TypeVar("Answer")

CHECK_EVERY_S = 1.0
"""The time between two checks of a run's record. Its end is noticed at once, by a subscription."""
UNLED_NOTICE_S = 5.0
"""Seconds that a run may have no leader before a warning; `serve` adopts it within seconds."""
_COMPARED = 200


async def found_run(store: RunStore, run_id: str) -> RunInfo:
    """Return the information on a run; raises `RunNotFoundError` with the nearest id there is.

    Raises `RunExpiredError` if the run has ended and only its chronicle is left.
    """
    info = await store.run_info(run_id)
    if info is not None:
        return info
    if is_run_id(run_id) and await store.has_chronicle(run_id):
        raise RunExpiredError(
            f"run {run_id!r} has ended, and only its chronicle is left, without its results: "
            f"`show {run_id}`, `why {run_id}` and `export {run_id}` tell what happened in it"
        )
    known = [run.run_id for run in await store.list_runs(_COMPARED)]
    raise RunNotFoundError(f"no run has the id {run_id!r}, or {EXPIRED}{nearest(run_id, known)}")


async def until_over(
    store: RunStore,
    subscriptions: Subscriptions,
    run_id: str,
    *,
    unled_notice_s: float = UNLED_NOTICE_S,
) -> RunInfo:
    """Wait until the run is over and return the information on it.

    Warns if the run has no leader for ``unled_notice_s``. Waits for as long as the server is away.
    """
    absence = _LeaderAbsence(run_id, unled_notice_s)
    async with subscriptions.end_of(run_id) as end:
        while (info := await current_info(store, subscriptions, run_id)).is_open:
            is_right = info.lease_s > 0 or info.waits_until is not None
            absence.check(is_led=is_right, now=time.monotonic())
            await end.wait(CHECK_EVERY_S)
    return info


async def current_info(store: RunStore, subscriptions: Subscriptions, run_id: str) -> RunInfo:
    """Return what is known of a run as soon as the server answers; raises as `found_run`."""
    return await insist(subscriptions, run_id, partial(found_run, store, run_id))


async def insist(
    subscriptions: Subscriptions, run_id: str, action: Callable[[], Awaitable[Answer]]
) -> Answer:
    """Repeat an action for a run until the server does it.

    Raises `RunError` once the coordinator was closed.
    """

    async def act_while_open() -> Answer:
        subscriptions.check_open(run_id)
        return await action()

    return await patiently(act_while_open, patience_s=None, what=f"run {run_id}", log=logger)


class _LeaderAbsence:
    """Warns once per absence of a leader that lasts too long."""

    def __init__(self, run_id: str, notice_s: float) -> None:
        self._run_id = run_id
        self._notice_s = notice_s
        self._unled_since: float | None = None
        self._is_noted = False

    def check(self, *, is_led: bool, now: float) -> None:
        """Note whether the run has a leader at the monotonic time ``now``."""
        if is_led:
            self._unled_since, self._is_noted = None, False
            return
        if self._unled_since is None:
            self._unled_since = now
        if now - self._unled_since >= self._notice_s and not self._is_noted:
            self._is_noted = True
            logger.warning(
                "run %s waits: no coordinator leads it; start `astrum-coordinator serve`, or "
                "lead it by `astrum-coordinator resume %s`",
                self._run_id,
                self._run_id,
            )
