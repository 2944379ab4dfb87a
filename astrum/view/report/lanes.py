"""Packs what ran on one worker at the same time into rows, so that no two bars of a row overlap."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence


def pack(begins: Sequence[int], ends: Sequence[int]) -> list[int]:
    """Return the row of each interval, from 0; each takes the lowest row that is free by then.

    An interval that ends at a moment leaves its row to one that begins at that moment. There are
    as many rows as intervals overlap at most.

    >>> pack([0, 5, 10, 12], [10, 20, 15, 13])
    [0, 1, 0, 2]
    """
    rows = [0] * len(begins)
    free: list[int] = []
    busy: list[tuple[int, int]] = []
    count = 0
    for interval in sorted(range(len(begins)), key=lambda one: (begins[one], ends[one])):
        while busy and busy[0][0] <= begins[interval]:
            heapq.heappush(free, heapq.heappop(busy)[1])
        if free:
            row = heapq.heappop(free)
        else:
            row, count = count, count + 1
        rows[interval] = row
        heapq.heappush(busy, (ends[interval], row))
    return rows


def lanes_of(
    workers: Sequence[int], begins: Sequence[int], ends: Sequence[int], count: int
) -> tuple[list[int], list[int]]:
    """Return the row of each interval within its worker, and how many rows each worker has.

    ``workers`` has the number of the worker of each interval, -1 without one; its row is -1 too.
    """
    members: list[list[int]] = [[] for _ in range(count)]
    for interval, worker in enumerate(workers):
        if worker >= 0:
            members[worker].append(interval)
    lanes, heights = [-1] * len(workers), [0] * count
    for worker, intervals in enumerate(members):
        rows = pack(_at(begins, intervals), _at(ends, intervals))
        for interval, row in zip(intervals, rows, strict=True):
            lanes[interval] = row
        heights[worker] = max(rows, default=-1) + 1
    return lanes, heights


def _at(values: Sequence[int], places: Iterable[int]) -> list[int]:
    return [values[place] for place in places]
