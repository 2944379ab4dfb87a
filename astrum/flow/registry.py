"""Declaring tasks: `@task`, registries, and the namespaces that keep them apart.

A declaration is only recorded. Names, relations and types are looked up when a flow is built, so
tasks may be declared in any order and in any number of modules.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from types import FrameType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, overload

from astrum.config import AstrumConfig, checked_config
from astrum.data_transport import check_types
from astrum.data_transport.bindings import TaskInputs
from astrum.data_transport.declared.text_annotations import remember_names
from astrum.errors import TaskNotFoundError, TaskRegistrationError, nearest
from astrum.flow.methods import MethodBinder, underlying
from astrum.flow.registries_made import note_registry
from astrum.flow.scheduler import DEFAULT_NAMESPACE, DynamicScheduler, Executor
from astrum.flow.task_declaration import (
    Reference,
    RegisteredTask,
    check_settings,
    checked_name,
    declaration,
    is_function,
    registered_twice,
)
from astrum.flow.task_lookup import Others, TaskIds, no_tasks
from astrum.machine import ExecutionReport
from astrum.planning.inputs import add_data_needs, check_filled, resolve_task_inputs
from astrum.planning.order import TaskOrder, walk_upstream_first
from astrum.planning.plan import DEFAULT_QUEUE
from astrum.planning.retry_policy import RetryPolicy
from astrum.runtime.collector import collector_paused

if TYPE_CHECKING:
    from astrum.data_transport import TaskData

F = TypeVar("F", bound=Callable[..., Any])


class _Selection(NamedTuple):
    """The tasks of one flow, upstream first: bound functions, needs and inputs."""

    functions: dict[str, Callable[..., Any]]
    needs: dict[str, Sequence[str]]
    inputs: dict[str, TaskInputs]
    local_only: str


class SchedulerRegistry:
    """The tasks of one workflow, by id."""

    def __init__(self, name: str = DEFAULT_NAMESPACE) -> None:
        self.name = checked_name(name, "a namespace")
        self._tasks: dict[str, RegisteredTask] = {}
        self._lock = threading.Lock()
        note_registry(self)

    @overload
    def task(self, task_id: F) -> F: ...

    @overload
    def task(
        self,
        task_id: str | None = None,
        *,
        depends_on: Iterable[Reference] | None = None,
        data: TaskData | None = None,
        retry: int | RetryPolicy = 0,
        timeout: float | None = None,
        queue: str = DEFAULT_QUEUE,
    ) -> Callable[[F], F]: ...

    def task(self, task_id: Any = None, **settings: Any) -> Any:
        """Declare the decorated function a task; it is returned unchanged.

        ``task_id`` defaults to the function's name; ``depends_on`` names tasks by id or
        function; ``retry`` is a number or a `RetryPolicy`; ``timeout`` is in seconds per
        attempt; only workers of ``queue`` run it. Raises `TaskRegistrationError`.
        """
        if task_id is not None and not isinstance(task_id, str) and is_function(task_id):
            return self.declare(None, task_id, settings, sys._getframe(1))
        return lambda function: self.declare(task_id, function, settings, sys._getframe(1))

    def declare(self, task_id: Any, function: F, settings: Mapping[str, Any], at: FrameType) -> F:
        """Note a task that is declared in the frame ``at`` and return its function.

        The frame gives a meaning to annotations that are strings; it is not kept.
        """
        check_settings(task_id, settings)
        declared = declaration(task_id, function, **settings)
        remember_names(function, at)
        self._add(declared)
        return function

    def get_task(self, task_id: str) -> RegisteredTask:
        """Return a declaration; raises `TaskNotFoundError`."""
        found = self._tasks.get(task_id)
        if found is None:
            hint = nearest(task_id, self._tasks)
            raise TaskNotFoundError(f"{self.name!r} has no task {task_id!r}{hint}")
        return found

    def get_all_tasks(self) -> dict[str, RegisteredTask]:
        """Return all declarations by id, in the order in which they were made."""
        with self._lock:
            return dict(self._tasks)

    def clear(self) -> None:
        """Forget all tasks."""
        with self._lock:
            self._tasks.clear()

    def build_task_orders(
        self,
        target_tasks: Iterable[Reference] | None = None,
        config: AstrumConfig | None = None,
    ) -> list[TaskOrder]:
        """Return the targets (default: all tasks) and all tasks upstream of them, upstream first.

        Dependencies include the sources of data. Raises `TaskRegistrationError`.
        """
        selection = self._select(target_tasks, checked_config(config), bind=False)
        return _orders(selection.needs)

    def build_tasks(self, target_tasks: Iterable[Reference] | None = None) -> list[Any]:
        """Return (id, function) pairs of the tasks that `build_task_orders` returns.

        Instance methods are plain functions here, since there are no instances.
        """
        selection = self._select(target_tasks, AstrumConfig(), bind=False)
        return list(selection.functions.items())

    @collector_paused()
    def build_scheduler(
        self,
        target_tasks: Iterable[Reference] | None = None,
        *,
        config: AstrumConfig | None = None,
        **settings: Any,
    ) -> DynamicScheduler:
        """Return a scheduler of the targets and all tasks upstream of them.

        ``settings`` are fields of `AstrumConfig` and take precedence over ``config``. Raises
        `TaskRegistrationError` for invalid names, relations and types; a cycle is found when the
        scheduler plans.
        """
        config = replace(checked_config(config), **settings)
        selection = self._select(target_tasks, config, bind=True)
        check_filled(selection.functions, selection.inputs)
        check_types(selection.inputs, selection.functions, config)
        return self._scheduler(selection, config)

    @collector_paused()
    def scheduler_to_serve(self, config: AstrumConfig) -> DynamicScheduler:
        """Return a scheduler of all tasks, as a worker serves them.

        A task that cannot run is reported where a run of it is planned; it must not keep a worker
        from serving the others. Instance methods are plain functions here, since there are no
        instances.
        """
        return self._scheduler(self._select(None, config, bind=False), config)

    def _scheduler(self, selection: _Selection, config: AstrumConfig) -> DynamicScheduler:
        registered = self._tasks
        return DynamicScheduler(
            tasks=selection.functions.items(),
            task_order=_orders(selection.needs),
            ignore_tail_task=self._selected_tails(config, selection),
            task_policies={task_id: registered[task_id].options for task_id in selection.needs},
            namespace=self.name,
            config=config,
            inputs=selection.inputs,
            local_only=selection.local_only,
        )

    async def run(
        self,
        target_tasks: Iterable[Reference] | None = None,
        config: AstrumConfig | None = None,
        *,
        executor: Executor | None = None,
    ) -> ExecutionReport:
        """Run the targets and all tasks upstream of them; without an ``executor`` in this process.

        In process, a result is shared by its readers, by the attempts of each and by the report:
        a task that changes its argument changes it for all of them, and workers would not. See
        ``check_wire`` of `AstrumConfig`. Failures of tasks are in the report. Raises
        `TaskRegistrationError`.
        """
        return await self.build_scheduler(target_tasks, config=config).execute(executor)

    def _add(self, declared: RegisteredTask) -> None:
        with self._lock:
            if declared.task_id in self._tasks:
                is_shared = _registries.get(self.name) is self
                raise registered_twice(self._tasks[declared.task_id], self.name, is_shared)
            self._tasks[declared.task_id] = declared

    def _select(
        self, targets: Iterable[Reference] | None, config: AstrumConfig, *, bind: bool
    ) -> _Selection:
        tasks = self.get_all_tasks()
        functions, unbound = _bound(tasks, MethodBinder(config.class_instances))
        ids = self._ids(functions)
        declared = {name: ids.dependencies(name, t.depends_on) for name, t in tasks.items()}
        inputs = resolve_task_inputs(functions, [t.data for t in tasks.values() if t.data])
        needs = add_data_needs(declared, inputs, config)
        roots = None if targets is None else ids.targets(targets)
        chosen = _chosen(needs, roots, ids)
        for task_id in chosen if bind and unbound else ():
            if task_id in unbound:
                raise unbound[task_id]
        return _Selection(
            functions={task_id: functions[task_id] for task_id in chosen},
            needs={task_id: needs[task_id] for task_id in chosen},
            inputs={task_id: inputs[task_id] for task_id in chosen if task_id in inputs},
            local_only=_local_only(chosen, functions, config),
        )

    def _selected_tails(self, config: AstrumConfig, selection: _Selection) -> list[str]:
        for task_id in config.ignore_tail_task:
            if task_id not in self._tasks:
                raise self._ids(selection.functions).unknown("the tail task", task_id)
        return [task_id for task_id in config.ignore_tail_task if task_id in selection.needs]

    def _ids(self, functions: Mapping[str, Callable[..., Any]]) -> TaskIds:
        return TaskIds(functions, self.name, lambda: _others(self))


def _chosen(
    needs: Mapping[str, Sequence[str]], roots: Iterable[str] | None, ids: TaskIds
) -> list[str]:
    chosen, cycles = walk_upstream_first(needs, roots)
    ids.check_known(chosen, needs)
    if not cycles:
        return chosen
    # No order is right, so keep that of declaration; the scheduler reports the cycles.
    members = set(chosen)
    return [task_id for task_id in needs if task_id in members]


def _bound(
    tasks: Mapping[str, RegisteredTask], binder: MethodBinder
) -> tuple[dict[str, Callable[..., Any]], dict[str, TaskRegistrationError]]:
    """Bind what can be bound: a method without an instance matters only to flows that use it."""
    functions: dict[str, Callable[..., Any]] = {}
    unbound: dict[str, TaskRegistrationError] = {}
    for task_id, declared in tasks.items():
        try:
            functions[task_id] = binder.bind(task_id, declared.function)
        except TaskRegistrationError as error:
            functions[task_id] = underlying(declared.function)
            unbound[task_id] = error
    return functions, unbound


def _local_only(
    chosen: Iterable[str], functions: Mapping[str, Callable[..., Any]], config: AstrumConfig
) -> str:
    instances = {id(instance) for instance in config.class_instances}
    for task_id in chosen if instances else ():
        if id(getattr(functions[task_id], "__self__", None)) in instances:
            return f"task {task_id!r} is a method of an object in class_instances"
    return ""


def _orders(needs: Mapping[str, Sequence[str]]) -> list[TaskOrder]:
    orders = {task_id: TaskOrder(task_id) for task_id in needs}
    for task_id, upstream in needs.items():
        if upstream:
            orders[task_id].dependencies = [orders[need] for need in upstream]
    return list(orders.values())


# --- namespaces --------------------------------------------------------------------------------

_active: ContextVar[str] = ContextVar("astrum_namespace", default=DEFAULT_NAMESPACE)
_registries: dict[str, SchedulerRegistry] = {}
_registries_lock = threading.Lock()


def active_namespace() -> str:
    """Return the namespace of the innermost `use_namespace`, else ``"default"``."""
    return _active.get()


def get_registry(namespace: str | None = None) -> SchedulerRegistry:
    """Return the registry of a namespace (default: the active one), made on demand."""
    name = active_namespace() if namespace is None else namespace
    with _registries_lock:
        registry = _registries.get(name)
        if registry is None:
            registry = _registries[name] = SchedulerRegistry(name)
        return registry


def all_registries() -> dict[str, SchedulerRegistry]:
    """Return the registries of all namespaces by name, explicit registries left out."""
    with _registries_lock:
        return dict(_registries)


def _others(registry: SchedulerRegistry) -> Others:
    found = all_registries().items()
    return {name: other.get_all_tasks() for name, other in found if name != registry.name}


def _with_tasks(namespace: str | None, targets: Any) -> SchedulerRegistry:
    # A run of no tasks would succeed and hide a misspelt name.
    registry = get_registry(namespace)
    if not registry._tasks:
        raise no_tasks(registry.name, targets, _others(registry))
    return registry


def clear_registry(namespace: str | None = None) -> None:
    """Drop the registry of one namespace, or of all."""
    with _registries_lock:
        if namespace is None:
            _registries.clear()
        else:
            _registries.pop(namespace, None)


@contextmanager
def use_namespace(namespace: str) -> Iterator[SchedulerRegistry]:
    """Declare the tasks of the block in ``namespace``; gives its registry.

    Applies to this thread and asyncio task only.
    """
    registry = get_registry(namespace)
    token = _active.set(namespace)
    try:
        yield registry
    finally:
        _active.reset(token)


@overload
def task(task_id: F) -> F: ...


@overload
def task(
    task_id: str | None = None,
    *,
    depends_on: Iterable[Reference] | None = None,
    data: TaskData | None = None,
    namespace: str | None = None,
    retry: int | RetryPolicy = 0,
    timeout: float | None = None,
    queue: str = DEFAULT_QUEUE,
) -> Callable[[F], F]: ...


def task(task_id: Any = None, *, namespace: str | None = None, **settings: Any) -> Any:
    """Declare the decorated function a task of a namespace; it is returned unchanged.

    The namespace is the argument, else the one that is active when the decorator runs.
    The rest is as in `SchedulerRegistry.task`.
    """
    if task_id is not None and not isinstance(task_id, str) and is_function(task_id):
        return get_registry(namespace).declare(None, task_id, settings, sys._getframe(1))

    def declare(function: F) -> F:
        return get_registry(namespace).declare(task_id, function, settings, sys._getframe(1))

    return declare


def build_task_orders(
    target_tasks: Iterable[Reference] | None = None,
    *,
    namespace: str | None = None,
    config: AstrumConfig | None = None,
) -> list[TaskOrder]:
    """Do as `SchedulerRegistry.build_task_orders` for a namespace (default: the active)."""
    return _with_tasks(namespace, target_tasks).build_task_orders(target_tasks, config)


def build_scheduler(
    target_tasks: Iterable[Reference] | None = None,
    *,
    namespace: str | None = None,
    config: AstrumConfig | None = None,
    **settings: Any,
) -> DynamicScheduler:
    """Do as `SchedulerRegistry.build_scheduler` for a namespace (default: the active one)."""
    registry = _with_tasks(namespace, target_tasks)
    return registry.build_scheduler(target_tasks, config=config, **settings)


async def run(
    target_tasks: Iterable[Reference] | None = None,
    *,
    namespace: str | None = None,
    config: AstrumConfig | None = None,
    executor: Executor | None = None,
) -> ExecutionReport:
    """Do as `SchedulerRegistry.run` for a namespace (default: the active one).

    In process, results are shared: change a copy of an argument, never the argument itself.
    """
    registry = _with_tasks(namespace, target_tasks)
    return await registry.run(target_tasks, config, executor=executor)
