"""All registries of this process, for questions about tasks that a run names by id.

It does not keep a registry alive: one that its user has dropped is forgotten.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, Protocol
from weakref import WeakSet

from astrum.flow.methods import underlying
from astrum.flow.task_declaration import RegisteredTask


class Registry(Protocol):
    """A registry, as far as this module needs it."""

    name: str

    def get_all_tasks(self) -> Mapping[str, RegisteredTask]:
        """Return all declarations by id."""
        ...


_made: WeakSet[Registry] = WeakSet()


def note_registry(registry: Registry) -> None:
    """Remember a registry for as long as the user's code refers to it."""
    _made.add(registry)


def functions_named(namespace: str, task_ids: Collection[str]) -> list[Callable[..., Any]]:
    """Return the functions that are declared under these ids in registries of this name."""
    return [
        underlying(declared.function)
        for registry in list(_made)
        if registry.name == namespace
        for task_id, declared in registry.get_all_tasks().items()
        if task_id in task_ids
    ]
