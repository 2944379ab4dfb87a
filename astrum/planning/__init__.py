"""Makes a `Plan` from declared tasks: order, checks, and a picture of it.

May import `data_transport`, `runtime`, `config` and `errors`.
"""

from astrum.data_transport.bindings import Binding
from astrum.planning.build import AttemptOptions, build_plan
from astrum.planning.contract import lane_of
from astrum.planning.execution_plan import ExecutionPlan, ExecutionStage
from astrum.planning.fingerprint import VERSION_POLICIES, advice, difference, fingerprint
from astrum.planning.order import TaskOrder
from astrum.planning.plan import Lane, Plan, TaskSpec
from astrum.planning.planner import ExecutionPlanner
from astrum.planning.retry_policy import RetryPolicy
from astrum.planning.run_inputs import InputSpec

__all__ = [
    "VERSION_POLICIES",
    "AttemptOptions",
    "Binding",
    "ExecutionPlan",
    "ExecutionPlanner",
    "ExecutionStage",
    "InputSpec",
    "Lane",
    "Plan",
    "RetryPolicy",
    "TaskOrder",
    "TaskSpec",
    "advice",
    "build_plan",
    "difference",
    "fingerprint",
    "lane_of",
]
