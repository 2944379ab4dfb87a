"""The time at which a delayed run is to start, checked against the server's clock."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

from astrum.errors import RunError
from astrum.redis.run_store import RunStore

StartTime = datetime | timedelta | float
"""A time with a time zone, how long from now, or seconds since the epoch."""
LONGEST_DELAY_S = 366 * 86400.0
"""The longest wait before a run starts: a year, also a leap year."""


async def start_time(store: RunStore, at: StartTime | None) -> float:
    """Return when a run starts, in seconds since the epoch on the server's clock; 0 for at once.

    Raises `RunError` for what is not a time, or is too far ahead.
    """
    return 0.0 if at is None else checked_start(at, await store.server_time())


def checked_start(at: StartTime, now: float) -> float:
    """Return a time as seconds since the epoch, 0 if it has come by ``now``; raises `RunError`.

    >>> checked_start(timedelta(seconds=5), 1000.0), checked_start(900.0, 1000.0)
    (1005.0, 0.0)
    """
    seconds = _seconds(at, now)
    if not math.isfinite(seconds):
        raise RunError(f"at={at!r} is not a time: give a datetime or seconds since the epoch")
    if seconds > now + LONGEST_DELAY_S:
        days = round(LONGEST_DELAY_S / 86400)
        raise RunError(
            f"at={at!r} is more than {days} days ahead, the longest wait of a run: start it later"
        )
    return seconds if seconds > now else 0.0


def _seconds(at: StartTime, now: float) -> float:
    if isinstance(at, timedelta):
        return now + at.total_seconds()
    if not isinstance(at, datetime):
        return at if isinstance(at, (int, float)) else math.nan
    if at.tzinfo is None:
        raise RunError(
            f"at={at!r} has no time zone: write datetime(..., tzinfo=ZoneInfo(...)) or "
            "datetime.now(UTC)"
        )
    return at.timestamp()
