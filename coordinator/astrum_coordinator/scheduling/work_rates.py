"""How many attempts per second the workers end, from the counters in their statuses."""

from __future__ import annotations

from collections.abc import Iterable

from astrum.protocol.records import WorkerInfo

_LEAST_APART_S = 1.0


class WorkRates:
    """Compares the counters of each worker's lanes at two looks.

    Counters are some seconds old, so a rate that has just risen is not trusted at once: it may
    only double from one look to the next. Looks that follow each other closely are not compared.
    """

    def __init__(self) -> None:
        self._looked_at = 0.0
        self._ended: dict[tuple[str, str], int] = {}
        self._rates: dict[tuple[str, str], float] = {}

    def look(self, now: float, workers: Iterable[WorkerInfo]) -> None:
        """Take in the counters of all live workers, at a monotonic time."""
        passed_s = now - self._looked_at
        if passed_s < _LEAST_APART_S:
            return
        ended = {
            (worker.worker_id, lane): status.ended
            for worker in workers
            for lane, status in worker.status.lanes.items()
        }
        known = self._ended.keys() & ended.keys()
        measured = {key: max(ended[key] - self._ended[key], 0) / passed_s for key in known}
        self._rates = {key: self._limited(key, rate) for key, rate in measured.items()}
        self._ended, self._looked_at = ended, now

    def of(self, worker_id: str, lane: str) -> float:
        """Return the ends per second of a worker's lane."""
        return self._rates.get((worker_id, lane), 0.0)

    def _limited(self, key: tuple[str, str], rate: float) -> float:
        before = self._rates.get(key, 0.0)
        return min(rate, 2 * before) if before else rate
