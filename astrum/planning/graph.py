"""Who waits for whom in a plan: the edges from each task to those that read it or need its end.

An edge is aligned on the axes that both tasks have. A child then waits for the child, or for all
children, with its own indexes on these axes; without a common axis it waits for the whole task.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from astrum.planning.alignment import aligned
from astrum.planning.axes import ListSource
from astrum.planning.task_spec import TaskSpec


class Edge(NamedTuple):
    """One task, ``consumer``, waits for the end of another one, ``source``; both are numbers.

    ``places`` holds, for each axis of the source that is aligned, its place among the axes of the
    consumer. A tolerant edge is met by any end, a required one by a success whose ``seen`` values
    agree with all ``conditions``: pairs of a place in them and the value.
    """

    source: int
    consumer: int
    places: tuple[int, ...] = ()
    is_required: bool = True
    conditions: tuple[tuple[int, int], ...] = ()


class ListEdge(NamedTuple):
    """The children of ``consumer`` come from a list in the result of ``source``; both are numbers.

    It is one of the lists of the axis ``axis`` of the consumer. ``places`` holds for each axis of
    the source its place among the axes of the consumer; ``watch`` is the place of the list's length
    among what is seen of the source.
    """

    source: int
    consumer: int
    axis: int
    places: tuple[int, ...]
    watch: int


@dataclass(frozen=True)
class Edges:
    """The edges of a plan, by the number of the task at each end.

    ``lists_of`` holds for a mapped task and each of its axes the lists: edges from tasks, and
    sources that are inputs. ``places_of`` holds the places at which edges leave a mapped task.
    """

    out: Sequence[Sequence[Edge]]
    into: Sequence[Sequence[Edge]]
    lists_out: Mapping[int, Sequence[ListEdge]] = field(default_factory=dict)
    lists_of: Mapping[int, Sequence[Sequence[ListEdge | ListSource]]] = field(default_factory=dict)


def edges_of(tasks: Sequence[TaskSpec]) -> Edges:
    """Return the edges between the tasks of a plan, which are in the order of their numbers."""
    index = {spec.task_id: number for number, spec in enumerate(tasks)}
    out: list[list[Edge]] = [[] for _ in tasks]
    into: list[list[Edge]] = [[] for _ in tasks]
    lists_out: dict[int, list[ListEdge]] = {}
    lists_of: dict[int, list[list[ListEdge | ListSource]]] = {}
    for consumer, spec in enumerate(tasks):
        for need in dict.fromkeys(spec.needs):
            edge = _edge(index[need], consumer, tasks)
            out[edge.source].append(edge)
            into[consumer].append(edge)
        if not spec.axes:
            continue
        lists_of[consumer] = [
            [_list_edge(one, consumer, axis, tasks, index) for one in spec.axes[axis].lists]
            for axis in range(len(spec.axes))
        ]
        for lists in lists_of[consumer]:
            for one in lists:
                if isinstance(one, ListEdge):
                    lists_out.setdefault(one.source, []).append(one)
    return Edges(out, into, lists_out, lists_of)


def _edge(source: int, consumer: int, tasks: Sequence[TaskSpec]) -> Edge:
    spec, need = tasks[consumer], tasks[source]
    return Edge(
        source,
        consumer,
        aligned(spec.axes, need.axes) if need.axes else (),
        need.task_id not in spec.tolerant,
        tuple([(c.watch, c.value) for c in spec.conditions if c.source == need.task_id]),
    )


def _list_edge(
    one: ListSource,
    consumer: int,
    axis: int,
    tasks: Sequence[TaskSpec],
    index: Mapping[str, int],
) -> ListEdge | ListSource:
    if one.origin == "input":
        return one
    source = index[one.source]
    producer = tasks[source]
    watch = next(
        place
        for place, watch in enumerate(producer.watches)
        if watch.kind == "length" and watch.path == one.path
    )
    places = aligned(tasks[consumer].axes[:axis], producer.axes)
    return ListEdge(source, consumer, axis, places, watch)
