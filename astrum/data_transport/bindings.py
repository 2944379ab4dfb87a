"""The sources of parameters, after all annotations and `TaskData` have been resolved."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

Path = tuple[str | int, ...]
"""Locators applied one after the other to a result; ``()`` is the whole result."""


Origin = Literal["task", "input"]
"""The kind of source that a value comes from: another task's result, or an input of the run."""

Holes = Literal["", "fill", "drop", "failure"]
"""What stands where a source has no result: nothing may be missing, the default, no element, or a
`TaskFailure`."""


class Binding(NamedTuple):
    """One parameter of a task that is filled from an upstream result or an input of the run.

    ``parameter`` is a parameter's name, or a position for results sent by position. ``source`` is
    the id of a task, or the name of an input if that is the ``origin``.

    With an ``item``, the value is the child's own element of the list at ``path``, then ``item``
    within it; the element's number is the child's index on the axis that has this list. With
    ``others``, the value is the list of the results of ``source`` and of these, in order. ``holes``
    is what stands where a gathered child or one of the listed tasks has no result: "fill" is the
    item `ABSENT`, for which the process that runs the task puts the default.
    """

    parameter: str | int
    source: str
    path: Path = ()
    origin: Origin = "task"
    item: Path | None = None
    others: tuple[str, ...] = ()
    holes: Holes = ""

    @property
    def sources(self) -> tuple[str, ...]:
        """The ids of all tasks that it reads, in order; of an input none."""
        return (self.source, *self.others) if self.origin == "task" else ()


class Supply(NamedTuple):
    """One parameter filled in the process that runs the task, from a callable or a constant."""

    parameter: str | int
    provider: Any


Tolerance = Literal["", "default", "drop", "failure"]
"""What replaces a result that did not come: nothing, the default, no element, a `TaskFailure`."""


class Reads(NamedTuple):
    """How a source is read, beyond its one whole value.

    ``each`` is the number of `Each` around it, ``item`` the part of an element that is read and
    ``key`` the part that names a child. With ``others`` the value is the list of the results of
    the source and of these. A source with a ``tolerance`` may end in any way.
    """

    each: int = 0
    item: Path = ()
    key: Path | None = None
    others: tuple[str, ...] = ()
    tolerance: Tolerance = ""


PLAIN = Reads()
"""One value of one source, which must succeed."""


class Fill(NamedTuple):
    """What replaces missing elements: ``default``, in lists that are nested ``depth`` deep."""

    default: Any
    depth: int = 1


class ResourceSlot(NamedTuple):
    """One parameter filled with a resource of the process; ``expected`` is its declared type.

    ``expected`` is ``typing.Any`` if none is declared.
    """

    parameter: str | int
    name: str
    expected: Any = Any


class TaskInputs(NamedTuple):
    """All that fills a task's parameters.

    ``expected`` maps a parameter to the type declared for it, for run-time checks; a parameter
    without a declared type is absent. ``undeclared`` are the bindings that the `TaskData` they
    come from leaves out of its ``from_tasks`` or ``to_tasks``. ``defaults`` hold what a parameter
    gets if the part that it reads is absent, or if its source has no result; ``fills`` what stands
    in the holes of a gathered list. Parameters in ``secrets`` read an input whose value is not
    shown. ``reads`` are the parameters that read more, or less strictly, than one whole result, and
    ``depths`` the levels of lists that gathering puts round the value of a parameter.
    ``resources`` are the parameters that are filled with resources; what these give
    is not checked again at run time.
    """

    bindings: tuple[Binding, ...] = ()
    supplies: tuple[Supply, ...] = ()
    expected: Mapping[str | int, Any] = MappingProxyType({})
    undeclared: tuple[Binding, ...] = ()
    defaults: Mapping[str | int, Any] = MappingProxyType({})
    secrets: frozenset[str | int] = frozenset()
    fills: Mapping[str | int, Fill] = MappingProxyType({})
    reads: Mapping[str | int, Reads] = MappingProxyType({})
    depths: Mapping[str | int, int] = MappingProxyType({})
    resources: tuple[ResourceSlot, ...] = ()

    @property
    def slots(self) -> list[str | int]:
        """The parameters that are filled."""
        found = [b.parameter for b in self.bindings] + [s.parameter for s in self.supplies]
        return found + [r.parameter for r in self.resources] if self.resources else found
