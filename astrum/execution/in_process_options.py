"""The settings of a run in this process."""

from __future__ import annotations

from dataclasses import dataclass

from astrum.config import DEFAULT_TASK_LOGS_LIMIT, DEFAULT_THREADS, AstrumConfig
from astrum.machine.observer import RunObserver
from astrum.runtime.log_records import FAILED_LOGS


@dataclass(frozen=True, kw_only=True)
class InProcessOptions:
    """The settings of a run in this process.

    ``silence=False`` logs starts, ends and retries. ``check_wire`` sends every value through
    the codec, as the distributed mode would. ``timeout_s`` bounds the whole run, ``thread_limit``
    the threads of its sync functions (`None`: as many as there are). ``priority`` is only shown:
    there is no other run to compare with. ``task_logs``, ``capture_print`` and ``task_logs_limit``
    are as in `AstrumConfig`.
    """

    silence: bool = True
    check_wire: bool = False
    timeout_s: float | None = None
    thread_limit: int | None = DEFAULT_THREADS
    run_id: str = ""
    priority: int = 0
    observer: RunObserver | None = None
    task_logs: str = FAILED_LOGS
    capture_print: bool = False
    task_logs_limit: int = DEFAULT_TASK_LOGS_LIMIT

    @classmethod
    def by_config(cls, config: AstrumConfig, *, run_id: str, priority: int) -> InProcessOptions:
        """Return the settings that a config has for a run."""
        return cls(
            silence=config.silence,
            check_wire=config.check_wire,
            thread_limit=config.thread_limit,
            run_id=run_id,
            priority=priority,
            task_logs=config.task_logs,
            capture_print=config.capture_print,
            task_logs_limit=config.task_logs_limit,
        )
