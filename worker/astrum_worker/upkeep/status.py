"""The status that a worker publishes, for `astrum-coordinator workers` and live views."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

from astrum.execution.threads import ThreadPool
from astrum.machine.progress import Progress
from astrum.protocol.status import (
    LoopBlock,
    RunningAttempt,
    WaitingAttempt,
    WorkerStatus,
    encode_status,
)
from astrum_worker.claiming.consumer import Consumer
from astrum_worker.context import WorkerContext
from astrum_worker.running.attempts import Attempts
from astrum_worker.running.claimed import ClaimedAttempt
from astrum_worker.upkeep.loop_block_detector import Blockage, LoopBlockDetector
from astrum_worker.upkeep.memory import rss_bytes

PROGRESS_EVERY_S = 1.0
"""Seconds from one status that is written for the progress of attempts to the next."""


class StatusBoard:
    """Builds the status; safe to call from the heartbeat thread while the event loop is blocked."""

    def __init__(
        self,
        context: WorkerContext,
        attempts: Attempts,
        consumers: Sequence[Consumer],
        detector: LoopBlockDetector,
        threads: ThreadPool,
    ) -> None:
        self._counters = context.counters
        self._gate = context.gate
        self._attempts = attempts
        self._consumers = consumers
        self._detector = detector
        self._threads = threads
        self._blockage: Blockage | None = None
        self._drain_until: float | None = None
        self._told: tuple[tuple[Progress | None, str], ...] = ()
        self._told_at = -math.inf

    def drain_until(self, deadline: float) -> None:
        """Note that the worker drains, until a monotonic time at the latest."""
        self._drain_until = deadline

    def version(self) -> tuple[object, ...]:
        """Return a value that changes when the status does, except for ages."""
        blocked_at = None if self._blockage is None else self._blockage.where
        return self._attempts.version, tuple(self._gate.reasons), blocked_at, self._told

    def snapshot(self) -> bytes:
        """Return the current status, encoded; for the heartbeat thread, which watches the loop."""
        now = time.monotonic()
        self._blockage = self._detector.look()
        self._note_progress(now)
        return encode_status(self._status(now))

    def now(self) -> WorkerStatus:
        """Return the current status, with what the last `snapshot` found of the loop."""
        return self._status(time.monotonic())

    def _status(self, now: float) -> WorkerStatus:
        blockage, drain_until = self._blockage, self._drain_until
        return WorkerStatus(
            running=tuple(running_row(held, now, blockage) for held in self._attempts.running()),
            waiting=tuple(_waiting(held, now) for held in self._attempts.waiting()),
            lanes={consumer.lane: consumer.status(now) for consumer in self._consumers},
            not_claiming=tuple(self._gate.reasons),
            blocked=None if blockage is None else _blocked(blockage),
            unsettled=self._attempts.unsettled,
            drain_left_s=None if drain_until is None else max(round(drain_until - now, 3), 0.0),
            hung_threads=self._threads.hung,
            rss_bytes=rss_bytes(),
            cpu_s=round(time.process_time(), 2),
            counters=self._counters.to_data(),
        )

    def _note_progress(self, now: float) -> None:
        """Let new progress change the version, but not more often than is worth a write."""
        if now - self._told_at < PROGRESS_EVERY_S:
            return
        running = self._attempts.running()
        told = tuple([_told(held) for held in running if _told(held) != _TOLD_NOTHING])
        if told != self._told:
            self._told, self._told_at = told, now


def running_row(held: ClaimedAttempt, now: float, blockage: Blockage | None) -> RunningAttempt:
    """Return what a status says of an attempt that runs."""
    blocks = blockage.where if blockage is not None and blockage.held is held else ""
    age_s = _age_s(held, now)
    told, said = _told(held)
    done, total, text = (None, None, "") if told is None else told
    what = (held.run_id, held.task, held.task_id, held.attempt)
    return RunningAttempt(*what, age_s, blocks, done, total, text, said, _child(held))


_TOLD_NOTHING = (None, "")


def _told(held: ClaimedAttempt) -> tuple[Progress | None, str]:
    """Return what the task told last, and the latest line that it logged."""
    log = held.context.log
    return held.context.told, "" if log is None else log.latest


def _waiting(held: ClaimedAttempt, now: float) -> WaitingAttempt:
    age_s = _age_s(held, now)
    what = (held.run_id, held.task, held.task_id, held.attempt)
    return WaitingAttempt(*what, age_s, held.lane, _child(held))


def _child(held: ClaimedAttempt) -> str:
    return "" if held.context.index is None else held.name


def _age_s(held: ClaimedAttempt, now: float) -> float:
    # The event loop may set `since` after ``now`` was read, in another thread.
    return round(max(now - held.since, 0.0), 3)


def _blocked(blockage: Blockage) -> LoopBlock:
    task_id = "" if blockage.held is None else blockage.held.task_id
    return LoopBlock(round(blockage.age_s, 3), blockage.where, task_id, blockage.source)
