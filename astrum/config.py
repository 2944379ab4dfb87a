"""The settings of building and running a flow, in one object."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

from astrum.errors import nearest_choice

DEFAULT_THREADS = 64
"""Sync functions of one run in process that run at once, unless its config says otherwise."""
TaskLogs = Literal["failed", "all", "off"]
DEFAULT_TASK_LOGS_LIMIT = 64 * 1024 * 1024
"""The most bytes that the logs of one run have together, unless an option says otherwise."""
_POLICIES = ("stop", "continue", "ignore")


@dataclass(frozen=True, kw_only=True)
class AstrumConfig:
    """The settings by which a flow is built and run; checked when they are made.

    Building: ``skip_type_check`` leaves declared types unchecked, at build time and at run time;
    ``infer_via_ast`` reads a missing return type from the function's source;
    ``strict_topology`` demands that `TaskData` declares each relation on both ends;
    ``allow_no_dir_definition`` accepts an upstream without a return type;
    ``auto_sync_dependencies`` makes every data relation a dependency too;
    ``class_instances`` supplies ``self`` of tasks that are instance methods.

    Running: ``concurrency_limit`` bounds the tasks that run at once (``None`` = no bound);
    ``ignore_tail_task`` names tasks whose end the run does not wait for; ``on_failure`` is the
    policy of tasks that name none ("stop", "continue" or "ignore"); ``max_children`` bounds the
    children of each task, and a longer list fails the task that returned it; ``cleanup_s`` bounds
    the seconds that tasks with ``always=True`` have from the time at which the run stops.

    In process, ``thread_limit`` bounds the sync functions that run at once, each in a thread
    (``None`` = no bound). Those beyond it wait for a thread; the waiting time does not count
    towards a ``timeout``. So sync tasks that wait for each other, other than by ``depends_on``,
    need a limit that lets all of them run, or they wait forever. Workers have ``--threads``.

    In process a value is not copied but shared: a task that changes its argument changes it for
    every other reader, for its own retry and in the report. Workers get copies instead.
    ``check_wire`` encodes and decodes every value in process as workers do: each reader and each
    attempt gets a value of its own, and what cannot travel is refused. Use it in tests.

    Output: ``visualize`` prints the graph before it runs, ``silence=False`` logs task starts,
    ends and retries, ``silence_warnings`` suppresses build-time warnings.

    In process, ``task_logs`` says of which attempts the report has what they logged: of those that
    did not succeed ("failed"), of "all" or of none ("off"); with ``capture_print`` what they print
    too. All logs of a run have at most ``task_logs_limit`` bytes. Workers have options for it.

    Raises ``TypeError`` or ``ValueError`` for a limit that is not a positive number and for an
    unknown policy.
    """

    skip_type_check: bool = False
    infer_via_ast: bool = False
    strict_topology: bool = False
    allow_no_dir_definition: bool = True
    auto_sync_dependencies: bool = True
    visualize: bool = False
    silence_warnings: bool = False
    silence: bool = True
    concurrency_limit: int | None = None
    ignore_tail_task: list[str] = field(default_factory=list)
    class_instances: list[Any] = field(default_factory=list)
    check_wire: bool = False
    thread_limit: int | None = DEFAULT_THREADS
    on_failure: Literal["stop", "continue", "ignore"] = "stop"
    max_children: int = 1_000_000
    cleanup_s: float = 60.0
    task_logs: TaskLogs = "failed"
    capture_print: bool = False
    task_logs_limit: int = DEFAULT_TASK_LOGS_LIMIT

    def __post_init__(self) -> None:
        _check_limit("concurrency_limit", self.concurrency_limit)
        _check_limit("thread_limit", self.thread_limit)
        _check_limit("max_children", self.max_children, "")
        _check_limit("task_logs_limit", self.task_logs_limit, "")
        _check_policy(self.on_failure)
        _check_task_logs(self.task_logs, self.capture_print)
        _check_duration("cleanup_s", self.cleanup_s)
        if isinstance(self.ignore_tail_task, str):
            raise TypeError(f"ignore_tail_task must be a list, got {self.ignore_tail_task!r}")
        # Copies: the caller may change its list later, and this object is frozen.
        object.__setattr__(self, "ignore_tail_task", list(self.ignore_tail_task or ()))
        object.__setattr__(self, "class_instances", list(self.class_instances or ()))

    def build_semaphore(self) -> asyncio.Semaphore | None:
        """Return a new semaphore of ``concurrency_limit`` places, or ``None`` without a limit."""
        limit = self.concurrency_limit
        return None if limit is None else asyncio.Semaphore(limit)


def checked_config(config: AstrumConfig | None) -> AstrumConfig:
    """Return a config, the default for ``None``; raises ``TypeError`` for anything else."""
    if config is None:
        return AstrumConfig()
    if not isinstance(config, AstrumConfig):
        raise TypeError(
            f"config must be an AstrumConfig, got {config!r}: write config=AstrumConfig(...)"
        )
    return config


def changed(config: AstrumConfig, **settings: Any) -> AstrumConfig:
    """Return a config with those of the settings that are not `None`."""
    given = {name: value for name, value in settings.items() if value is not None}
    return replace(config, **given) if given else config


def _check_policy(on_failure: Any) -> None:
    if on_failure not in _POLICIES:
        hint = nearest_choice(on_failure, _POLICIES)
        raise ValueError(
            f"on_failure must be 'stop', 'continue' or 'ignore', got {on_failure!r}{hint}"
        )


def _check_task_logs(task_logs: Any, capture_print: bool) -> None:
    if task_logs not in get_args(TaskLogs):
        hint = nearest_choice(task_logs, get_args(TaskLogs))
        raise ValueError(f"task_logs must be 'failed', 'all' or 'off', got {task_logs!r}{hint}")
    if capture_print and task_logs == "off":
        raise ValueError("capture_print needs logs: task_logs='off' keeps none")


def _check_duration(name: str, seconds: Any) -> None:
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
        raise TypeError(f"{name} must be a number of seconds, got {seconds!r}")
    if not 0 < seconds < math.inf:
        raise ValueError(f"{name} must be a positive number of seconds, got {seconds!r}")


def _check_limit(name: str, limit: Any, or_none: str = " or None") -> None:
    if limit is None and or_none:
        return
    if isinstance(limit, bool) or not isinstance(limit, int):
        raise TypeError(f"{name} must be an integer{or_none}, got {limit!r}")
    if limit <= 0:
        raise ValueError(f"{name} must be at least 1, got {limit}")
