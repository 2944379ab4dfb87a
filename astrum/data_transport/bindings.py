"""The sources of parameters, after all annotations and `TaskData` have been resolved."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

Path = tuple[str | int, ...]
"""Locators applied one after the other to a result; ``()`` is the whole result."""


Origin = Literal["task", "input"]
"""The kind of source that a value comes from: another task's result, or an input of the run."""


class Binding(NamedTuple):
    """One parameter of a task that is filled from an upstream result or an input of the run.

    ``parameter`` is a parameter's name, or a position for results sent by position. ``source`` is
    the id of a task, or the name of an input if that is the ``origin``.
    """

    parameter: str | int
    source: str
    path: Path = ()
    origin: Origin = "task"


class Supply(NamedTuple):
    """One parameter filled in the process that runs the task, from a callable or a constant."""

    parameter: str | int
    provider: Any


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
    gets if the part that it reads is absent. Parameters in ``secrets`` read an input whose value
    is not shown. ``resources`` are the parameters that are filled with resources; what these give
    is not checked again at run time.
    """

    bindings: tuple[Binding, ...] = ()
    supplies: tuple[Supply, ...] = ()
    expected: Mapping[str | int, Any] = MappingProxyType({})
    undeclared: tuple[Binding, ...] = ()
    defaults: Mapping[str | int, Any] = MappingProxyType({})
    secrets: frozenset[str | int] = frozenset()
    resources: tuple[ResourceSlot, ...] = ()

    @property
    def slots(self) -> list[str | int]:
        """The parameters that are filled."""
        found = [b.parameter for b in self.bindings] + [s.parameter for s in self.supplies]
        return found + [r.parameter for r in self.resources] if self.resources else found
