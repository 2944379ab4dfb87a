"""What a pool says about a run, from the records of workers, coordinators and queues."""

from __future__ import annotations

from astrum.machine.progress import Progress
from astrum.protocol.records import CoordinatorInfo, RunInfo, WorkerInfo
from astrum.protocol.status import CoordinatorStatus, LedRun, RunningAttempt, WorkerStatus
from astrum.view.progress.pool_facts import PoolFacts, pool_facts
from astrum.view.queues import QueueState


def queue(name: str, paused: str = "") -> QueueState:
    return QueueState(
        queue=name, waiting=3, running=1, oldest_waiting_s=1.0, workers=(), lanes={}, paused=paused
    )


def info(*, lease_s: float = 5.0, state: str = "open", waits_until: float | None = None) -> RunInfo:
    return RunInfo(
        run_id="r",
        state=state,
        epoch=1,
        owner="host:1:a",
        lease_s=lease_s,
        created_at=0.0,
        ended_at=None,
        outstanding=0,
        late_ends=0,
        details={},
        waits_until=waits_until,
    )


def facts(of: RunInfo | None = None, led: LedRun | None = None, *queues: QueueState) -> PoolFacts:
    attempts = (
        RunningAttempt("r", 4, "t", 2, 7.0, "", 3.0, 10.0, "reading"),
        RunningAttempt("another", 4, "t", 2, 7.0),
    )
    worker = WorkerInfo(
        worker_id="w", lease_s=9.0, details={}, status=WorkerStatus(running=attempts)
    )
    status = CoordinatorStatus(led_count=1, leaderships=() if led is None else (led,))
    coordinator = CoordinatorInfo(owner="host:1:a", age_s=0.1, details={}, status=status)
    return pool_facts("r", 50.0, of or info(), ["cpu"], [worker], [coordinator], queues)


def test_the_attempts_of_the_run_are_found_with_what_they_told() -> None:
    [(attempt, found)] = facts().running.items()
    assert attempt == (4, 2)
    assert found == ("w", 7.0, Progress(3.0, 10.0, "reading"))


def test_only_the_queues_of_the_run_count() -> None:
    said = facts(None, None, queue("cpu", "queue 'cpu' is paused by ann"), queue("gpu"))
    assert [one.queue for one in said.queues] == ["cpu"]
    assert said.troubles == ("queue 'cpu' is paused by ann",)


def test_the_leader_says_what_holds_the_run_back() -> None:
    led = LedRun("r", {}, 10, 0, True, "task 'a': nothing serves it", None, "memory is full")
    assert facts(None, led).troubles == (
        "the server refuses what is to be dispatched: memory is full",
        "task 'a': nothing serves it",
        "the server holds another state than the leader expects; the run is read again",
    )


def test_a_run_without_a_leader_says_so_unless_it_waits_or_is_over() -> None:
    assert "no coordinator leads the run" in facts(info(lease_s=0.0)).troubles[0]
    assert facts(info(lease_s=0.0, waits_until=99.0)).troubles == ()
    assert facts(info(lease_s=0.0, state="completed")).troubles == ()
