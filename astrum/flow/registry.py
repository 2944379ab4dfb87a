"""Declaring tasks: `@task`, registries, and the namespaces that keep them apart.

A declaration is only recorded. Names, relations and types are looked up when a flow is built, so
tasks may be declared in any order and in any number of modules.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from types import FrameType
from typing import Any, TypeVar, Unpack, overload

from astrum.config import AstrumConfig, changed, checked_config
from astrum.data_transport import check_types
from astrum.data_transport.declared.text_annotations import remember_names
from astrum.errors import TaskNotFoundError, TaskRegistrationError, nearest
from astrum.flow.registries_made import note_registry
from astrum.flow.resource_declaration import G, resource_name, resource_twice
from astrum.flow.scheduler import DEFAULT_NAMESPACE, DynamicScheduler, Executor
from astrum.flow.selection import Selection, select
from astrum.flow.task_declaration import (
    RegisteredTask,
    checked_name,
    declaration,
    is_function,
    registered_twice,
)
from astrum.flow.task_lookup import Others, TaskIds, no_tasks
from astrum.flow.task_options import Reference, TaskOptions, check_option_names
from astrum.machine import ExecutionReport
from astrum.planning.inputs import check_filled
from astrum.planning.order import TaskOrder
from astrum.planning.plan import OnFailure
from astrum.planning.resources import ResourceGraph
from astrum.planning.run_inputs import NO_INPUTS, GivenInputs
from astrum.runtime.collector import collector_paused

F = TypeVar("F", bound=Callable[..., Any])


class SchedulerRegistry:
    """The tasks of one workflow, by id."""

    def __init__(self, name: str = DEFAULT_NAMESPACE) -> None:
        self.name = checked_name(name, "a namespace")
        self._tasks: dict[str, RegisteredTask] = {}
        self._resources: dict[str, Callable[..., Any]] = {}
        self._lock = threading.Lock()
        note_registry(self)

    @overload
    def task(self, task_id: F) -> F: ...

    @overload
    def task(
        self,
        task_id: str | None = None,
        **options: Unpack[TaskOptions],
    ) -> Callable[[F], F]: ...

    def task(self, task_id: Any = None, **options: Any) -> Any:
        """Declare the decorated function a task; it is returned unchanged.

        ``task_id`` defaults to the function's name; ``options`` are those of
        `astrum.TaskOptions`. Raises `TaskRegistrationError`, and ``TypeError`` for an option
        that there is not.
        """
        check_option_names(task_id, options)
        if task_id is not None and not isinstance(task_id, str) and is_function(task_id):
            return self.declare(None, task_id, options, sys._getframe(1))
        return lambda function: self.declare(task_id, function, options, sys._getframe(1))

    def declare(self, task_id: Any, function: F, options: Mapping[str, Any], at: FrameType) -> F:
        """Note a task that is declared in the frame ``at`` and return its function.

        The frame gives a meaning to annotations that are strings; it is not kept.
        """
        declared = declaration(task_id, function, options)
        remember_names(function, at)
        self._add(declared)
        return function

    @overload
    def resource(self, name: G) -> G: ...

    @overload
    def resource(self, name: str | None = None) -> Callable[[G], G]: ...

    def resource(self, name: Any = None) -> Any:
        """Declare that the decorated generator function gives a resource; see `astrum.resource`."""
        if callable(name):
            return self.declare_resource(None, name, sys._getframe(1))
        return lambda function: self.declare_resource(name, function, sys._getframe(1))

    def declare_resource(self, name: Any, function: G, at: FrameType) -> G:
        """Note a resource that is declared in the frame ``at`` and return its function."""
        checked = resource_name(name, function)
        remember_names(function, at)
        with self._lock:
            if checked in self._resources:
                raise resource_twice(checked, self._resources[checked], self.name)
            self._resources[checked] = function
        return function

    def get_all_resources(self) -> dict[str, Callable[..., Any]]:
        """Return the functions of all resources by name, in the order of their declaration."""
        with self._lock:
            return dict(self._resources)

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
        """Forget all tasks and resources."""
        with self._lock:
            self._tasks.clear()
            self._resources.clear()

    def build_task_orders(
        self,
        target_tasks: Iterable[Reference] | None = None,
        config: AstrumConfig | None = None,
    ) -> list[TaskOrder]:
        """Return the targets (default: all tasks) and all tasks upstream of them, upstream first.

        Dependencies include the sources of data. Raises `TaskRegistrationError`.
        """
        selection = self._select(target_tasks, checked_config(config), bind=False)
        return selection.orders()

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
        resources = ResourceGraph(self.name, self.get_all_resources())
        resources.check(selection.inputs, check_types=not config.skip_type_check)
        return self._scheduler(selection, config)

    @collector_paused()
    def scheduler_to_serve(self, config: AstrumConfig) -> DynamicScheduler:
        """Return a scheduler of all tasks, as a worker serves them.

        A task that cannot run is reported where a run of it is planned; it must not keep a worker
        from serving the others. Instance methods are plain functions here, since there are no
        instances.
        """
        return self._scheduler(self._select(None, config, bind=False), config)

    def _scheduler(self, selection: Selection, config: AstrumConfig) -> DynamicScheduler:
        registered = self._tasks
        return DynamicScheduler(
            tasks=selection.functions.items(),
            task_order=selection.orders(),
            ignore_tail_task=self._selected_tails(config, selection),
            task_policies={task_id: registered[task_id].options for task_id in selection.needs},
            namespace=self.name,
            config=config,
            inputs=selection.inputs,
            local_only=selection.local_only,
            left_out=lambda: selection.fingerprints_left_out(registered),
            edges=selection.edges,
            resources=self.get_all_resources(),
        )

    async def run(
        self,
        target_tasks: Iterable[Reference] | None = None,
        config: AstrumConfig | None = None,
        *,
        executor: Executor | None = None,
        inputs: GivenInputs = NO_INPUTS,
        run_id: str = "",
        on_failure: OnFailure | None = None,
        cleanup_s: float | None = None,
        priority: int = 0,
    ) -> ExecutionReport:
        """Run the targets and all tasks upstream of them; without an ``executor`` in this process.

        ``on_failure`` and ``cleanup_s`` take precedence over those of ``config``; ``inputs`` are
        values that parameters with `Input` read, by name, or a dataclass or pydantic model with
        fields of these names. Raises `RunInputError` for all that is wrong with them.
        ``priority``, from -9 to 9, is added to that of each task: on workers it decides whose turn
        it is among runs.

        In process, a result is shared by its readers, by the attempts of each and by the report:
        a task that changes its argument changes it for all of them, and workers would not. See
        ``check_wire`` of `AstrumConfig`. Failures of tasks are in the report. Raises
        `TaskRegistrationError`.
        """
        own = changed(checked_config(config), on_failure=on_failure, cleanup_s=cleanup_s)
        scheduler = self.build_scheduler(target_tasks, config=own)
        return await scheduler.execute(executor, inputs=inputs, run_id=run_id, priority=priority)

    def _add(self, declared: RegisteredTask) -> None:
        with self._lock:
            if declared.task_id in self._tasks:
                is_shared = _registries.get(self.name) is self
                raise registered_twice(self._tasks[declared.task_id], self.name, is_shared)
            self._tasks[declared.task_id] = declared

    def _select(
        self, targets: Iterable[Reference] | None, config: AstrumConfig, *, bind: bool
    ) -> Selection:
        return select(self.get_all_tasks(), targets, config, self._ids, bind=bind)

    def _selected_tails(self, config: AstrumConfig, selection: Selection) -> list[str]:
        for task_id in config.ignore_tail_task:
            if task_id not in self._tasks:
                raise self._ids(selection.functions).unknown("the tail task", task_id)
        return [task_id for task_id in config.ignore_tail_task if task_id in selection.needs]

    def _ids(self, functions: Mapping[str, Callable[..., Any]]) -> TaskIds:
        return TaskIds(functions, self.name, lambda: _others(self))


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
    if isinstance(targets, SchedulerRegistry):
        raise TaskRegistrationError(
            f"target_tasks must be a list of tasks, got the registry {targets.name!r}: call its "
            "own run() or build_scheduler()"
        )
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
    namespace: str | None = None,
    **options: Unpack[TaskOptions],
) -> Callable[[F], F]: ...


def task(task_id: Any = None, *, namespace: str | None = None, **options: Any) -> Any:
    """Declare the decorated function a task of a namespace; it is returned unchanged.

    The namespace is the argument, else the one that is active when the decorator runs.
    The rest is as in `SchedulerRegistry.task`.
    """
    check_option_names(task_id, options, "namespace")
    if task_id is not None and not isinstance(task_id, str) and is_function(task_id):
        return get_registry(namespace).declare(None, task_id, options, sys._getframe(1))

    def declare(function: F) -> F:
        return get_registry(namespace).declare(task_id, function, options, sys._getframe(1))

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
    inputs: GivenInputs = NO_INPUTS,
    run_id: str = "",
    on_failure: OnFailure | None = None,
    cleanup_s: float | None = None,
    priority: int = 0,
) -> ExecutionReport:
    """Do as `SchedulerRegistry.run` for a namespace (default: the active one).

    In process, results are shared: change a copy of an argument, never the argument itself.
    """
    registry = _with_tasks(namespace, target_tasks)
    return await registry.run(
        target_tasks,
        config,
        executor=executor,
        inputs=inputs,
        run_id=run_id,
        on_failure=on_failure,
        cleanup_s=cleanup_s,
        priority=priority,
    )
