"""How many attempts per second the workers end, by their counters."""

from __future__ import annotations

from astrum.protocol.records import WorkerInfo
from astrum.protocol.status import LaneStatus, WorkerStatus
from astrum_coordinator.scheduling.work_rates import WorkRates


def _worker(ended: int) -> WorkerInfo:
    status = WorkerStatus(lanes={"async": LaneStatus(4, 0, 4, None, ended)})
    return WorkerInfo(worker_id="w", lease_s=10.0, details={}, status=status)


def test_looks_that_follow_each_other_closely_are_not_compared() -> None:
    rates = WorkRates()
    rates.look(100.0, [_worker(0)])
    rates.look(102.0, [_worker(200)])
    rates.look(102.1, [_worker(400)])
    assert rates.of("w", "async") == 100.0
    rates.look(104.0, [_worker(400)])
    assert rates.of("w", "async") == 100.0


def test_a_rate_doubles_at_most() -> None:
    rates = WorkRates()
    for second, ended in ((100.0, 0), (102.0, 200), (104.0, 2_200)):
        rates.look(second, [_worker(ended)])
    assert rates.of("w", "async") == 200.0
