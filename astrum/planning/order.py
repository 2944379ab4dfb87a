"""A task's place in a hand-made graph, and the walk that puts any graph upstream first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

MAX_CYCLES = 20
MAX_CYCLE_NAMES = 100


class TaskOrder:
    """One task and the orders it depends on; compared by identity.

    Tasks are matched by ``task_name``, so two orders with one name mean the same task. Raises
    ``TypeError`` for a name that is not a string and for dependencies that are not orders.
    """

    def __init__(self, task_name: str, dependencies: Iterable[TaskOrder] | None = None) -> None:
        if not isinstance(task_name, str):
            raise TypeError(f"the task_name of a TaskOrder must be a string, got {task_name!r}")
        self.task_name = task_name
        self.dependencies = _checked(task_name, dependencies) if dependencies else []

    @property
    def depend(self) -> TaskOrder | None:
        """The first dependency, or ``None``; setting it replaces or (``None``) removes it."""
        return self.dependencies[0] if self.dependencies else None

    @depend.setter
    def depend(self, order: TaskOrder | None) -> None:
        self.dependencies[:1] = [] if order is None else _checked(self.task_name, [order])

    def __repr__(self) -> str:
        names = [order.task_name for order in self.dependencies]
        return f"TaskOrder({self.task_name!r}, dependencies={names!r})"


def _checked(task_name: str, dependencies: Any) -> list[TaskOrder]:
    is_list = isinstance(dependencies, Iterable) and not isinstance(dependencies, str)
    if not is_list:
        raise not_orders(task_name, dependencies)
    orders = list(dependencies)
    for order in orders:
        if not isinstance(order, TaskOrder):
            raise not_orders(task_name, order)
    return orders


def not_orders(task_name: str, got: object) -> TypeError:
    """Return the error of dependencies that hold something else."""
    example = f"TaskOrder({got!r})" if isinstance(got, str) else "TaskOrder(...)"
    return TypeError(
        f"task {task_name!r}: dependencies must be a list of TaskOrder objects, got {got!r}: "
        f"write dependencies=[{example}]"
    )


Needs = Mapping[str, Iterable[str]]
"""Task id to the ids it needs; its order is the order of declaration."""


class Walk(NamedTuple):
    """The result of a walk: ids, upstream first, and the cycles, each in the order of the flow."""

    ids: list[str]
    cycles: list[list[str]]


def walk_upstream_first(needs: Needs, roots: Iterable[str] | None = None) -> Walk:
    """Visit ``roots`` (default: all) and everything upstream of them.

    The order is stable: where the declared order is already upstream first, it is kept. On a
    cycle the walk continues, so ``ids`` is complete; at most 20 cycles are spelt out. Takes time
    linear in tasks and edges, and no recursion. A need that is not a key counts as a task that
    needs nothing.

    >>> walk_upstream_first({"b": ["a"], "a": []}).ids
    ['a', 'b']
    """
    walker = _Walker(needs)
    for root in needs if roots is None else roots:
        if root not in walker.done:
            walker.visit(root)
    return Walk(list(walker.done), walker.cycles)


class _Walker:
    """Depth-first search with its own stack; the path runs from downstream to upstream."""

    def __init__(self, needs: Needs) -> None:
        self.needs = needs
        self.done: dict[str, None] = {}
        self.cycles: list[list[str]] = []
        self._path: dict[str, int] = {}

    def visit(self, root: str) -> None:
        for need in self.needs.get(root, ()):
            if need not in self.done:
                self._walk(root)
                return
        self.done[root] = None  # as in most flows, which are declared upstream first

    def _walk(self, root: str) -> None:
        done, path = self.done, self._path
        stack = [(root, self._enter(root))]
        while stack:
            name, rest = stack[-1]
            need = next((need for need in rest if need not in done), None)
            if need is None:
                stack.pop()
                del path[name]
                done[name] = None
            elif need in path:
                self._note_cycle(need)
            else:
                stack.append((need, self._enter(need)))

    def _enter(self, name: str) -> Iterator[str]:
        self._path[name] = len(self._path)
        return iter(self.needs.get(name, ()))

    def _note_cycle(self, need: str) -> None:
        if len(self.cycles) < MAX_CYCLES:
            names = list(self._path)[self._path[need] :]
            # Start where the walk came in (the first declared), then against the path: the flow.
            self.cycles.append([names[0], *reversed(names[1:])])


def spell_cycle(names: list[str]) -> str:
    """Return a cycle as text; of a very long one only its start and its end.

    >>> spell_cycle(["a", "b"])
    'a -> b -> a'
    """
    shown = [*names, names[0]]
    if len(shown) > MAX_CYCLE_NAMES:
        half = MAX_CYCLE_NAMES // 2
        shown = [*shown[:half], f"({len(shown) - 2 * half} more)", *shown[-half:]]
    return " -> ".join(shown)
