"""Which axes a task has: from the lists that its parameters go through."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from astrum.errors import TaskRegistrationError
from astrum.planning.axes import Axis, ListSource

EachOption = Literal["zip", "product"]
EACH = ("zip", "product")


class Walked(NamedTuple):
    """The axes of one `Each` parameter; ``is_new``: its own list is the last one of them."""

    parameter: str | int
    axes: tuple[Axis, ...]
    is_new: bool


def merged_axes(task_id: str, walks: Sequence[Walked], each: EachOption | None) -> tuple[Axis, ...]:
    """Return the axes of a task, those of its first parameter first.

    Raises `TaskRegistrationError` where they are not certain.
    """
    apart = _apart(walks)
    if len(apart) < 2:
        if each is not None and walks:
            raise TaskRegistrationError(
                f"task {task_id!r}: each={each!r} says how two lists go together, and it goes "
                f"through one, {shown_axis(apart[0].axes[-1])}: leave each= out"
            )
        return apart[0].axes if apart else ()
    if each is None:
        first, second = apart[:2]
        raise TaskRegistrationError(
            f"task {task_id!r} goes through two lists, {shown_axis(first.axes[-1])} (parameter "
            f"{first.parameter!r}) and {shown_axis(second.axes[-1])} (parameter "
            f'{second.parameter!r}): write each="zip" for one child per pair, or each="product" '
            "for one per combination"
        )
    return _zipped(task_id, apart) if each == "zip" else _product(apart)


def _apart(walks: Sequence[Walked]) -> list[Walked]:
    """Return those of the parameters whose axes are not the first ones of another's."""
    found: list[Walked] = []
    for walk in sorted(walks, key=lambda walk: walk.is_new):  # lists zipped elsewhere come first
        if any(_begins(other.axes, walk) for other in found):
            continue
        found = [other for other in found if not _begins(walk.axes, other)]
        found.append(walk)
    return [walk for walk in walks if walk in found]


def _begins(axes: Sequence[Axis], walk: Walked) -> bool:
    """Return whether ``axes`` begin with those of ``walk``."""
    own = walk.axes
    if len(own) > len(axes):
        return False
    last = len(own) - 1
    return all(
        one.lists == other.lists
        or (place == last and walk.is_new and own[last].lists[0] in other.lists)
        for place, (one, other) in enumerate(zip(own, axes, strict=False))
    )


def _zipped(task_id: str, apart: Sequence[Walked]) -> tuple[Axis, ...]:
    before = [axis.lists for axis in apart[0].axes[:-1]]
    for walk in apart:
        if not walk.is_new or [axis.lists for axis in walk.axes[:-1]] != before:
            raise TaskRegistrationError(
                f'task {task_id!r}, parameter {walk.parameter!r}: each="zip" pairs lists that '
                f"belong to the same children, and {shown_axis(walk.axes[-1])} belongs to others: "
                "write a task in between that returns the pairs as one list"
            )
    lists = tuple(axis for walk in apart for axis in walk.axes[-1].lists)
    return (*apart[0].axes[:-1], Axis(lists))


def _product(apart: Sequence[Walked]) -> tuple[Axis, ...]:
    found: dict[tuple[ListSource, ...], Axis] = {}
    for walk in apart:
        for axis in walk.axes:
            found.setdefault(axis.lists, axis)
    return tuple(found.values())


def shown_list(one: ListSource) -> str:
    """Return a list as a message and a plan name it.

    >>> shown_list(ListSource("scan", ("files",))), shown_list(ListSource("days", (), "input"))
    ("scan['files']", 'input days')
    """
    part = "".join(f"[{step!r}]" for step in one.path)
    return f"{'input ' if one.origin == 'input' else ''}{one.source}{part}"


def shown_axis(axis: Axis) -> str:
    """Return the lists of an axis as a message names them."""
    return " and ".join(map(shown_list, axis.lists))
