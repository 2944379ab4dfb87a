"""Finds the task that an annotation names by id or by function."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import cached_property
from types import MethodType
from typing import Any

from astrum.data_transport.annotations import MARKS
from astrum.data_transport.declared.text_annotations import is_unresolved
from astrum.errors import nearest

_Identity = tuple[int, int]


class TaskIndex:
    """Task ids by their functions.

    A bound method is known by its function and its ``self``; one that is registered unbound is
    found through any of its bound methods, and the other way round.
    """

    def __init__(self, functions: Mapping[str, Callable[..., Any]]) -> None:
        self._functions = functions

    @cached_property
    def _exact(self) -> dict[_Identity, list[str]]:
        exact: dict[_Identity, list[str]] = {}
        for task_id, function in self._functions.items():
            exact.setdefault(_identity(function), []).append(task_id)
        return exact

    @cached_property
    def _by_function(self) -> dict[int, list[str]]:
        by_function: dict[int, list[str]] = {}
        for task_id, function in self._functions.items():
            by_function.setdefault(_identity(function)[0], []).append(task_id)
        return by_function

    def find(self, reference: object) -> str:
        """Return the id of the task meant; ``ValueError`` if there is none, or more than one."""
        if isinstance(reference, str):
            return self._known(reference)
        if is_unresolved(reference):
            name = getattr(reference, "__name__", "")
            raise ValueError(
                f"the name {name!r} is not defined where the annotation stands; "
                f"name the task by its id{nearest(name, self._functions)}"
            )
        if not callable(reference) and not hasattr(reference, "__func__"):
            advice = f"; write Ref[type, {reference!r}]" if isinstance(reference, MARKS) else ""
            raise ValueError(
                f"a relation names a task by id or function, not by {reference!r}{advice}"
            )
        return self._one_of(self._matches(reference), reference)

    def _known(self, task_id: str) -> str:
        if task_id not in self._functions:
            raise ValueError(f"there is no task {task_id!r}{nearest(task_id, self._functions)}")
        return task_id

    def _matches(self, reference: object) -> list[str]:
        identity = _identity(reference)
        found = self._exact.get(identity) or self._by_function.get(identity[0])
        if found:
            return found
        # A decorator between the name and the task: either may be the wrapped one.
        return self._by_function.get(id(_unwrapped(reference)), [])

    def _one_of(self, task_ids: list[str], reference: object) -> str:
        name = getattr(reference, "__qualname__", repr(reference))
        if not task_ids:
            short = name.rpartition(".")[2]
            raise ValueError(f"the function {name} is not a task{nearest(short, self._functions)}")
        if len(task_ids) > 1:
            listed = ", ".join(map(repr, task_ids))
            raise ValueError(f"the function {name} is several tasks ({listed}); name one by its id")
        return task_ids[0]


def _identity(function: object) -> _Identity:
    # Ids are enough: the functions outlive the index, and need not be hashable.
    owner = id(function.__self__) if isinstance(function, MethodType) else 0
    return id(getattr(function, "__func__", function)), owner


def _unwrapped(function: Any) -> object:
    return inspect.unwrap(getattr(function, "__func__", function))
