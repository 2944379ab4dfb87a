"""Makes a checked graph from hand-made orders."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from astrum.errors import (
    TaskDependencyError,
    TaskOrderLoopError,
    TaskOrderNoExitError,
    nearest,
)
from astrum.planning.execution_plan import ExecutionPlan, build_execution_plan
from astrum.planning.order import TaskOrder, not_orders, spell_cycle, walk_upstream_first


class ExecutionPlanner:
    """Checks a list of orders and shows its stages.

    Raises `TaskDependencyError` for a dependency that no order has or a name that occurs twice,
    `TaskOrderLoopError` for cycles, and its subclass `TaskOrderNoExitError` if no task ends the
    graph.
    """

    def __init__(self, task_order: Iterable[TaskOrder]) -> None:
        self._orders = checked_orders(task_order)

    def validate(self) -> None:
        """Raise an error if anything is wrong with the orders."""
        upstream_first(self.needs())

    def detect_cycle(self) -> None:
        """Raise `TaskOrderLoopError` if tasks need each other."""
        upstream_first(self.needs())

    def get_execute_timeline(self) -> ExecutionPlan:
        """Return the stages; raises what `validate` raises."""
        return build_execution_plan(upstream_first(self.needs()))

    def needs(self) -> dict[str, tuple[str, ...]]:
        """Return task name to the names it depends on, in the order given.

        Raises `TaskDependencyError`, and ``TypeError`` for objects that are not orders.
        """
        needs: dict[str, tuple[str, ...]] = {}
        for order in self._orders:
            name = order.task_name
            if name in needs:
                raise TaskDependencyError(f"the order names task {name!r} twice")
            try:
                needs[name] = tuple([upstream.task_name for upstream in order.dependencies])
            except AttributeError:  # the list is the user's to change
                others = [o for o in order.dependencies if not isinstance(o, TaskOrder)]
                raise not_orders(name, others[0]) from None
        check_dependencies(needs)
        return needs


def checked_orders(task_order: Iterable[TaskOrder]) -> list[TaskOrder]:
    """Return the orders as a list; raises ``TypeError`` for anything else in it."""
    orders = list(task_order)
    for order in orders:
        if not isinstance(order, TaskOrder):
            raise TypeError(f"task_order must hold TaskOrder objects, got {order!r}")
    return orders


def check_dependencies(needs: Mapping[str, Sequence[str]]) -> None:
    """Raise `TaskDependencyError` for a need that is unknown or named twice by one task."""
    for name, upstream in needs.items():
        for need in upstream:
            if need not in needs:
                hint = nearest(need, needs)
                raise TaskDependencyError(
                    f"task {name!r} depends on {need!r}, which is not in the order{hint}"
                )
        if len(upstream) > 1 and len(set(upstream)) != len(upstream):
            twice = next(need for need in upstream if upstream.count(need) > 1)
            raise TaskDependencyError(f"task {name!r} names its dependency {twice!r} twice")


def upstream_first(needs: Mapping[str, Sequence[str]]) -> dict[str, Sequence[str]]:
    """Return ``needs`` with every task after those it needs; raises `TaskOrderLoopError`."""
    ids, cycles = walk_upstream_first(needs)
    if cycles:
        texts = [spell_cycle(cycle) for cycle in cycles]
        raise (TaskOrderLoopError if _has_exit(needs) else TaskOrderNoExitError)(texts)
    return {task_id: needs[task_id] for task_id in ids}


def _has_exit(needs: Mapping[str, Sequence[str]]) -> bool:
    needed = {need for upstream in needs.values() for need in upstream}
    return len(needed) < len(needs)
