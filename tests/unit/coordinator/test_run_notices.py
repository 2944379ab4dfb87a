"""Few runs have a line each in the log; of many at once there is the number."""

from __future__ import annotations

import logging
from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest

from astrum.machine.task_state import TaskState
from astrum_coordinator.leading.leadership_end import LeadershipEnd
from astrum_coordinator.leading.run_notices import LINES, RunNotices
from tests.eventually import eventually


def run(number: int, ended: str = "completed") -> Any:
    counts = Counter({TaskState.WAITING: 3})
    state = SimpleNamespace(finished=ended, counts=lambda: counts)
    return SimpleNamespace(run_id=f"r{number}", has_history=False, epoch=1, age_s=0.5, state=state)


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "astrum.coordinator")
    return caplog


async def test_each_of_few_runs_has_a_line_when_it_begins_and_when_it_ends(
    log: pytest.LogCaptureFixture,
) -> None:
    notices = RunNotices()
    notices.on_begin(run(1))
    notices.on_end(run(1), LeadershipEnd.FINISHED)
    assert log.messages == [
        "run r1 is started here, epoch 1",
        "run r1 is completed after 0.5 s: 0 of 3 tasks succeeded",
    ]


async def test_of_many_runs_at_once_the_number_is_logged(log: pytest.LogCaptureFixture) -> None:
    notices = RunNotices()
    for number in range(LINES + 5):
        notices.on_begin(run(number))
    notices.on_end(run(0, "failed"), LeadershipEnd.FINISHED)
    assert len(log.messages) == LINES + 1
    assert "run r0 is failed" in log.messages[-1], "a rare end was lost among the many"
    await eventually(lambda: "5 started" in log.messages[-1], "the number")


async def test_the_last_number_is_logged_when_the_coordinator_closes(
    log: pytest.LogCaptureFixture,
) -> None:
    notices = RunNotices()
    for number in range(LINES + 2):
        notices.on_end(run(number), LeadershipEnd.FINISHED)
    notices.close()
    assert log.messages[-1] == "besides these runs, within 1 s: 2 completed"
