"""The log of a run that is not silent, by events and commands."""

from __future__ import annotations

import logging

import pytest

from astrum.execution.run_log import SENT_TO_WORKERS, RunLog
from astrum.machine.events import AttemptSettled, Event, Outcome
from astrum.machine.failure import Failure
from astrum.machine.state import RunState
from astrum.planning import Plan, RetryPolicy, TaskSpec

TYPES = ("builtins.OSError", "builtins.Exception")
PLAN = Plan("test", (TaskSpec(task_id="a", retry=RetryPolicy(1)), TaskSpec(task_id="b")))


@pytest.fixture(autouse=True)
def _all_levels(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "astrum.run")


def end(task: int, attempt: int, outcome: Outcome = Outcome.SUCCEEDED) -> AttemptSettled:
    failure = None if outcome is Outcome.SUCCEEDED else Failure(TYPES, "no")
    return AttemptSettled(task, attempt, outcome, 10.0, 10.5, 10.6, "host.7.x", failure)


class Host:
    """Hands events to a state, and what follows to the log."""

    def __init__(self, log: RunLog) -> None:
        self.state = RunState(PLAN, run_key="r")
        self.log = log

    def start(self) -> None:
        self.log.observe(self.state, None, self.state.start())

    def handle(self, event: Event) -> None:
        self.log.observe(self.state, event, self.state.handle(event))


def test_a_lost_attempt_took_until_its_loss_was_recorded(
    caplog: pytest.LogCaptureFixture,
) -> None:
    host = Host(RunLog("r", SENT_TO_WORKERS))
    host.start()
    host.handle(end(1, 1, Outcome.LOST)._replace(ended_at=0.0))
    host.handle(end(0, 1, Outcome.FAILED)._replace(started_at=0.0, ended_at=0.0))
    assert "task b: attempt 1 ended after 0.600 s on host.7.x" in caplog.text
    assert "task a: attempt 1 ended after 0.000 s on host.7.x" in caplog.text


def test_an_end_says_on_which_worker_it_was_and_whether_another_attempt_follows(
    caplog: pytest.LogCaptureFixture,
) -> None:
    host = Host(RunLog("r", SENT_TO_WORKERS))
    host.start()
    host.handle(end(0, 1, Outcome.FAILED))
    host.handle(end(0, 2, Outcome.FAILED))
    host.handle(end(1, 1, Outcome.CANCELLED))
    assert caplog.messages == [
        "task a: attempt 1 is sent to the workers",
        "task b: attempt 1 is sent to the workers",
        "task a: attempt 1 ended after 0.500 s on host.7.x: OSError: no; it is tried again",
        "task a: attempt 2 is sent to the workers",
        "task a: attempt 2 ended after 0.500 s on host.7.x: OSError: no",
        "task b: attempt 1 ended after 0.500 s on host.7.x: OSError: no",
    ]
    fields = vars(caplog.records[2])
    told = {name: fields[name] for name in ("run_id", "task", "attempt", "worker_id")}
    assert told == {"run_id": "r", "task": "a", "attempt": 1, "worker_id": "host.7.x"}


def test_a_history_that_is_read_again_is_not_logged_again(caplog: pytest.LogCaptureFixture) -> None:
    log = RunLog("r", SENT_TO_WORKERS)
    host = Host(log)
    host.start()
    host.handle(end(1, 1))
    caplog.clear()
    again = Host(log)
    again.handle(end(1, 1))
    again.handle(end(0, 1))
    again.start()
    assert caplog.messages == ["task a: done in 0.500 s on host.7.x"]


@pytest.mark.parametrize("task", [-1, 2])
def test_the_end_of_no_task_is_not_logged(task: int, caplog: pytest.LogCaptureFixture) -> None:
    Host(RunLog("r", SENT_TO_WORKERS)).handle(end(task, 1))
    assert caplog.messages == []
