"""The route of one value from a task's result to a parameter, however it was declared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from astrum.data_transport.bindings import PLAIN, Origin, Path, Reads
from astrum.data_transport.declared.signatures import ABSENT, Parameter

Neighbours = Mapping[str, Mapping[str, None]]
"""Task id to the ids of others, in order."""


class Route(NamedTuple):
    """One annotation or one item, in a form that is small enough for large graphs.

    ``name`` and ``position`` are those of the target's parameter; one of them may be None, and
    ``parameter`` is that parameter if it is already known. ``provider``, unless `ABSENT`,
    supplies the value without a task; ``source`` is then "". ``default``, unless `ABSENT`,
    replaces a part that the result does not have. ``allowed`` is a class that the value must
    have in addition to what the parameter declares. ``declared`` is true if the `TaskData` that
    holds the item names the task at the other end. ``source`` names an input of the run if that is
    the ``origin``; the value of a ``secret`` one is not shown. ``reads`` is `PLAIN` for one value
    of one source.
    """

    source: str
    target: str
    name: str | None
    position: int | None
    path: Path = ()
    parameter: Parameter | None = None
    allowed: type | None = None
    provider: Any = ABSENT
    declared: bool = True
    default: Any = ABSENT
    origin: Origin = "task"
    secret: bool = False
    reads: Reads = PLAIN


class DeclaredRoutes(NamedTuple):
    """The routes of one task's annotations: those to it, and those from it."""

    reads: list[Route]
    sends: Route | None = None


def topology(routes: Iterable[Route]) -> tuple[Neighbours, Neighbours]:
    """Return the sources of each target and the targets of each source."""
    sources: dict[str, dict[str, None]] = {}
    targets: dict[str, dict[str, None]] = {}
    for route in routes:
        if route.source and route.origin == "task":
            for source in (route.source, *route.reads.others):
                sources.setdefault(route.target, {})[source] = None
                targets.setdefault(source, {})[route.target] = None
    return sources, targets
