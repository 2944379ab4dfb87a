"""The times at which runs are to start: as a command line says them, and as Python does."""

from __future__ import annotations

import math
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from astrum.errors import RunError
from astrum_coordinator.cli.start_options import Delay, Time, read_time
from astrum_coordinator.start_time import LONGEST_DELAY_S, StartTime, checked_start

NOW = 1_790_000_000.0
ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
TIMES = st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1))
FEW = st.sampled_from([None, ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York"), UTC])


@given(TIMES, ZONES, TIMES)
def test_a_time_with_a_zone_is_read_as_it_was_written(
    at: datetime, zone: timezone, now: datetime
) -> None:
    written = at.replace(tzinfo=zone)
    for text in (written.isoformat(), written.isoformat(" ")):
        assert read_time(text, now) == written


@given(TIMES, TIMES, FEW)
def test_a_time_without_a_zone_is_local(at: datetime, now: datetime, zone: Any) -> None:
    found = read_time(at.isoformat(), now.replace(tzinfo=zone))
    if zone is None:
        assert found == at.astimezone()
    else:
        assert found.replace(tzinfo=None) == at
    assert found.tzinfo is not None


@given(st.integers(0, 23), st.integers(0, 59), TIMES, FEW)
def test_a_time_of_the_day_is_the_next_at_which_the_clock_shows_it(
    hour: int, minute: int, now: datetime, zone: Any
) -> None:
    now = now.replace(tzinfo=zone)
    at = read_time(f"{hour}:{minute:02}", now)
    assert (at.minute, at.second, at.microsecond) == (minute, 0, 0)
    ahead_s = at.timestamp() - now.timestamp()
    assert 0 < ahead_s <= 25 * 3600  # a day in which clocks are set back has 25 hours


@given(st.text(max_size=30))
def test_any_other_text_is_refused_in_one_sentence(text: str) -> None:
    for kind in (Time(), Delay()):
        with suppress(click.BadParameter):  # nothing else is raised
            kind.convert(text, None, None)


@given(st.floats(0.001, LONGEST_DELAY_S), st.timedeltas(timedelta(0), timedelta(days=366)))
def test_a_time_ahead_is_kept(delay_s: float, delta: timedelta) -> None:
    assert checked_start(NOW + delay_s, NOW) in (NOW + delay_s, 0.0)
    ahead = NOW + delta.total_seconds()
    assert checked_start(delta, NOW) == (ahead if ahead > NOW else 0.0)
    assert checked_start(datetime.fromtimestamp(NOW, UTC) + delta, NOW) == pytest.approx(
        ahead if ahead > NOW else 0.0
    )


@pytest.mark.parametrize(
    "past", [NOW, NOW - 1, 0, -5.0, datetime(2020, 1, 1, tzinfo=UTC), timedelta(seconds=-3)]
)
def test_a_time_that_has_passed_is_at_once(past: StartTime) -> None:
    assert checked_start(past, NOW) == 0.0


@pytest.mark.parametrize(
    ("at", "said"),
    [
        (NOW + LONGEST_DELAY_S + 1, "more than 366 days ahead"),
        (timedelta(days=367), "more than 366 days ahead"),
        (datetime(2099, 1, 1, tzinfo=UTC), "more than 366 days ahead"),
        (datetime(2026, 12, 1), "has no time zone"),
        (math.nan, "is not a time"),
        (math.inf, "is not a time"),
        ("18:00", "is not a time"),
    ],
)
def test_a_time_that_cannot_be_is_refused_with_what_to_do(at: Any, said: str) -> None:
    with pytest.raises(RunError, match=said):
        checked_start(at, NOW)
