"""The options ``--at`` and ``--delay``: when a run starts."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import Any, TypeVar

import click

from astrum.runtime.cli.options import Duration, option

Command = TypeVar("Command", bound=Callable[..., Any])

_CLOCK_TIME = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")


def read_time(text: str, now: datetime) -> datetime:
    """Return the time that a string names, with its time zone; raises ``ValueError``.

    ``HH:MM`` is the next time after ``now`` at which the clock shows it. A time without a zone is
    in that of ``now``, or local if that has none.

    >>> noon = datetime(2026, 11, 29, 12, tzinfo=UTC)
    >>> str(read_time("9:30", noon)), str(read_time("2026-12-01T08:00", noon))
    ('2026-11-30 09:30:00+00:00', '2026-12-01 08:00:00+00:00')
    """
    clock_time = _CLOCK_TIME.fullmatch(text)
    if clock_time is None:
        return _with_zone(datetime.fromisoformat(text), now)
    hour, minute = map(int, clock_time.groups())
    for days in (0, 1):
        day = (now + timedelta(days=days)).replace(tzinfo=None)
        at = _with_zone(day.replace(hour=hour, minute=minute, second=0, microsecond=0), now)
        if at.timestamp() > now.timestamp():
            break
    return at


def _with_zone(at: datetime, now: datetime) -> datetime:
    if at.tzinfo is not None:
        return at
    # A zone of ``now`` by itself is an offset of that moment, and others may have another one.
    return at.astimezone() if now.tzinfo is None else at.replace(tzinfo=now.tzinfo)


class Time(click.ParamType[datetime]):
    """A time at which a run can start: ISO 8601, or ``HH:MM``."""

    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Return the time with its zone."""
        text = str(value).strip()
        try:
            at = read_time(text, datetime.now())
            seconds = at.timestamp()
        except (ValueError, OverflowError):
            advice = "write 2026-12-24T18:00, 2026-12-24T18:00:00+01:00 or 18:00"
            self.fail(f"{value!r} is not a time: {advice}", param, ctx)
        _refuse_far(self, value, seconds - datetime.now(UTC).timestamp(), param, ctx)
        return at


class Delay(Duration):
    """How long a run waits before it starts."""

    advice = "write 90, 90s, 15m, 2h or 3d"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the seconds."""
        seconds = super().convert(value, param, ctx)
        _refuse_far(self, value, seconds, param, ctx)
        return seconds


def _refuse_far(
    kind: click.ParamType[Any],
    value: Any,
    delay_s: float,
    param: click.Parameter | None,
    ctx: click.Context | None,
) -> None:
    from astrum_coordinator.start_time import LONGEST_DELAY_S

    if delay_s > LONGEST_DELAY_S:
        kind.fail(f"{value!r} is more than {LONGEST_DELAY_S / 86400:.0f} days ahead", param, ctx)


_OPTIONS = (
    option(
        "--at",
        type=Time(),
        metavar="TIME",
        help="Start the run at this time: 2026-12-24T18:00 (local), 2026-12-24T18:00+01:00, or "
        "18:00 for the next time that the clock shows it. A run whose time has passed starts at "
        "once.",
    ),
    option(
        "--delay",
        type=Delay(),
        metavar="DURATION",
        help="Start the run after this time: 90, 90s, 15m, 2h, 3d.",
    ),
)


def start_options(command: Command) -> Command:
    """Declare ``--at`` and ``--delay``; the command gets ``at``, when the run starts or `None`."""

    @wraps(command)
    def with_start(*given: Any, at: datetime | None, delay: float | None, **rest: Any) -> Any:
        if at is not None and delay is not None:
            raise click.UsageError(
                "--at and --delay both say when the run starts: give one of them"
            )
        return command(*given, at=timedelta(seconds=delay) if delay is not None else at, **rest)

    declared: Any = with_start
    for declare in reversed(_OPTIONS):
        declared = declare(declared)
    return declared  # type: ignore[no-any-return]
