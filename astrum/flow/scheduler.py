"""`DynamicScheduler`: one flow made of functions and their order, planned once, run on a host."""

from __future__ import annotations

import asyncio
import copy
import inspect
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from astrum.config import AstrumConfig, checked_config
from astrum.data_transport import check_types, declared_types, why_local_only
from astrum.data_transport.bindings import TaskInputs
from astrum.data_transport.types.run_inputs import declarations_in, declared_inputs
from astrum.errors import (
    RunError,
    SchedulerError,
    TaskDependencyError,
    TaskDuplicateExecutionError,
    TaskNotFoundError,
    nearest,
)
from astrum.execution.input_specs import input_specs
from astrum.execution.invoke import BoundTask, Flow
from astrum.flow.task_declaration import check_task_function
from astrum.machine import ExecutionReport, failed_planning_report
from astrum.planning import picture
from astrum.planning.build import (
    DEFAULT_OPTIONS,
    NO_INPUTS,
    NO_TASK_EDGES,
    AttemptOptions,
    build_plan,
    make_retry,
    policies_of,
)
from astrum.planning.edge_needs import Needs, edges_of
from astrum.planning.edges import Resolved, TaskEdges
from astrum.planning.execution_plan import ExecutionPlan, build_execution_plan
from astrum.planning.inputs import add_data_needs, check_filled, resolve_task_inputs
from astrum.planning.order import TaskOrder
from astrum.planning.plan import Plan
from astrum.planning.planner import ExecutionPlanner, checked_orders, upstream_first
from astrum.planning.priorities import is_priority, not_a_priority
from astrum.planning.resources import NO_FUNCTIONS, ResourceGraph, Uses, names_needed
from astrum.planning.retry_policy import RetryPolicy
from astrum.planning.run_inputs import NO_INPUTS as NO_RUN_INPUTS
from astrum.planning.run_inputs import GivenInputs, InputSpec
from astrum.runtime.collector import collector_paused

if TYPE_CHECKING:
    from astrum.data_transport import TaskData

DEFAULT_NAMESPACE = "default"

Task = tuple[str, Callable[..., Any]]


class Executor(Protocol):
    """An object that can run a flow to its end: for example a coordinator."""

    async def run_flow(self, flow: Flow, config: AstrumConfig) -> ExecutionReport:
        """Run the flow and return its report; failures of tasks are in the report.

        An executor that can run flows with inputs, under a given run id or with a priority takes
        them as ``inputs``, ``run_id`` and ``priority``; they are passed only if there are any.
        """


class _Draft(NamedTuple):
    """A checked graph: needs, with every task after those it needs, resolved inputs and edges."""

    needs: dict[str, Sequence[str]]
    inputs: Mapping[str, TaskInputs]
    edges: Mapping[str, TaskEdges]


class DynamicScheduler:
    """A graph of functions, ready to run.

    ``tasks`` are (name, function) pairs, ``task_order`` has their dependencies; both name the
    same tasks. ``task_data_refs`` are used if ``has_data_path``, besides the annotations of the
    functions. Of ``concurrency_context``, a semaphore, only the number of free places counts.
    ``task_policies`` are the options of tasks that are not the default; ``inputs`` are already
    resolved relations, ``local_only`` says why no other process can run these functions,
    ``left_out`` gives the fingerprints of the other tasks of the namespace; ``edges`` belong to
    ``inputs``. ``resources`` are generator functions by the names of what they give, as for
    `astrum.resource`.

    Raises ``TypeError`` for a coroutine object, a non-callable, a name that is repeated or not a
    string, and `TaskRegistrationError` for a generator function or a misplaced reference.
    Errors of the graph itself come from `get_execute_timeline` and `flow`.
    """

    def __init__(
        self,
        tasks: Iterable[Task],
        task_order: Iterable[TaskOrder],
        task_data_refs: Sequence[TaskData] | None = None,
        has_data_path: bool = False,
        ignore_tail_task: Iterable[str] | None = None,
        concurrency_context: asyncio.Semaphore | None = None,
        *,
        task_retries: Mapping[str, int | RetryPolicy] | None = None,
        silence: bool = True,
        task_policies: Mapping[str, AttemptOptions] | None = None,
        namespace: str = DEFAULT_NAMESPACE,
        config: AstrumConfig | None = None,
        inputs: Mapping[str, TaskInputs] | None = None,
        local_only: str = "",
        left_out: Callable[[], Mapping[str, str]] = dict,
        edges: Mapping[str, TaskEdges] = NO_TASK_EDGES,
        resources: Mapping[str, Callable[..., Any]] = NO_FUNCTIONS,
    ) -> None:
        self.namespace = namespace
        self.config = checked_config(AstrumConfig(silence=silence) if config is None else config)
        tails = self.config.ignore_tail_task if ignore_tail_task is None else ignore_tail_task
        self.tail_tasks = list(tails)
        self.task_return_set: dict[str, Any] = {}
        self._functions = _checked_functions(tasks)
        if inputs is None:  # else a registry has checked it
            for name, function in self._functions.items():
                check_task_function(name, function)
        self._orders = checked_orders(task_order)
        self._task_data = list(task_data_refs or ()) if has_data_path else []
        self._options = dict(task_policies or {})
        self._add_retries(task_retries or {})
        self._limit = _places(concurrency_context) or self.config.concurrency_limit
        self._inputs = inputs
        self._local_only = local_only
        self._left_out = left_out
        self._edges = edges
        self._resources = ResourceGraph(namespace, resources)
        self._is_executing = False
        self._checked: _Draft | None = None
        self._flows: dict[bool, Flow] = {}

    @property
    def task_retries(self) -> dict[str, int]:
        """Each task's number of retries."""
        return {name: self._option(name).retry.max_retries for name in self._functions}

    def find_task_by_name(self, name: str) -> Callable[..., Any]:
        """Return the function of a task; raises `TaskNotFoundError`."""
        if name not in self._functions:
            hint = nearest(name, self._functions)
            raise TaskNotFoundError(f"no task is called {name!r}{hint}")
        return self._functions[name]

    def with_settings(self, **changes: Any) -> DynamicScheduler:
        """Return a copy whose config has these changes; this scheduler does not change."""
        other = copy.copy(self)
        other.config = replace(self.config, **changes)
        other._is_executing = False
        other._checked = None
        other._flows = {}
        return other

    def detect_cycle(self) -> None:
        """Raise `TaskOrderLoopError` if tasks need each other."""
        ExecutionPlanner(self._orders).detect_cycle()

    def get_execute_timeline(self) -> ExecutionPlan:
        """Return the stages as a picture; raises every error of planning."""
        return build_execution_plan(self._draft().needs)

    @collector_paused()
    def flow(self, *, fingerprints: bool = False) -> Flow:
        """Return the plan with its functions; raises every error of planning.

        ``fingerprints`` names each function's source in the plan, and checks whether workers can
        run the flow; both take time.
        """
        began = time.perf_counter()
        if fingerprints not in self._flows:
            self._flows[fingerprints] = self._new_flow(fingerprints)
        return replace(self._flows[fingerprints], planning_s=time.perf_counter() - began)

    async def execute(
        self,
        executor: Executor | None = None,
        *,
        inputs: GivenInputs = NO_RUN_INPUTS,
        run_id: str = "",
        priority: int = 0,
    ) -> ExecutionReport:
        """Run the graph and return its report; without an ``executor`` in this process.

        ``inputs`` are values by name, or a dataclass or pydantic model with such fields. Failures
        of tasks and of planning are in the report. Raises `RunInputError` for inputs that the
        graph cannot have, `RunError` for a ``priority`` that is none,
        `TaskDuplicateExecutionError` while it is already executing, and ``TypeError`` for an
        ``executor`` that cannot run flows.
        """
        _check_executor(executor)
        if not is_priority(priority):
            raise RunError(not_a_priority(priority))
        if self._is_executing:
            raise TaskDuplicateExecutionError("this scheduler is executing already")
        self._is_executing = True
        try:
            report = await self._execute(executor, inputs, run_id, priority)
        finally:
            self._is_executing = False
        self.task_return_set = report.task_return_set
        return report

    async def _execute(
        self, executor: Executor | None, inputs: GivenInputs, run_id: str, priority: int
    ) -> ExecutionReport:
        started_at = time.time()
        try:
            flow = self.flow(fingerprints=executor is not None)
        except SchedulerError as error:
            return failed_planning_report(error, started_at, time.time())
        if self.config.visualize:
            _show(flow.plan)
        if executor is not None:
            settings = {"inputs": inputs, "run_id": run_id, "priority": priority}
            given = {name: value for name, value in settings.items() if value}
            run_flow: Callable[..., Awaitable[ExecutionReport]] = executor.run_flow
            return await run_flow(flow, self.config, **given)
        return await _run_here(flow, self.config, inputs, run_id, priority)

    def _draft(self) -> _Draft:
        if self._checked is None:
            needs: Mapping[str, Sequence[str]] = ExecutionPlanner(self._orders).needs()
            self._check_names(needs)
            inputs, edges = self._inputs, self._edges
            if inputs is None:
                inputs = resolve_task_inputs(self._functions, self._task_data)
                check_filled(self._functions, inputs)
                all_needs = add_data_needs(needs, inputs, self.config)
                resolved = self._resolved(all_needs, needs, inputs)
                if resolved is not None:
                    inputs, edges = resolved
                check_types(inputs, self._functions, self.config)
                self._resources.check(inputs, check_types=not self.config.skip_type_check)
                needs = all_needs
            self._checked = _Draft(upstream_first(needs), inputs, edges)
        return self._checked

    def _resolved(
        self, needs: Needs, declared: Needs, inputs: Mapping[str, TaskInputs]
    ) -> Resolved | None:
        policies = policies_of(self._options)
        return edges_of(needs, declared, inputs, {}, policies, self._functions, self.config)

    def _new_flow(self, fingerprints: bool) -> Flow:
        inputs, types = self._draft().inputs, _DeclaredTypes(self._functions)
        uses, lacking = self._resources.of_tasks(inputs)
        declared = declared_inputs(declarations_in(inputs, self._functions))
        run_inputs = input_specs(declared, types, schemas=fingerprints)
        plan = self._new_plan(fingerprints, run_inputs, uses)
        bound = {
            spec.task_id: BoundTask(
                spec.task_id,
                self._functions[spec.task_id],
                inputs.get(spec.task_id, NO_INPUTS),
                spec.lane,
                uses.get(spec.task_id, ()),
            )
            for spec in plan.tasks
        }
        local_only = self._local_only
        if fingerprints and not local_only:
            local_only = why_local_only(inputs, self._functions, self.config)
        return Flow(plan, bound, local_only, types, inputs=declared, lacking=lacking)

    def _new_plan(
        self, fingerprints: bool, run_inputs: Sequence[InputSpec], uses: Mapping[str, Uses]
    ) -> Plan:
        draft = self._draft()
        return build_plan(
            self.namespace,
            draft.needs,
            self._functions,
            draft.inputs,
            options=self._options,
            tail_tasks=self.tail_tasks,
            concurrency_limit=self._limit,
            check_types=not self.config.skip_type_check,
            fingerprints=fingerprints,
            left_out=self._left_out,
            run_inputs=run_inputs,
            edges=draft.edges,
            on_failure=self.config.on_failure,
            max_children=self.config.max_children,
            cleanup_s=self.config.cleanup_s,
            resources={task_id: names_needed(used) for task_id, used in uses.items()},
        )

    def _check_names(self, needs: Mapping[str, Any]) -> None:
        functions = self._functions
        for name in needs:
            if name not in functions:
                raise TaskNotFoundError(
                    f"the order names {name!r}, which no task has{nearest(name, functions)}"
                )
        for name in functions:
            if name not in needs:
                raise TaskDependencyError(f"task {name!r} has no place in the order")
        for name in self.tail_tasks:
            if name not in functions:
                hint = nearest(name, functions)
                raise TaskNotFoundError(f"ignore_tail_task names {name!r}, which no task has{hint}")

    def _add_retries(self, retries: Mapping[str, int | RetryPolicy]) -> None:
        for name, retry in retries.items():
            self.find_task_by_name(name)
            self._options[name] = replace(self._option(name), retry=make_retry(name, retry))

    def _option(self, name: str) -> AttemptOptions:
        return self._options.get(name, DEFAULT_OPTIONS)


def _check_executor(executor: Any) -> None:
    is_instance = not isinstance(executor, type)
    if executor is None or (is_instance and hasattr(executor, "run_flow")):
        return
    # Only the type is shown: a URL may hold a password.
    got = f"a {type(executor).__name__}" if is_instance else f"the class {executor.__name__}"
    raise TypeError(
        f"executor must be an open coordinator, got {got}: write `async with Coordinator(url) as "
        "coordinator:` and in it pass executor=coordinator"
    )


async def _run_here(
    flow: Flow, config: AstrumConfig, inputs: GivenInputs, run_id: str, priority: int
) -> ExecutionReport:
    # Imported late: the codec behind it needs pydantic, the slowest import of all.
    from astrum.execution.in_process import run_in_process
    from astrum.execution.in_process_options import InProcessOptions

    options = InProcessOptions.by_config(config, run_id=run_id, priority=priority)
    return await run_in_process(flow, options, inputs)


class _DeclaredTypes:
    """The named types of a flow, looked up only on iteration."""

    def __init__(self, functions: Mapping[str, Callable[..., Any]]) -> None:
        self._functions = functions

    def __iter__(self) -> Iterator[type]:
        seen: set[Any] = set()
        distinct = {id(function): function for function in self._functions.values()}
        for function in distinct.values():
            yield from declared_types(function, seen)


def _checked_functions(tasks: Iterable[Task]) -> dict[str, Callable[..., Any]]:
    functions: dict[str, Callable[..., Any]] = {}
    for name, function in tasks:
        if not isinstance(name, str):
            raise TypeError(f"a task's name must be a string, got {name!r}")
        if name in functions:
            raise TypeError(f"two tasks are called {name!r}")
        if inspect.iscoroutine(function):
            function.close()  # no other code will await it
            raise TypeError(
                f"task {name!r} is a coroutine object: pass the function, without calling it"
            )
        if not callable(function):
            raise TypeError(f"task {name!r} must be a function, got {function!r}")
        functions[name] = function
    return functions


def _places(semaphore: asyncio.Semaphore | None) -> int | None:
    if semaphore is None:
        return None
    if not isinstance(semaphore, asyncio.Semaphore):
        raise TypeError(f"concurrency_context must be an asyncio.Semaphore, got {semaphore!r}")
    # asyncio has no public way to ask; a semaphore that is not acquired yet shows its size.
    places = semaphore._value
    if places < 1:
        raise ValueError("concurrency_context has no free place, so nothing could ever run")
    return places


def _show(plan: Plan) -> None:
    from rich.console import Console

    console = Console()
    needs = {spec.task_id: spec.needs for spec in plan.tasks}
    console.print(picture.task_tree(f"{plan.namespace}: {len(needs)} tasks", needs))
    bindings = [(spec.task_id, binding) for spec in plan.tasks for binding in spec.bindings]
    console.print(picture.transport_table(bindings))
