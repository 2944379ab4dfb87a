"""The status that a worker publishes, for `astrum-coordinator workers` and live views."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import msgpack

from astrum_worker.claim_gate import ClaimGate
from astrum_worker.counters import Counters
from astrum_worker.running.attempts import Attempts
from astrum_worker.running.claimed import ClaimedAttempt
from astrum_worker.running.slots import Slots
from astrum_worker.settling.settler import Settler
from astrum_worker.upkeep.loop_block_detector import Blockage, LoopBlockDetector


class StatusBoard:
    """Builds the status; safe to call from the heartbeat thread while the event loop is blocked."""

    def __init__(
        self,
        attempts: Attempts,
        settler: Settler,
        counters: Counters,
        slots: Mapping[str, Slots],
        gate: ClaimGate,
        detector: LoopBlockDetector,
    ) -> None:
        self._attempts = attempts
        self._settler = settler
        self._counters = counters
        self._slots = slots
        self._gate = gate
        self._detector = detector
        self._blockage: Blockage | None = None

    def version(self) -> tuple[object, ...]:
        """Return a value that changes when the status does, except for ages."""
        blocked_at = None if self._blockage is None else self._blockage.where
        return self._attempts.version, tuple(self._gate.reasons), blocked_at

    def snapshot(self) -> bytes:
        """Return the current status, encoded."""
        self._blockage = blockage = self._detector.look()
        now = time.monotonic()
        status = {
            "running": [_row(held, now, blockage) for held in self._attempts.running()],
            "unsettled": self._settler.unsettled,
            "free": {lane: slots.free for lane, slots in self._slots.items()},
            "counters": self._counters.to_data(),
            "not_claiming": self._gate.reasons,
            "blocked": None if blockage is None else _blocked(blockage),
        }
        packed: bytes = msgpack.packb(status, unicode_errors="backslashreplace")
        return packed


def _row(held: ClaimedAttempt, now: float, blockage: Blockage | None) -> dict[str, Any]:
    row = {
        "run_id": held.run_id,
        "task": held.task,
        "task_id": held.task_id,
        "attempt": held.attempt,
        "age_s": round(now - held.since, 3),
    }
    if blockage is not None and blockage.held is held:
        row["blocks"] = blockage.where
    return row


def _blocked(blockage: Blockage) -> dict[str, Any]:
    return {
        "age_s": round(blockage.age_s, 3),
        "where": blockage.where,
        "source": blockage.source,
        "task_id": "" if blockage.held is None else blockage.held.task_id,
    }
