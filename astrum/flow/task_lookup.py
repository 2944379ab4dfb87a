"""Finds the task that a user means by an id or a function."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from astrum.data_transport.routing.task_index import TaskIndex
from astrum.errors import TaskRegistrationError, listed, nearest
from astrum.flow.methods import underlying
from astrum.flow.task_declaration import RegisteredTask
from astrum.flow.task_options import Reference

_SHOWN = 5
_OWN = "the tasks of a SchedulerRegistry are run by its own run()"
_NOT_IMPORTED = f": was the module with the tasks imported? ({_OWN})"

Others = Mapping[str, Mapping[str, RegisteredTask]]
"""The tasks of the other namespaces, by namespace and id; looked at only to give advice."""


class TaskIds:
    """Looks up the tasks of one namespace by id or by function."""

    def __init__(
        self,
        functions: Mapping[str, Callable[..., Any]],
        namespace: str,
        others: Callable[[], Others],
    ) -> None:
        self._functions = functions
        self._namespace = namespace
        self._others = others
        self._index: TaskIndex | None = None

    def dependencies(self, task_id: str, references: Sequence[Reference]) -> Sequence[str]:
        """Return the ids of a task's dependencies, each once; an unknown id is kept."""
        if not references:
            return ()
        role = f"task {task_id!r}: the dependency"
        return tuple(dict.fromkeys(self._resolve(role, reference) for reference in references))

    def reference(self, task_id: str, role: str, reference: Reference) -> str:
        """Return the id of a task that an option of another one names; ``role`` says how.

        Raises `TaskRegistrationError` for an unknown one.
        """
        found = self._resolve(f"task {task_id!r}: {role}", reference)
        if found not in self._functions:
            raise self.unknown(f"task {task_id!r}: {role}", found, which=", which")
        return found

    def targets(self, references: Iterable[Reference]) -> list[str]:
        """Return the ids of the targets; raises `TaskRegistrationError` for an unknown one."""
        if isinstance(references, str) or not isinstance(references, Iterable):
            shown = getattr(references, "__name__", repr(references))
            raise TaskRegistrationError(
                f"target_tasks must be a list, got {references!r}: write [{shown}]"
            )
        ids = [self._resolve("the target", reference) for reference in references]
        for task_id in ids:
            if task_id not in self._functions:
                raise self.unknown("the target", task_id)
        return ids

    def check_known(self, chosen: Sequence[str], needs: Mapping[str, Sequence[str]]) -> None:
        """Raise `TaskRegistrationError` for a chosen id that no task has, saying who needs it."""
        for missing in chosen:
            if missing not in self._functions:
                user = next(task_id for task_id in chosen if missing in needs.get(task_id, ()))
                raise self.unknown(f"task {user!r}: the dependency", missing)

    def unknown(self, role: str, task_id: str, which: str = "") -> TaskRegistrationError:
        """Return the error of a name that no task has; ``role`` says who uses it.

        A role that ends with a verb needs ``which`` behind the name.
        """
        where = f"namespace {self._namespace!r}{_elsewhere(task_id, self._others())}"
        hint = nearest(task_id, self._functions)
        return TaskRegistrationError(f"{role} {task_id!r}{which} is not a task of {where}{hint}")

    def _resolve(self, role: str, reference: Reference) -> str:
        if isinstance(reference, str):
            return reference
        if self._index is None:
            self._index = TaskIndex(self._functions)
        try:
            return self._index.find(reference)
        except ValueError as error:
            where = f"namespace {self._namespace!r}{_elsewhere(reference, self._others())}"
            raise TaskRegistrationError(f"{role} cannot be found in {where}: {error}") from None


def no_tasks(namespace: str, targets: Any, others: Others) -> TaskRegistrationError:
    """Return the error of a namespace in which no task was declared; ``targets`` were wanted."""
    known = [name for name, tasks in others.items() if tasks]
    is_list = isinstance(targets, Iterable) and not isinstance(targets, str)
    first = next(iter(targets), None) if is_list else targets
    found = "" if first is None else _elsewhere(first, others)
    if known and not found:
        own = "" if nearest(namespace, known) else f"; {_OWN}"
        found = f" (there are tasks in {listed(known, _SHOWN)}){own}"
    advice = nearest(namespace, known) if known else _NOT_IMPORTED
    return TaskRegistrationError(f"no task is declared in namespace {namespace!r}{found}{advice}")


def _elsewhere(reference: Reference, others: Others) -> str:
    names = [name for name, tasks in others.items() if _has(tasks, reference)]
    if not names:
        return ""
    what = reference if isinstance(reference, str) else getattr(reference, "__name__", "it")
    word, verb = ("namespace", "has") if len(names) == 1 else ("namespaces", "have")
    return f" ({word} {listed(names, _SHOWN)} {verb} {what!r})"


def _has(tasks: Mapping[str, RegisteredTask], reference: Reference) -> bool:
    if isinstance(reference, str):
        return reference in tasks
    wanted = underlying(reference)
    return any(underlying(declared.function) is wanted for declared in tasks.values())
