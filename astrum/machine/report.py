"""The shapes of a run's report; `astrum.machine.report_builder` fills them.

All times are seconds since the epoch, all durations seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from astrum.machine.task_log import TaskLog


class ExecutionState(StrEnum):
    """The end of a run, or that it is under way; equal to its string."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class StageStatus(StrEnum):
    """The end of a stage, or that it is under way; equal to its string."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(slots=True)
class TaskAttemptStatistics:
    """One attempt of a task.

    ``status`` is "completed", "failed", "cancelled", "skipped", or, when distributed, "lost" and
    "handed_back", which cost none of the user's retries. ``worker_id`` is ``host:pid:…`` of the
    worker process, "" in process. ``blocked`` says for how long the attempt blocked its worker's
    event loop, and at which line ("" if it did not, and in process); ``error_message`` repeats it.
    ``traceback`` is that of the failure, "" if there is none. Before ``start_time`` it waited
    ``queued_s`` for a worker with a free slot, then ``prepared_s`` for its arguments to be fetched
    and decoded there; both are 0 in process. ``code`` names the code of its namespace that ran it,
    as `workers` does, "" if that was the plan's. ``has_log``: what it logged is
    kept, at the server or, in process, in the report, unless it was above the limit of the run.
    """

    task_name: str
    attempt_number: int
    max_retries: int
    start_time: float
    end_time: float
    duration: float
    status: str
    error_message: str | None = None
    will_retry: bool = False
    worker_id: str = ""
    timed_out: bool = False
    blocked: str = ""
    traceback: str = ""
    queued_s: float = 0.0
    prepared_s: float = 0.0
    code: str = ""
    has_log: bool = False


@dataclass(slots=True)
class TaskExecutionStatistics:
    """One task of a run. ``retry`` is its retry budget; ``attempt_count`` 0: it never ran.

    ``status`` is "completed", "failed", "cancelled", "skipped" or "blocked", and before its end
    "pending", "running" or "held". ``because`` is the task at the root of it, if the task itself is
    not: one that failed, or that was skipped. A mapped task has a row for each of its
    ``children``, and its own is about all of them; a child's ``index`` is its place on each axis,
    ``key`` what names it.

    ``reused_from`` is the run that it has its result from if it did not have to run, else "".
    """

    task_name: str
    stage_id: int
    start_time: float
    end_time: float
    duration: float
    status: str
    error_message: str | None = None
    retry: int = 0
    attempt_count: int = 0
    attempt_statistics: list[TaskAttemptStatistics] = field(default_factory=list)
    because: str | None = None
    children: list[TaskExecutionStatistics] = field(default_factory=list)
    index: tuple[int, ...] = ()
    key: str = ""
    reused_from: str = ""


@dataclass(slots=True)
class TaskStageStatistics:
    """One stage: the tasks with equally long chains of needs below them. A picture only."""

    stage_id: int
    stage_name: str
    start_time: float
    end_time: float
    duration: float
    parallel_task_count: int
    wait_task_count: int
    parallel_tasks: list[str]
    wait_tasks: list[str]


@dataclass(slots=True)
class ReopenedStatistics:
    """One time that the run was opened again after an end: when, and by whom.

    ``tasks`` were named to run again; without any, all that had not succeeded did.
    """

    at: float
    by: str
    tasks: list[str]


@dataclass(slots=True, repr=False)
class ExecutionReport:
    """The outcome of a whole run, or how far it is.

    ``task_return_set`` holds the results of all tasks that succeeded, ``original_tasks`` each
    task's dependencies, ``error_summary`` one line per failure, retry and loss, in order.
    ``total_tasks`` and the counts are of tasks and children; a mapped task counts as its
    children, and as one task before they are known.
    ``reopened`` says when the run was tried again after an end. ``reused_tasks`` of the successful
    tasks did not run: they have the results of an earlier run.
    ``inputs`` are the values that the run was started with, defaults included; a secret one is
    ``***``. ``priority`` is that of the run, without those of its tasks.

    ``logs`` has what attempts of a run in process have logged, by the name of the task and the
    number of the attempt, for example ``report.logs["load", 1].lines``; of which ones
    `AstrumConfig` says. Those of workers are at the server: see `Coordinator.log`.
    """

    total_start_time: float
    total_end_time: float
    total_duration: float
    planning_duration: float
    execution_duration: float
    total_tasks: int
    total_stages: int
    max_parallelism: int
    successful_tasks: int
    failed_tasks: int
    execution_state: ExecutionState
    stage_statistics: list[TaskStageStatistics] = field(default_factory=list)
    task_statistics: list[TaskExecutionStatistics] = field(default_factory=list)
    error_summary: list[str] = field(default_factory=list)
    original_tasks: dict[str, list[str]] = field(default_factory=dict)
    tail_tasks: list[str] = field(default_factory=list)
    task_return_set: dict[str, Any] = field(default_factory=dict)
    run_id: str = ""
    reopened: list[ReopenedStatistics] = field(default_factory=list)
    inputs: dict[str, Any] = field(default_factory=dict)
    skipped_tasks: int = 0
    blocked_tasks: int = 0
    reused_tasks: int = 0
    priority: int = 0
    logs: Mapping[tuple[str, int], TaskLog] = field(default_factory=dict, compare=False)

    def __repr__(self) -> str:
        # Short, since `asyncio.run` calls it when the report is its result.
        return (
            f"<ExecutionReport: {self.execution_state}, {self.successful_tasks} of "
            f"{self.total_tasks} tasks succeeded, {self.total_duration:.3f} s>"
        )

    def get_task_statistics_by_stage(self, stage_id: int) -> list[TaskExecutionStatistics]:
        """Return the statistics of all tasks of one stage, in plan order."""
        return [stat for stat in self.task_statistics if stat.stage_id == stage_id]

    def get_longest_task(self) -> TaskExecutionStatistics | None:
        """Return the task that took longest, `None` if no task ran."""
        ran = [stat for stat in self.task_statistics if stat.attempt_count]
        return max(ran, key=lambda stat: stat.duration, default=None)

    def get_average_task_duration(self) -> float:
        """Return the mean duration of the tasks that ran, 0.0 if none did."""
        durations = [stat.duration for stat in self.task_statistics if stat.attempt_count]
        return sum(durations) / len(durations) if durations else 0.0
