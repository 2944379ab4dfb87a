"""The lists that tasks have children for, and what of a result a run depends on: pure data."""

from __future__ import annotations

from typing import Literal, NamedTuple

from astrum.data_transport.bindings import Origin, Path

WatchKind = Literal["length", "truth", "choice"]
Choice = str | int | bool | None
"""A value that a condition compares with."""


class ListSource(NamedTuple):
    """A list whose elements give a task its children: a task's result or an input, or a part of it.

    ``source`` is the id of a task, or the name of an input if that is the ``origin``; ``path`` is
    where the list is in it.
    """

    source: str
    path: Path = ()
    origin: Origin = "task"


class Axis(NamedTuple):
    """The lists that the children of a task go through together; several lists are zipped.

    ``key`` is the part of the first list's element that names a child, `None` for its number. Two
    axes are the same if their ``lists`` are equal.
    """

    lists: tuple[ListSource, ...]
    key: Path | None = None


class Watch(NamedTuple):
    """A small fact of a result that the run depends on, as an int; who has the value reports it.

    - "length": the length of the list at ``path``. With a ``key``, that part of each element must
      be a short string or an integer, and no two are equal.
    - "truth": 1 if the bool at ``path`` is true, else 0.
    - "choice": the place in ``choices`` of the value at ``path``, or -1.
    """

    kind: WatchKind
    path: Path = ()
    choices: tuple[Choice, ...] = ()
    key: Path | None = None


class Condition(NamedTuple):
    """A task runs only if the result of ``source`` was seen to have this value.

    ``watch`` is the place in the ``watches`` of that task, ``value`` what must have been seen.
    """

    source: str
    watch: int
    value: int


def condition_text(source: str, watch: Watch, value: int) -> str:
    """Return what a condition demands of a result; of a bool just its name.

    >>> condition_text("route", Watch("choice", ("kind",), ("order", "refund")), 1)
    'route.kind = refund'
    """
    what = dotted(source, watch.path)
    return what if watch.kind == "truth" else f"{what} = {watch.choices[value]}"


def dotted(source: str, path: Path) -> str:
    """Return the name of a part of a result.

    >>> dotted("route", ("kinds", 0))
    'route.kinds[0]'
    """
    steps = (f".{step}" if isinstance(step, str) else f"[{step}]" for step in path)
    return source + "".join(steps)
