"""The tables of ``runs`` and ``coordinators``."""

from __future__ import annotations

import pytest

from astrum.machine.run_counter import RunCounts
from astrum.protocol.records import RunInfo
from astrum.protocol.status import CoordinatorStatus, LedRun
from astrum_coordinator.cli.coordinators import trouble_text
from astrum_coordinator.cli.runs import end_text, tasks_text


def run(
    counts: RunCounts | None = None,
    state: str = "open",
    tasks: str = "5",
    outstanding: int = 0,
    **details: str,
) -> RunInfo:
    return RunInfo(
        run_id="r",
        state=state,
        epoch=1,
        owner="",
        lease_s=0.0,
        created_at=1.0,
        ended_at=None,
        outstanding=outstanding,
        late_ends=0,
        details={"tasks": tasks, **details},
        counts=counts,
    )


@pytest.mark.parametrize(
    ("info", "text"),
    [
        (run(), "5"),
        (run(RunCounts(3)), "3 of 5"),
        (run(RunCounts(1_000), tasks="3000"), "1,000 of 3,000"),
        (run(tasks="3000"), "3,000"),
        (run(RunCounts(1_000, total=4_000), tasks="3"), "1,000 of 4,000"),
        (run(RunCounts(3, 1, 2, 1, 1), outstanding=1), "3 of 5, 1 failed, 2 retried, 1 out"),
        (run(RunCounts(3, outstanding=4)), "3 of 5"),  # its leader holds 4, the server refuses them
        (run(RunCounts(3), "completed", outstanding=1), "3 of 5"),
    ],
)
def test_a_run_says_how_far_its_tasks_are(info: RunInfo, text: str) -> None:
    assert tasks_text(info) == text


def test_a_run_says_how_it_ended() -> None:
    assert end_text(run()) == ""
    assert end_text(run(failure="a: no row", reason="cancelled")) == "a: no row"
    assert end_text(run(reason="cancelled")) == "cancelled"


def test_a_coordinator_says_what_keeps_its_runs_from_going_on() -> None:
    good, doubtful = LedRun("a", {}, 10, 1), LedRun("b", {}, 10, 1, True)
    unserved = LedRun("c", {}, 10, 1, False, "no worker serves task 't'")
    assert trouble_text(CoordinatorStatus(leaderships=(good,))) == ""
    found = trouble_text(CoordinatorStatus(leaderships=(good, doubtful, unserved)))
    assert found == "run b is being read again"
    found = trouble_text(CoordinatorStatus(leaderships=(unserved, doubtful)))
    assert found == "run c: no worker serves task 't'"
    refused = LedRun("d", {}, 10, 1, refused="OOM")
    assert trouble_text(CoordinatorStatus(leaderships=(refused, doubtful))) == "run d: OOM"
