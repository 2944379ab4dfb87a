"""The pure part of a run: facts, orders, the state machine between them, and its report."""

from astrum.run.events import (
    AttemptFoundOutstanding,
    AttemptSettled,
    CancelRequested,
    CapacityChanged,
    Command,
    Dispatch,
    Event,
    Finish,
    Outcome,
    RetryFellDue,
    Revoke,
    RunTimedOut,
    ScheduleRetry,
    TaskFoundUnserved,
)
from astrum.run.failure import Failure
from astrum.run.fold import RunTimes, build_report, failed_planning_report
from astrum.run.report import (
    ExecutionReport,
    ExecutionState,
    StageStatus,
    TaskAttemptStatistics,
    TaskExecutionStatistics,
    TaskStageStatistics,
)
from astrum.run.state import Chronicle, RunState, TaskState

__all__ = [
    "AttemptFoundOutstanding",
    "AttemptSettled",
    "CancelRequested",
    "CapacityChanged",
    "Chronicle",
    "Command",
    "Dispatch",
    "Event",
    "ExecutionReport",
    "ExecutionState",
    "Failure",
    "Finish",
    "Outcome",
    "RetryFellDue",
    "Revoke",
    "RunState",
    "RunTimedOut",
    "RunTimes",
    "ScheduleRetry",
    "StageStatus",
    "TaskAttemptStatistics",
    "TaskExecutionStatistics",
    "TaskFoundUnserved",
    "TaskStageStatistics",
    "TaskState",
    "build_report",
    "failed_planning_report",
]
