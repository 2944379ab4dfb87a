"""The settings of a worker process, checked on construction."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from astrum.config import DEFAULT_TASK_LOGS_LIMIT
from astrum.planning.plan import DEFAULT_QUEUE, is_queue_name
from astrum.redis import RedisSettings
from astrum.redis.blobs import MAX_BLOB_BYTES
from astrum.runtime.log_records import FAILED_LOGS, TASK_LOGS

MIB = 1024 * 1024
_POSITIVE = (
    *("concurrency", "threads", "lease_s", "block_s", "batch_items", "batch_bytes"),
    "task_logs_limit",
)


def default_threads() -> int:
    """Return the number of processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0)) or 1
    return os.cpu_count() or 1


@dataclass(frozen=True, kw_only=True)
class WorkerConfig:
    """The settings of one worker process; all ``_s`` are seconds.

    ``modules`` are imported and everything they declare is served, for ``queues``.
    ``concurrency`` bounds async attempts, ``threads`` sync ones. A drain lets attempts finish for
    ``grace_s``. ``wait_for_store`` waits at the start for as long as it takes.

    The lease of ``lease_s`` is renewed every third of it; ``trust_s`` after the start of the last
    good heartbeat the worker claims nothing more. The worker ends when ``max_hung`` threads
    (default: as many as ``threads``) still run attempts that were given up, for
    ``hung_patience_s``. A blocking read waits ``block_s`` at most; a reader that has not finished
    a read for three times that is restarted.

    After ``max_attempts``, or with more than ``max_rss_bytes`` of memory after an attempt, the
    worker ends, for a new process to take its place (`None`: no limit).

    The event loop counts as blocked after ``blocked_after_s``, and a warning is logged. If one
    attempt blocks it for longer than ``blocked_limit_s`` the process ends; 0 means no limit.

    ``task_logs`` says of which attempts the logs are stored: of those that did not succeed
    ("failed"), of "all", also while they run, or of none ("off"). With ``capture_print`` what they
    print belongs to it. The logs of one run have at most ``task_logs_limit`` bytes together; a
    quarter of it is kept for attempts that fail.

    ``metrics_tasks`` is how many tasks have metrics of their own (`None`: no metrics are kept).
    """

    modules: tuple[str, ...]
    redis: RedisSettings
    queues: tuple[str, ...] = (DEFAULT_QUEUE,)
    concurrency: int = 100
    threads: int = field(default_factory=default_threads)
    max_hung: int | None = None
    hung_patience_s: float = 5.0
    grace_s: float = 30.0
    wait_for_store: bool = False
    lease_s: float = 15.0
    block_s: float = 5.0
    status_every_s: float = 0.5
    blocked_after_s: float = 1.0
    blocked_limit_s: float = 300.0
    max_attempts: int | None = None
    max_rss_bytes: int | None = None
    reconcile_every_s: float = 30.0
    exclusive_every_s: float = 1.0
    resettle_window_s: float = 5.0
    batch_items: int = 256
    batch_bytes: int = 256 * 1024
    inline_bytes: int = 64 * 1024
    max_value_bytes: int = MAX_BLOB_BYTES
    blob_cache_bytes: int = 256 * MIB
    unsettled_bytes: int = 256 * MIB
    unsettled_items: int = 20_000
    task_logs: str = FAILED_LOGS
    capture_print: bool = False
    task_logs_limit: int = DEFAULT_TASK_LOGS_LIMIT
    metrics_tasks: int | None = None

    def __post_init__(self) -> None:
        if not self.modules:
            raise ValueError("a worker needs at least one module")
        if not self.queues or not all(map(is_queue_name, self.queues)):
            raise ValueError("a worker needs at least one queue, named without ':' and ','")
        for name in _POSITIVE:
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)!r}")
        if not 0 < self.max_value_bytes <= MAX_BLOB_BYTES:
            raise ValueError(f"max_value_bytes must be in 1..{MAX_BLOB_BYTES}: readers refuse more")
        if self.grace_s < 0 or self.hung_limit < 1:
            raise ValueError("grace_s may not be negative, max_hung must be at least 1")
        for limit in (self.max_attempts, self.max_rss_bytes):
            if limit is not None and limit < 1:
                raise ValueError(f"max_attempts and max_rss_bytes must be positive, got {limit!r}")
        if self.blocked_limit_s < 0:
            raise ValueError(f"blocked_limit_s may not be negative, got {self.blocked_limit_s!r}")
        _check_task_logs(self.task_logs)

    @property
    def beat_every_s(self) -> float:
        """The seconds between two renewals of the lease."""
        return self.lease_s / 3

    @property
    def claim_wait_s(self) -> float:
        """The seconds for which a read for claims may wait at the server.

        Less than is left of the lease: the server also delivers to a reader whose process is
        stopped or cut off by now, and such attempts must be found again.
        """
        return min(self.block_s, self.lease_s / 3)

    @property
    def trust_s(self) -> float:
        """The seconds after the start of the last good heartbeat in which the lease counts."""
        return self.lease_s * 13 / 15

    @property
    def hung_limit(self) -> int:
        """The number of abandoned threads at which the worker ends."""
        return self.threads if self.max_hung is None else self.max_hung


def _check_task_logs(chosen: str) -> None:
    if chosen not in TASK_LOGS:
        raise ValueError(f"task_logs must be one of {', '.join(TASK_LOGS)}, got {chosen!r}")
