"""Places the nodes of a graph in levels so that few edges cross, fast for 100,000 nodes.

Within each level the nodes are sorted by the mean place of their neighbours in the level before,
then in the level behind (barycentres), twice in each direction.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

SWEEPS = 4


class Layout(NamedTuple):
    """The place of each node: ``x`` is its level, ``y`` its place there, centred at 0."""

    x: list[int]
    y: list[float]


def layout(levels: Sequence[int], needs: Sequence[Sequence[int]]) -> Layout:
    """Return the places of nodes with these levels, each of which has edges from its needs.

    The result depends on the arguments alone.
    """
    members: list[list[int]] = [[] for _ in range(max(levels, default=-1) + 1)]
    for node, level in enumerate(levels):
        members[level].append(node)
    y = [0.0] * len(levels)
    for nodes in members:
        _place(nodes, y)
    followers: list[list[int]] = [[] for _ in levels]
    for node, sources in enumerate(needs):
        for source in sources:
            followers[source].append(node)
    for sweep in range(SWEEPS):
        forwards = sweep % 2 == 0
        neighbours = needs if forwards else followers
        for nodes in members if forwards else reversed(members):
            _sort(nodes, neighbours, y)
    return Layout(list(levels), y)


def _sort(nodes: list[int], neighbours: Sequence[Sequence[int]], y: list[float]) -> None:
    """Sort the nodes of one level by the mean place of their neighbours; others keep theirs."""
    if len(nodes) < 2:
        return
    wanted = {node: _mean(neighbours[node], y, y[node]) for node in nodes}
    nodes.sort(key=wanted.__getitem__)
    _place(nodes, y)


def _mean(nodes: Sequence[int], y: Sequence[float], own: float) -> float:
    return sum([y[node] for node in nodes]) / len(nodes) if nodes else own


def _place(nodes: Sequence[int], y: list[float]) -> None:
    first = (1 - len(nodes)) / 2
    for place, node in enumerate(nodes):
        y[node] = first + place
