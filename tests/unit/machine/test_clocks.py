"""Times in reports are on one clock, also if the clocks of workers are wrong."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from astrum.machine.clocks import TOLERANCE_S, on_one_clock
from astrum.machine.events import AttemptSettled, Outcome
from astrum.machine.report_builder import RunTimes, build_report
from astrum.machine.state import RunState
from astrum.machine.task_table import TaskTable
from astrum.planning import Plan, RetryPolicy, TaskSpec

CREATED = 50_000.0
PLAN = Plan(
    "n",
    (
        TaskSpec("a", retry=RetryPolicy(max_retries=1, delay=0.0)),
        TaskSpec("b", needs=("a",)),
        TaskSpec("c", needs=("b",)),
    ),
)
TRUE = [
    (0, 1, Outcome.FAILED, 0.01, 1.0),
    (0, 2, Outcome.SUCCEEDED, 1.1, 3.0),
    (1, 1, Outcome.SUCCEEDED, 3.02, 40.0),
    (2, 1, Outcome.SUCCEEDED, 40.02, 41.0),
]
"""Task, attempt, outcome, start and end on the store's clock, from the run's creation on."""
DELIVERY_S = 0.004


def told(*skews_s: float, worker_id: str = "w") -> list[AttemptSettled]:
    """The attempts as a worker tells them whose clock is wrong by so much at each."""
    return [
        AttemptSettled(
            task,
            attempt,
            outcome,
            CREATED + start + skew_s,
            CREATED + end + skew_s,
            CREATED + end + DELIVERY_S,
            worker_id,
        )
        for (task, attempt, outcome, start, end), skew_s in zip(TRUE, skews_s, strict=True)
    ]


def test_a_plausible_clock_is_trusted() -> None:
    for skew_s in (0.0, TOLERANCE_S / 2, -TOLERANCE_S / 2):
        events = told(*[skew_s] * 4)
        assert on_one_clock(events, TaskTable(PLAN), CREATED) == events


@pytest.mark.parametrize("skew_s", [7_200.0, -7_200.0, -30.0, 0.5, 1e9, -40_000.0])
def test_a_clock_that_is_wrong_all_the_time_is_set_right(skew_s: float) -> None:
    for event, (_, _, _, start, end) in zip(
        on_one_clock(told(*[skew_s] * 4), TaskTable(PLAN), CREATED), TRUE, strict=True
    ):
        assert event.started_at - CREATED == pytest.approx(start, abs=DELIVERY_S + TOLERANCE_S)
        assert event.ended_at - CREATED == pytest.approx(end, abs=DELIVERY_S + TOLERANCE_S)


def test_only_the_worker_whose_clock_is_wrong_is_corrected() -> None:
    right, wrong = told(0, 0, 0, 0), told(9, 9, 9, 9, worker_id="v")
    mixed = [right[0], right[1], wrong[2], right[3]]
    found = on_one_clock(mixed, TaskTable(PLAN), CREATED)
    assert [found[0], found[1], found[3]] == [right[0], right[1], right[3]]
    assert found[2].ended_at - CREATED == pytest.approx(40.0, abs=2 * DELIVERY_S)


def test_times_in_process_and_of_coordinators_are_not_corrected() -> None:
    inside = [event._replace(worker_id="") for event in told(9, 9, 9, 9)]
    assert on_one_clock(inside, TaskTable(PLAN), CREATED) == inside
    lost = AttemptSettled(0, 1, Outcome.LOST, CREATED - 5, 0.0, CREATED + 9, "w")
    assert on_one_clock([lost], TaskTable(PLAN), CREATED) == [lost]


def test_an_attempt_waited_no_longer_than_since_it_was_wanted() -> None:
    ahead_s = 7_200.0
    events = [event._replace(queued_s=ahead_s) for event in told(*[ahead_s] * 4)]
    events[1] = events[1]._replace(queued_s=0.05, prepared_s=0.04)
    events[3] = events[3]._replace(prepared_s=ahead_s)
    found = on_one_clock(events, TaskTable(PLAN), CREATED)
    margin = DELIVERY_S + TOLERANCE_S
    waited = [event.queued_s for event in found]
    assert waited == pytest.approx([0.01, 0.05, 0.02, 0.0], abs=margin)
    assert [event.prepared_s for event in found] == pytest.approx([0, 0.04, 0, 0.02], abs=margin)


JUMPS = st.lists(st.floats(-1e6, 1e6), min_size=8, max_size=8)


@given(JUMPS)
@example([0.0] * 7 + [-42.0])
def test_no_time_is_outside_the_run_and_no_duration_negative_whatever_the_clocks(
    jumps: list[float],
) -> None:
    events = [
        event._replace(started_at=event.started_at + a, ended_at=event.ended_at + b)
        for event, a, b in zip(told(0, 0, 0, 0), jumps[::2], jumps[1::2], strict=True)
    ]
    state = RunState(PLAN, run_key="r")
    for event in events:
        state.handle(event)
    over = CREATED + 41.1
    report = build_report(state, RunTimes(CREATED - 1, CREATED, over), {})
    margin = TOLERANCE_S
    for stat in report.task_statistics:
        for row in stat.attempt_statistics:
            assert CREATED - margin <= row.start_time <= over + margin
            assert CREATED - margin <= row.end_time <= over + margin
            assert 0 <= row.duration <= over - CREATED + 2 * margin
