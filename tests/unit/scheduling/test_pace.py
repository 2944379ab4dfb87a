"""How many attempts a stream holds, and how many of them one run may have."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from astrum.protocol.streams import weight_of
from astrum_coordinator.scheduling.pace import UNREAD_TARGET, StreamPace, capacity

WEIGHT = weight_of(0)

NEAR_S = 0.0


def _pace(slots: int) -> StreamPace:
    pace = StreamPace()
    pace.slots = slots
    return pace


def test_a_stream_without_a_reader_holds_a_few() -> None:
    assert _pace(0).target(100.0, NEAR_S) == UNREAD_TARGET


def test_long_tasks_have_one_waiting_for_each_slot() -> None:
    pace = _pace(4)
    for second in range(100, 110):
        pace.note_ends(second, 4)  # tasks of a second each
    assert pace.target(110.0, NEAR_S) == 8


def test_short_tasks_have_what_ends_in_thirty_milliseconds() -> None:
    pace = _pace(4)
    for ms in range(1000):
        pace.note_ends(100 + ms / 1000, 10)  # 10,000 a second
    assert pace.target(101.0, NEAR_S) == pytest.approx(4 + 300, abs=11)


def test_a_far_server_needs_more() -> None:
    pace = _pace(4)
    for ms in range(1000):
        pace.note_ends(100 + ms / 1000, 10)
    assert pace.target(101.0, 0.005) == pytest.approx(4 + 500, abs=11)


def test_a_pause_between_two_bursts_of_ends_does_not_halve_the_target() -> None:
    pace = _pace(4)
    for burst in range(10):
        pace.note_ends(100 + burst * 0.025, 100)
    full = pace.target(100.225, NEAR_S)
    assert pace.target(100.3, NEAR_S) > 0.8 * full
    assert pace.target(110.0, NEAR_S) == 8, "long after the last end it is as for long tasks"


def test_the_counters_of_the_workers_tell_what_ends_for_other_coordinators() -> None:
    pace = _pace(4)
    pace.rate = 10_000.0
    assert pace.target(100.0, NEAR_S) == 4 + 300


def test_a_run_alone_has_the_whole_stream() -> None:
    assert capacity(40, 40, 40, WEIGHT, 0) == 40


def test_a_newcomer_sends_its_share_at_once_though_the_stream_is_full() -> None:
    assert capacity(40, 0, 40, WEIGHT, WEIGHT) == 20


def test_a_run_above_its_share_sends_less_until_it_has_come_down_to_it() -> None:
    assert capacity(40, 40, 60, WEIGHT, WEIGHT) == 20
    assert capacity(40, 30, 45, WEIGHT, WEIGHT) == 25


def test_a_run_may_use_what_others_leave_free() -> None:
    assert capacity(40, 20, 30, WEIGHT, WEIGHT) == 30


def test_with_more_runs_than_places_each_has_one() -> None:
    assert capacity(4, 0, 1000, WEIGHT, 999 * WEIGHT) == 1


def test_a_run_that_weighs_less_leaves_the_room_of_the_others_to_them() -> None:
    low = weight_of(3)
    assert capacity(40, 0, 40, low, WEIGHT) == 40 // 9
    assert capacity(40, 0, 40, WEIGHT, low) == 40 * 8 // 9
    assert capacity(40, 4, 34, low, WEIGHT) == 4, "they have not sent the next yet"
    assert capacity(40, 30, 34, WEIGHT, low) == 36
    assert capacity(40, 4, 34, low, 0) == 40, "no other run wants more"
    assert capacity(2, 0, 99, weight_of(9), 1_000 * WEIGHT) == 1, "nothing starves"


@given(st.integers(1, 5_000), st.integers(0, 50))
def test_runs_that_all_want_more_end_with_about_equal_shares(target: int, others: int) -> None:
    runs = [0] * (others + 1)
    runs[0] = target  # the first one had the stream for itself
    for _ in range(40):
        for index, own in enumerate(runs):
            left = own - (own + 2) // 3
            runs[index] = 0  # of the others there are so many
            length = sum(runs) + left
            bound = capacity(target, left, length, WEIGHT, others * WEIGHT)
            runs[index] = max(left, bound)
    share = max(1, target // (others + 1))
    assert min(runs) >= share
    left_over = max(target - share * len(runs), 0)
    assert max(runs) <= share + left_over + max(1, target // 4)
