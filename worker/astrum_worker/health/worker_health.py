"""Judges the worker of this process, from threads that a blocked event loop does not hold up."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from astrum.runtime.metrics import Readings
from astrum.runtime.version import installed_version
from astrum_worker.app import Worker
from astrum_worker.claim_gate import Reason
from astrum_worker.config import WorkerConfig
from astrum_worker.health.readings import info, worker_readings

STILL_S = 30.0
"""The heartbeat thread does a pass every half second; its calls to the server end sooner."""
PATIENCE = 3
"""So many times as long as it may take is too long."""

STARTING = "starting"
LEASE_THREAD = "lease_thread_still"
LOOP_BLOCKED = "loop_blocked"
NOT_READING = "not_reading"


class WorkerHealth:
    """As `HealthSource`. `watch` names the worker; before it the process imports its modules."""

    def __init__(self, config: WorkerConfig) -> None:
        self._config = config
        self._worker: Worker | None = None

    def watch(self, worker: Worker) -> None:
        """Judge this worker from now on."""
        self._worker = worker

    async def live(self) -> list[str]:
        """Return a reason to end the process: its heartbeat thread does not go on.

        The server may be away for any time, and a task may block the event loop: a new process
        would not help with the one, and the worker itself ends for the other.
        """
        worker = self._worker
        is_still = worker is not None and worker.parts.lease.still_s > STILL_S
        return [LEASE_THREAD] if is_still else []

    async def ready(self) -> list[str]:
        """Return why the worker does not take attempts, all reasons in short words.

        Waiting for an exclusive attempt to end is part of its work, and so are busy slots.
        """
        worker = self._worker
        if worker is None or not worker.is_serving:
            ends = worker is not None and worker.is_stopping
            return [Reason.DRAINING.value if ends else STARTING]
        parts, now = worker.parts, time.monotonic()
        found = {word for word in parts.context.gate.reasons if word != Reason.EXCLUSIVE.value}
        if not parts.lease.is_trusted:
            found.add(Reason.NO_LEASE.value)
        config, blocked_s = self._config, parts.detector.lag.late_s(now)
        if blocked_s > PATIENCE * config.blocked_after_s:
            found.add(LOOP_BLOCKED)
        if blocked_s <= config.blocked_after_s:  # else no read can end
            limit_s = PATIENCE * config.claim_wait_s
            late = [one.lane for one in parts.consumers if one.due_s(now) > limit_s]
            found |= {f"{NOT_READING}:{lane}" for lane in late}
        return sorted(found)

    async def metrics(self) -> Readings:
        """Return all metrics of the worker."""
        return info() if self._worker is None else worker_readings(self._worker.parts)

    async def status(self) -> dict[str, Any]:
        """Return what the worker publishes of itself, as it is now."""
        process = {
            "pid": os.getpid(),
            "version": installed_version(),
            "python": platform.python_version(),
        }
        worker = self._worker
        if worker is None:
            return process | {"worker_id": None, "status": None}
        status = worker.parts.board.now()
        told = {part.name: _plain(getattr(status, part.name)) for part in fields(status)}
        return process | {"worker_id": worker.worker_id, "status": told}


def _plain(value: Any) -> Any:
    """Return a part of a status for JSON: rows become objects."""
    if hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, Mapping):
        return {name: _plain(part) for name, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, tuple) else value
