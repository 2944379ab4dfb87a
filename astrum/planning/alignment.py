"""Which children of one task belong to which children of another: by the lists they share."""

from __future__ import annotations

from collections.abc import Sequence

from astrum.planning.axes import Axis


def aligned(consumer: Sequence[Axis], source: Sequence[Axis]) -> tuple[int, ...]:
    """Return, for each aligned axis of ``source``, its place in the axes of ``consumer``.

    The aligned axes are the first ones of ``source``, as far as ``consumer`` has them as well. A
    child reads from the children of ``source`` that have its own places on them; all other axes
    of ``source`` are gathered.

    >>> from astrum.planning.axes import ListSource
    >>> docs, pages = Axis((ListSource("docs"),)), Axis((ListSource("pages_of"),))
    >>> aligned([docs], [docs, pages]), aligned([], [docs]), aligned([pages, docs], [docs])
    ((0,), (), (1,))
    """
    if not consumer or not source:
        return ()
    places = {axis.lists: place for place, axis in enumerate(consumer)}
    found: list[int] = []
    for axis in source:
        place = places.get(axis.lists)
        if place is None:
            break
        found.append(place)
    return tuple(found)


def misaligned(consumer: Sequence[Axis], source: Sequence[Axis]) -> Axis | None:
    """Return the axis of ``source`` that ``consumer`` lacks before one that it has, else None.

    Then no rule says which children to read: the shared axes are not the first ones.
    """
    count = len(aligned(consumer, source))
    shared = {axis.lists for axis in consumer}
    return source[count] if any(axis.lists in shared for axis in source[count:]) else None
