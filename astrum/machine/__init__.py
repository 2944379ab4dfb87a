"""The pure part of a run: events, commands, the state machine between them, and the report.

No clock, network, event loop or random numbers. May import `planning` and `errors`.
"""

from astrum.machine.attempt_log import AttemptLog
from astrum.machine.events import (
    AttemptFoundOutstanding,
    AttemptSettled,
    AttemptWithdrawn,
    CancelRequested,
    CapacityChanged,
    CleanupStopped,
    Command,
    Dispatch,
    Event,
    Finish,
    Outcome,
    Released,
    Reopened,
    RetryFellDue,
    RetryHurried,
    Revoke,
    RoutesChanged,
    RunTimedOut,
    ScheduleRetry,
    TaskFoundUnserved,
    TaskReused,
    WorkerReturned,
)
from astrum.machine.failure import Failure
from astrum.machine.report import (
    ExecutionReport,
    ExecutionState,
    StageStatus,
    TaskAttemptStatistics,
    TaskExecutionStatistics,
    TaskStageStatistics,
)
from astrum.machine.report_builder import RunTimes, build_report, failed_planning_report
from astrum.machine.routes import Routes
from astrum.machine.state import RunState
from astrum.machine.task_state import TaskState
from astrum.machine.task_table import TaskTable

__all__ = [
    "AttemptFoundOutstanding",
    "AttemptLog",
    "AttemptSettled",
    "AttemptWithdrawn",
    "CancelRequested",
    "CapacityChanged",
    "CleanupStopped",
    "Command",
    "Dispatch",
    "Event",
    "ExecutionReport",
    "ExecutionState",
    "Failure",
    "Finish",
    "Outcome",
    "Released",
    "Reopened",
    "RetryFellDue",
    "RetryHurried",
    "Revoke",
    "Routes",
    "RoutesChanged",
    "RunState",
    "RunTimedOut",
    "RunTimes",
    "ScheduleRetry",
    "StageStatus",
    "TaskAttemptStatistics",
    "TaskExecutionStatistics",
    "TaskFoundUnserved",
    "TaskReused",
    "TaskStageStatistics",
    "TaskState",
    "TaskTable",
    "WorkerReturned",
    "build_report",
    "failed_planning_report",
]
