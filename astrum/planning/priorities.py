"""The order in which ready tasks are dispatched, as one sortable number per task.

The fields of a number have a fixed width, so numbers stay valid when a run gets more tasks::

    priority (5 bits) | path (27 bits) | task number (28 bits)

The lowest number is dispatched first. A higher priority of the task gives a lower field, then a
longer remaining path does; among equals the order of the task numbers counts. All numbers fit into
two digits of a Python integer.
"""

from __future__ import annotations

from collections.abc import Sequence

NUMBER_BITS = 28
NUMBER_MASK = (1 << NUMBER_BITS) - 1
"""Cuts the task number out of a priority that it was added to."""
LONGEST_PATH = (1 << 27) - 1
LOWEST, HIGHEST = -9, 9
"""The lowest and the highest priority that a task or a run can have."""
_PRIORITY_SHIFT = NUMBER_BITS + 27


def is_priority(value: object) -> bool:
    """Return whether a value is a priority: a whole number from -9 to 9.

    >>> [is_priority(value) for value in (-9, 9, 10, 1.0, True)]
    [True, True, False, False, False]
    """
    return type(value) is int and LOWEST <= value <= HIGHEST


def not_a_priority(value: object) -> str:
    """Return what is wrong with a value that cannot be a priority, and what to write."""
    return (
        f"priority must be a whole number from {LOWEST} to {HIGHEST} (0 is the default, higher "
        f"begins sooner), got {value!r}"
    )


def effective_priority(run: int, task: int) -> int:
    """Return the priority of a task's attempts among those of all runs.

    >>> [effective_priority(*pair) for pair in ((2, 3), (8, 5), (-9, -1))]
    [5, 9, -9]
    """
    return max(LOWEST, min(HIGHEST, run + task))


def priorities(dependents: Sequence[Sequence[int]], chosen: Sequence[int]) -> list[int]:
    """Return the place of each task in the order, without its number.

    It follows from the tasks that need it and from its own priority, in ``chosen``. Tasks with
    the same place share one integer, so that a wide run needs hardly any memory.
    """
    lengths = remaining(dependents)
    if not any(chosen):  # as in most plans
        by_length = {length: _place(0, length) for length in set(lengths)}
        return [by_length[length] for length in lengths]
    pairs = list(zip(chosen, lengths, strict=True))
    by_pair = {pair: _place(*pair) for pair in set(pairs)}
    return [by_pair[pair] for pair in pairs]


def _place(priority: int, length: int) -> int:
    return (HIGHEST - priority) << _PRIORITY_SHIFT | (LONGEST_PATH - length) << NUMBER_BITS


def priority_in(place: int) -> int:
    """Return the priority of a task from its place in the order."""
    return HIGHEST - (place >> _PRIORITY_SHIFT)


def remaining(dependents: Sequence[Sequence[int]]) -> list[int]:
    """For each task number, return the number of tasks on its longest path to the end.

    Every dependent has a higher number than the task that it needs.

    >>> remaining([[1, 2], [2], []])
    [3, 2, 1]
    """
    lengths = [1] * len(dependents)
    for number in range(len(dependents) - 1, -1, -1):
        after = dependents[number]
        if after:
            lengths[number] = 1 + max(map(lengths.__getitem__, after))
    return lengths
