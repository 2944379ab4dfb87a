"""The server's clock, as known from answers that are exact to half their round trip."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from astrum.redis.records import queued_ms
from astrum.redis.server_clock import ServerClock


def test_without_an_answer_the_clocks_are_taken_for_the_same() -> None:
    assert ServerClock().at(5.0) == 5.0


@given(
    st.floats(-900, 1e6),
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=5),
)
def test_the_error_is_at_most_half_the_fastest_round_trip(
    ahead_s: float, trips: list[tuple[float, float]]
) -> None:
    clock = ServerClock()
    for number, (there_s, back_s) in enumerate(trips):
        asked_at = 1000.0 + 10 * number
        answered_at = asked_at + there_s + back_s
        server_s = asked_at + there_s + ahead_s
        clock.learn(asked_at, int(server_s * 1000) / 1000, answered_at)
    fastest_s = min(there_s + back_s for there_s, back_s in trips)
    assert abs(clock.at(0.0) - ahead_s) <= fastest_s / 2 + 0.0011


def test_a_clock_that_was_set_is_noticed_by_an_answer_that_contradicts_the_best_one() -> None:
    clock = ServerClock()
    clock.learn(1000.0, 1000.0005, 1000.001)
    clock.learn(1005.0, 1005.2, 1005.4)  # slower, and no contradiction
    assert clock.at(0.0) == pytest.approx(0.0, abs=0.001)
    clock.learn(8000.0, 1010.2, 8000.4)  # this host's clock was set ahead
    assert clock.at(8000.0) == pytest.approx(1010.0, abs=0.21)


def test_an_answer_from_before_the_question_is_not_used() -> None:
    clock = ServerClock()
    clock.learn(1000.0, 1007.0, 990.0)
    assert clock.at(0.0) == 0.0


def test_a_claim_from_before_its_dispatch_waited_for_nothing() -> None:
    assert queued_ms("2000-3", 1.5) == 0
    assert queued_ms("2000-3", 2.25) == 250
