"""The declaration of one task, checked when it is made."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from astrum.data_transport import check_declarable
from astrum.errors import TaskRegistrationError, encodable
from astrum.flow.edge_options import NO_EDGE_OPTIONS, EdgeOptions, make_edge_options
from astrum.flow.task_options import Reference
from astrum.planning.build import AttemptOptions, make_options
from astrum.planning.retry_policy import RetryPolicy
from astrum.runtime.visible_text import can_be_seen

if TYPE_CHECKING:
    from astrum.data_transport import TaskData


@dataclass(frozen=True, slots=True)
class RegisteredTask:
    """One declaration; ``depends_on`` holds ids and functions."""

    task_id: str
    function: Callable[..., Any]
    depends_on: list[Reference]
    data: TaskData | None
    options: AttemptOptions
    edges: EdgeOptions = NO_EDGE_OPTIONS

    @property
    def retry(self) -> int:
        """The number of retries of ``policy``."""
        return self.options.retry.max_retries

    @property
    def policy(self) -> RetryPolicy:
        """The rule by which a failed attempt is tried again."""
        return self.options.retry

    @property
    def timeout(self) -> float | None:
        """The seconds that one attempt may take."""
        return self.options.timeout_s

    @property
    def queue(self) -> str:
        """The queue whose workers run the task."""
        return self.options.queue


def declaration(task_id: Any, function: Any, options: Mapping[str, Any]) -> RegisteredTask:
    """Return a checked declaration; ``options`` are `TaskOptions`.

    Raises `TaskRegistrationError`, naming the task.
    """
    if not is_function(function):
        raise TaskRegistrationError(f"task {task_id!r} must be a function, got {function!r}")
    name = _task_name(task_id, function)
    check_task_function(name, function)
    data = options.get("data")
    return RegisteredTask(
        task_id=name,
        function=function,
        depends_on=_references(name, "depends_on", options.get("depends_on")),
        data=None if data is None else _own_data(name, data),
        options=make_options(name, options),
        edges=make_edge_options(name, options, _references),
    )


def registered_twice(first: RegisteredTask, namespace: str, is_shared: bool) -> Exception:
    """Return the error of a second task of one id; ``is_shared`` is true for ``@task``'s own."""
    clear = f"clear_registry({namespace!r})" if is_shared else "clear() of this registry"
    where = where_defined(first.function)
    return TaskRegistrationError(
        f"task {first.task_id!r} is registered twice in namespace {namespace!r}"
        f"{where and f'; the first one is {where}'}. If the same code ran again, as a cell of "
        f"a notebook does, call {clear} before it; else give one of the two another id"
    )


def where_defined(function: Any) -> str:
    """Return the file and the line of a function, "" for one without code."""
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    return "" if code is None else f"{code.co_filename}:{code.co_firstlineno}"


def is_function(value: Any) -> bool:
    """Return whether ``value`` can be declared a task; some methods cannot be called yet."""
    return callable(value) or isinstance(value, (classmethod, functools.partialmethod))


def check_task_function(task_id: str, function: Any) -> None:
    """Raise `TaskRegistrationError` for a callable that cannot be a task in any flow."""
    try:
        check_declarable(function)
    except ValueError as error:
        raise TaskRegistrationError(f"task {task_id!r}: {error}") from error


def _task_name(task_id: Any, function: Any) -> str:
    name = getattr(function, "__name__", None) if task_id is None else task_id
    if name is None:
        raise TaskRegistrationError(f"{function!r} has no name of its own: give it a task id")
    return checked_name(name, "a task id")


def checked_name(name: Any, what: str) -> str:
    """Return ``name``; raises `TaskRegistrationError` unless it is a string that is not empty.

    UTF-8 must be able to encode it, and some of it must be seen, since it is sent to other
    processes and shown to people.
    """
    if not isinstance(name, str) or not name:
        raise TaskRegistrationError(f"{what} must be a string that is not empty, got {name!r}")
    if encodable(name) != name:
        raise TaskRegistrationError(
            f"{what} must be a string that UTF-8 can encode, got {name!r}: it holds half of a "
            "surrogate pair; take that character out"
        )
    if not can_be_seen(name):
        raise TaskRegistrationError(
            f"{what} must have a character that can be seen, got {name!r}: give it a letter"
        )
    return name


def _references(task_id: str, option: str, given: Any) -> list[Reference]:
    if given is None:
        return []
    if isinstance(given, str) or not isinstance(given, Iterable):
        hint = f": write [{given!r}]" if isinstance(given, str) else ""
        raise TaskRegistrationError(
            f"task {task_id!r}: {option} must be a list of task ids or functions, "
            f"got {given!r}{hint}"
        )
    references = list(given)
    for reference in references:
        if not isinstance(reference, str) and not is_function(reference):
            raise TaskRegistrationError(
                f"task {task_id!r}: {option} may hold task ids and functions, got {reference!r}"
            )
    return references


def _own_data(task_id: str, data: Any) -> TaskData:
    from astrum.data_transport import TaskData

    if not isinstance(data, TaskData):
        raise TaskRegistrationError(f"task {task_id!r}: data must be a TaskData, got {data!r}")
    if data.task_id not in ("", task_id):
        raise TaskRegistrationError(
            f"task {task_id!r}: its TaskData is for another task, {data.task_id!r}"
        )
    return data.model_copy(update={"task_id": task_id})
