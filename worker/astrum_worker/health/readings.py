"""The metrics of a worker process: those of its attempts, and its state at the moment."""

from __future__ import annotations

import platform
import time
from collections.abc import Mapping

from astrum.redis import connection_counts
from astrum.runtime.metrics import Labels, Metric, Readings, Value, counter, gauge
from astrum.runtime.version import installed_version
from astrum_worker import attempt_metrics
from astrum_worker.claim_gate import Reason
from astrum_worker.parts import Parts

INFO = gauge("astrum_worker_info", "Always 1: what this worker runs with.", "version", "python")
SLOTS = gauge("astrum_slots", "Attempts that may run at once.", "lane")
SLOTS_USED = gauge("astrum_slots_used", "Attempts that run.", "lane")
WAITING = gauge(
    "astrum_waiting_room", "Attempts that were claimed and wait for a slot to be free.", "lane"
)
READ_AGE = gauge(
    "astrum_read_age_seconds", "Since the queues of a lane were last read to the end.", "lane"
)
UNSETTLED = gauge("astrum_unsettled", "Ends of attempts that wait to be recorded at the server.")
UNSETTLED_BYTES = gauge("astrum_unsettled_bytes", "The size of these ends.")
LEASE_MARGIN = gauge(
    "astrum_lease_margin_seconds",
    "For how long this worker still trusts its lease without another heartbeat.",
)
THREADS_HUNG = gauge("astrum_threads_hung", "Threads that still run attempts that were given up.")
LOOP_LAG = gauge(
    "astrum_loop_lag_seconds", "By how much the event loop was late at worst since the last scrape."
)
LOOP_BLOCKED = counter(
    "astrum_loop_blocked_seconds_total", "For how long tasks blocked the event loop."
)
NOT_CLAIMING = gauge("astrum_not_claiming", "1 for each reason to claim nothing now.", "reason")

METRICS: tuple[Metric, ...] = (
    *(INFO, *attempt_metrics.METRICS),
    *(SLOTS, SLOTS_USED, WAITING, READ_AGE, UNSETTLED, UNSETTLED_BYTES, LEASE_MARGIN),
    *(THREADS_HUNG, LOOP_LAG, LOOP_BLOCKED, NOT_CLAIMING, *connection_counts.METRICS),
)
"""All metrics of a worker, in the order of the answer."""


def info() -> Readings:
    """Return the metrics that a process has before its worker begins."""
    return {INFO: {(installed_version(), platform.python_version()): 1}}


def worker_readings(parts: Parts) -> Readings:
    """Return all metrics of a worker; safe to call from any thread, and asks no server."""
    now = time.monotonic()
    metrics = parts.context.metrics
    attempts: Readings = {} if metrics is None else metrics.readings()
    lag, counts = parts.detector.lag, parts.context.store.loss.counts
    reasons = parts.context.gate.reasons
    return {
        **info(),
        **attempts,
        **_lanes(parts, now),
        UNSETTLED: {(): parts.settler.unsettled},
        UNSETTLED_BYTES: {(): parts.settler.unsettled_bytes},
        LEASE_MARGIN: {(): round(parts.lease.margin_s, 3)},
        THREADS_HUNG: {(): parts.invoker.pool.hung},
        LOOP_LAG: {(): round(lag.take_worst_s(now), 6)},
        LOOP_BLOCKED: {(): round(lag.blocked_s(now), 3)},
        NOT_CLAIMING: {(reason.value,): int(reason.value in reasons) for reason in Reason},
        **counts.readings(),
    }


def _lanes(parts: Parts, now: float) -> Readings:
    lanes = {consumer.lane: consumer.status(now) for consumer in parts.consumers}
    waiting = [held.lane for held in parts.attempts.waiting()]
    ages: dict[Labels, Value] = {
        (lane,): status.read_age_s
        for lane, status in lanes.items()
        if status.read_age_s is not None
    }
    return {
        SLOTS: _by_lane({lane: status.slots for lane, status in lanes.items()}),
        SLOTS_USED: _by_lane({lane: status.used for lane, status in lanes.items()}),
        WAITING: _by_lane({lane: waiting.count(lane) for lane in lanes}),
        READ_AGE: ages,
    }


def _by_lane(numbers: Mapping[str, float]) -> dict[Labels, Value]:
    return {(lane,): number for lane, number in numbers.items()}
