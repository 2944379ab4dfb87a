"""The order in which ready tasks are dispatched, as one sortable number per task.

The fields of a number have a fixed width, so numbers stay valid when a run gets more tasks::

    path (27 bits) | task number (28 bits)

The lowest number is dispatched first. A longer remaining path gives a lower ``path``; among equals
the order of the task numbers counts. The bits above the path are free for priorities that users
set: with five of them, all numbers still fit into two digits of a Python integer.
"""

from __future__ import annotations

from collections.abc import Sequence

NUMBER_BITS = 28
NUMBER_MASK = (1 << NUMBER_BITS) - 1
"""Cuts the task number out of a priority that it was added to."""
LONGEST_PATH = (1 << 27) - 1


def priorities(dependents: Sequence[Sequence[int]]) -> list[int]:
    """Return the priority of each task, without its number, from the tasks that need it.

    Tasks with paths of one length share one integer, so that a wide run needs hardly any memory.
    """
    lengths = remaining(dependents)
    by_length = {length: (LONGEST_PATH - length) << NUMBER_BITS for length in set(lengths)}
    return [by_length[length] for length in lengths]


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
