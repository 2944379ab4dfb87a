"""The children of mapped tasks, as trees: one level for each axis, then the children themselves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from astrum.machine.task_state import FAILED, SUCCEEDED, WAITING

Index = tuple[int, ...]
"""A child's place on each axis of its task, from 0."""

NO_ONE = -1
"""Stands for a task where there is none."""


class Place:
    """All children of one mapped task that have the first indexes ``index`` in common.

    ``count`` is the length of the next axis here, -1 as long as it is not known. Below the last
    axis but one the children have the numbers from ``first`` on; else ``below`` holds a place for
    each index. ``left`` counts what has not ended, ``state`` is the end of all, `WAITING` before.
    ``because`` is the task at the root of it.
    """

    __slots__ = (
        "because",
        "below",
        "count",
        "failed",
        "first",
        "index",
        "is_failing",
        "left",
        "parent",
        "state",
        "template",
        "worst",
        "worst_because",
    )

    def __init__(self, template: int, index: Index = (), parent: Place | None = None) -> None:
        self.template = template
        self.index = index
        self.parent = parent
        self.below: list[Place] = []
        self.reset()

    def reset(self) -> None:
        """Forget all children."""
        self.first = NO_ONE
        self.below.clear()
        self.count = -1
        self.begin_again()

    def begin_again(self) -> None:
        """Forget how children have ended; ``left`` then counts all of them."""
        self.left = self.count
        self.failed = 0
        self.is_failing = False
        self.state = WAITING
        self.because = NO_ONE
        self.worst = SUCCEEDED
        self.worst_because = NO_ONE

    @property
    def is_last(self) -> bool:
        """True if the children themselves are directly below."""
        return self.first != NO_ONE

    def note(self, state: int, because: int) -> None:
        """Take in the end of one that is below."""
        self.left -= 1
        if _SEVERITY[state] > _SEVERITY[self.worst]:
            self.worst, self.worst_because = state, because

    def children(self) -> Iterator[int]:
        """All children in the order of their indexes."""
        if self.is_last:
            yield from range(self.first, self.first + self.count)
            return
        for place in self.below:
            yield from place.children()

    def nested(self) -> list[object]:
        """Return the numbers of the children as lists of lists, one level for each axis below."""
        if self.is_last or not self.below:
            return list(range(self.first, self.first + max(self.count, 0)))
        return [place.nested() for place in self.below]


# WAITING … CANCELLED, SKIPPED, BLOCKED, HELD: what counts most for the end of a whole list.
_SEVERITY = (0, 0, 0, 0, 0, 4, 2, 1, 3, 0)
assert _SEVERITY[FAILED] == max(_SEVERITY)


def find_place(root: Place, index: Sequence[int]) -> Place:
    """Return the place with these first indexes, or the last one above it that is known."""
    place = root
    for i in index:
        if not 0 <= i < len(place.below):
            break
        place = place.below[i]
    return place


def matching(root: Place, depth: int, places: Sequence[int], index: Index) -> Iterator[Place]:
    """All places at a depth whose indexes at ``places`` are ``index``, and that are known."""
    wanted = dict(zip(places, index, strict=True))
    level = [root]
    for axis in range(depth):
        i = wanted.get(axis)
        if i is None:
            level = [below for place in level for below in place.below]
        else:
            level = [place.below[i] for place in level if i < len(place.below)]
    yield from level


def unknown_below(place: Place) -> Iterator[Place]:
    """All places from this one down whose children are not known."""
    left = [place]
    while left:
        one = left.pop()
        if one.count < 0:
            yield one
        left.extend(one.below)
