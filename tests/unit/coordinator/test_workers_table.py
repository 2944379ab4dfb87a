"""The table of ``workers``."""

from __future__ import annotations

import pytest

from astrum.protocol.drains import DrainRequest
from astrum.protocol.status import LaneStatus, LoopBlock, RunningAttempt, WorkerStatus
from astrum_coordinator.cli.workers import (
    memory_text,
    note_text,
    progress_texts,
    running_text,
    state_text,
)

ATTEMPT = RunningAttempt("r", 0, "t", 1, 0.5)


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (WorkerStatus(), "claiming"),
        (WorkerStatus(not_claiming=("exclusive", "no_lease")), "exclusive, no lease"),
        (WorkerStatus(not_claiming=("draining",), drain_left_s=9.7), "draining, 10 s left"),
        (WorkerStatus(blocked=LoopBlock(31.0, "pdf.py:8", "parse")), "blocked by parse for 31 s"),
        (WorkerStatus(blocked=LoopBlock(31.0, "pdf.py:8")), "blocked by pdf.py:8 for 31 s"),
    ],
)
def test_the_state_of_a_worker_says_whether_it_claims_and_if_not_why(
    status: WorkerStatus, text: str
) -> None:
    assert state_text(status) == text


def test_a_worker_that_has_not_begun_to_drain_says_who_asked_it_to() -> None:
    request = DrainRequest("ann@host:1")
    assert state_text(WorkerStatus(), request) == "asked to drain by ann@host:1"
    blocked = WorkerStatus(blocked=LoopBlock(31.0, "pdf.py:8", "parse"))
    assert state_text(blocked, request) == "asked to drain by ann@host:1, blocked by parse for 31 s"
    draining = WorkerStatus(not_claiming=("draining",), drain_left_s=9.7)
    assert state_text(draining, request) == "draining, 10 s left"


def test_children_are_named() -> None:
    told = ATTEMPT._replace(child="t[3]", blocks="pdf.py:8", done=7)
    status = WorkerStatus(running=(told,), blocked=LoopBlock(31.0, "pdf.py:8", "t"))
    assert progress_texts(status) == ["t[3]: 7 done"]
    assert state_text(status) == "blocked by t[3] for 31 s"


def test_running_attempts_are_shown_beside_the_slots() -> None:
    lanes = {"async": LaneStatus(100, 1), "thread": LaneStatus(4, 0)}
    assert running_text(WorkerStatus(running=(ATTEMPT,), lanes=lanes)) == "1 of 104"
    assert running_text(WorkerStatus(running=(ATTEMPT,))) == "1"


def test_each_attempt_that_told_how_far_it_is_has_a_note_up_to_a_limit() -> None:
    told = ATTEMPT._replace(done=7, total=10, text="rows")
    assert progress_texts(WorkerStatus(running=(told, ATTEMPT))) == ["t: 7 of 10 (70 %), rows"]
    assert progress_texts(WorkerStatus(running=(told,) * 5))[3:] == [
        "t: 7 of 10 (70 %), rows",
        "...",
    ]


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (WorkerStatus(), ""),
        (WorkerStatus(unsettled=214), "214 ends not delivered yet"),
        (WorkerStatus(hung_threads=1), "1 thread hung in tasks given up"),
        (WorkerStatus(lanes={"async": LaneStatus(8, 1, 7, 31.4)}), "read its queues 31 s ago"),
        (WorkerStatus(lanes={"async": LaneStatus(8, 1, 7, 4.0)}), ""),
        (WorkerStatus(lanes={"async": LaneStatus(8, 8, 0, 99.0)}), ""),
        (WorkerStatus(lanes={"async": LaneStatus(8, 1, 7, 99.0)}, not_claiming=("draining",)), ""),
    ],
)
def test_what_is_unusual_about_a_worker_is_said(status: WorkerStatus, text: str) -> None:
    assert note_text(status) == text


def test_the_memory_of_a_worker_has_a_unit_that_suits_it() -> None:
    sizes = (None, 312 * 2**20, 3 * 2**29)
    texts = [memory_text(WorkerStatus(rss_bytes=size)) for size in sizes]
    assert texts == ["-", "312 MiB", "1.5 GiB"]
