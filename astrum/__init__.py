"""Run graphs of Python functions: in this process, or across worker processes on many hosts.

Importing this package imports no Redis client; `Coordinator` does when it is asked for. May import
`astrum_coordinator`, then only; each folder inside names what it may import.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from astrum.config import AstrumConfig
from astrum.data_transport import (
    DROP,
    Case,
    Each,
    F,
    From,
    Input,
    Ref,
    Resource,
    T,
    TaskFailure,
    To,
)
from astrum.errors import (
    AstrumError,
    ResourceError,
    SchedulerError,
    Skip,
    TaskDependencyError,
    TaskDuplicateExecutionError,
    TaskNotFoundError,
    TaskOrderLoopError,
    TaskOrderNoExitError,
    TaskRegistrationError,
)
from astrum.execution.attempt import current_attempt
from astrum.flow.registry import (
    SchedulerRegistry,
    active_namespace,
    build_scheduler,
    build_task_orders,
    clear_registry,
    get_registry,
    run,
    task,
    use_namespace,
)
from astrum.flow.resources import resource
from astrum.flow.scheduler import DEFAULT_NAMESPACE, DynamicScheduler
from astrum.flow.task_declaration import RegisteredTask
from astrum.flow.task_options import TaskOptions
from astrum.machine import (
    ExecutionReport,
    ExecutionState,
    StageStatus,
    TaskAttemptStatistics,
    TaskExecutionStatistics,
    TaskStageStatistics,
)
from astrum.planning import (
    ExecutionPlan,
    ExecutionPlanner,
    ExecutionStage,
    RetryPolicy,
    TaskOrder,
)

if TYPE_CHECKING:
    from astrum_coordinator import Client as Client
    from astrum_coordinator import Coordinator as Coordinator
    from astrum_coordinator import FromRun as FromRun
    from astrum_coordinator import RunEvent as RunEvent
    from astrum_coordinator import RunHandle as RunHandle
    from astrum_coordinator import SyncClient as SyncClient
    from astrum_coordinator import SyncRunHandle as SyncRunHandle
    from astrum_coordinator import TakeOver as TakeOver

_OF_THE_COORDINATOR = (
    "Client",
    "Coordinator",
    "FromRun",
    "RunEvent",
    "RunHandle",
    "SyncClient",
    "SyncRunHandle",
    "TakeOver",
)

__all__ = [
    "DEFAULT_NAMESPACE",
    "DROP",
    "AstrumConfig",
    "AstrumError",
    "Case",
    "DynamicScheduler",
    "Each",
    "ExecutionPlan",
    "ExecutionPlanner",
    "ExecutionReport",
    "ExecutionStage",
    "ExecutionState",
    "F",
    "From",
    "Input",
    "Ref",
    "RegisteredTask",
    "Resource",
    "ResourceError",
    "RetryPolicy",
    "SchedulerError",
    "SchedulerRegistry",
    "Skip",
    "StageStatus",
    "T",
    "TaskAttemptStatistics",
    "TaskDependencyError",
    "TaskDuplicateExecutionError",
    "TaskExecutionStatistics",
    "TaskFailure",
    "TaskNotFoundError",
    "TaskOptions",
    "TaskOrder",
    "TaskOrderLoopError",
    "TaskOrderNoExitError",
    "TaskRegistrationError",
    "TaskStageStatistics",
    "To",
    "active_namespace",
    "build_scheduler",
    "build_task_orders",
    "clear_registry",
    "current_attempt",
    "get_registry",
    "resource",
    "run",
    "task",
    "use_namespace",
]


def __getattr__(name: str) -> Any:
    if name in _OF_THE_COORDINATOR:
        return getattr(import_module("astrum_coordinator"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, *_OF_THE_COORDINATOR]
