"""Which task is meant by an id or a function that a user wrote."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from astrum.data_transport.task_index import TaskIndex
from astrum.declaration import Reference
from astrum.errors import TaskRegistrationError, nearest


class TaskIds:
    """Looks up the tasks of one registry by id or by function."""

    def __init__(self, functions: Mapping[str, Callable[..., Any]]) -> None:
        self._functions = functions
        self._index: TaskIndex | None = None

    def dependencies(self, task_id: str, references: Sequence[Reference]) -> Sequence[str]:
        """Return the ids of a task's dependencies, each once; an unknown id stays as it is."""
        if not references:
            return ()
        role = f"task {task_id!r}: the dependency"
        return tuple(dict.fromkeys(self._resolve(role, reference) for reference in references))

    def targets(self, references: Iterable[Reference]) -> list[str]:
        """Return the ids of the targets; raises `TaskRegistrationError` for an unknown one."""
        if isinstance(references, str):
            raise TaskRegistrationError(
                f"target_tasks must be a list, got {references!r}: write [{references!r}]"
            )
        ids = [self._resolve("the target", reference) for reference in references]
        for task_id in ids:
            if task_id not in self._functions:
                raise unknown_task("the target", task_id, self._functions)
        return ids

    def check_known(self, chosen: Sequence[str], needs: Mapping[str, Sequence[str]]) -> None:
        """Raise `TaskRegistrationError` for a chosen id that no task has, saying who needs it."""
        for missing in chosen:
            if missing not in self._functions:
                user = next(task_id for task_id in chosen if missing in needs.get(task_id, ()))
                raise unknown_task(f"task {user!r}: the dependency", missing, self._functions)

    def _resolve(self, role: str, reference: Reference) -> str:
        if isinstance(reference, str):
            return reference
        if self._index is None:
            self._index = TaskIndex(self._functions)
        try:
            return self._index.find(reference)
        except ValueError as error:
            raise TaskRegistrationError(f"{role} cannot be found: {error}") from None


def unknown_task(role: str, task_id: str, known: Iterable[str]) -> TaskRegistrationError:
    """Return the error of a name that no task has; ``role`` says who uses it."""
    return TaskRegistrationError(f"{role} {task_id!r} is no task{nearest(task_id, known)}")
