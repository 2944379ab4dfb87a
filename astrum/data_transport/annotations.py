"""Marks for annotations: where a task's arguments come from and where its result goes.

They are read when a plan is built, and know nothing of registries.

`Ref` fills a parameter with the value itself. In process all its readers, and all attempts of
each, share one object; on workers, and with ``AstrumConfig(check_wire=True)``, each attempt has a
value of its own. So a task must not change what it is given: it works on a copy.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated as Ref
from typing import Any

TaskReference = str | Callable[..., Any]
"""The id of a task, or its function."""

Locator = str | int | None
"""A dict key or attribute name, a list or tuple index, or None for the whole value."""


NO_DEFAULT: Any = inspect.Parameter.empty
"""Marks that no default value was given."""
_SCALARS = (bool, int, float, str, bytes)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class From:
    """Fill the annotated parameter from an upstream task's result, or from one part of it.

    With a ``locator`` the part may be absent if there is a ``default``: then the parameter gets
    that. The parameter's own default value never replaces a part, since the reference fills it.

    >>> From("load_order", "order_id")
    From(task='load_order', locator='order_id')
    >>> From("load_order", "note", default=None)
    From(task='load_order', locator='note', default=None)
    """

    task: TaskReference
    locator: Locator = None
    default: Any = field(default=NO_DEFAULT, kw_only=True)

    # `typing` keeps one `Ref[...]` for all that are equal, so 0 and False must not be.
    def __eq__(self, other: object) -> bool:
        if type(other) is not From:
            return NotImplemented
        return (
            self.task == other.task
            and self.locator == other.locator
            and type(self.locator) is type(other.locator)
            and _is_same(self.default, other.default)
        )

    def __hash__(self) -> int:
        return hash((From, self.task, self.locator))  # a default need not be hashable

    def __repr__(self) -> str:
        default = "" if self.default is NO_DEFAULT else f", default={self.default!r}"
        return f"From(task={self.task!r}, locator={self.locator!r}{default})"


def _is_same(one: Any, other: Any) -> bool:
    if one is other:
        return True
    return type(one) is type(other) and type(one) in _SCALARS and repr(one) == repr(other)


@dataclass(frozen=True, slots=True)
class To:
    """Send the annotated result, or the part ``local`` of it, to a parameter of ``task``.

    ``target`` is the parameter's name or position. Without it, ``local`` is also the parameter's
    name if it is a string; without both, the first parameter gets the value.
    """

    task: TaskReference
    local: Locator = None
    target: Locator = None


@dataclass(frozen=True, slots=True)
class Input:
    """Fill the annotated parameter from a named value that the run is started with, an *input*.

    Without a ``name`` the input is called like the parameter; a ``locator`` takes one part of it.
    The parameter's own default value is the input's default; an input without one must be given.
    The value of a ``secret`` input is shown as ``***`` everywhere.

    >>> Input("order", "customer_id")
    Input(name='order', locator='customer_id', secret=False)
    """

    name: str | None = None
    locator: Locator = None
    secret: bool = field(default=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Resource:
    """Fill the annotated parameter from what a resource function yields.

    Without a ``name`` the resource is called like the parameter. It is opened once in each process
    that runs tasks, when the first of them needs it; see `astrum.resource`.

    >>> Resource("db")
    Resource(name='db')
    """

    name: str | None = None


F = From
T = To
MARKS = (From, To, Input, Resource)
"""The classes of all marks."""

__all__ = [
    "MARKS",
    "NO_DEFAULT",
    "F",
    "From",
    "Input",
    "Locator",
    "Ref",
    "Resource",
    "T",
    "TaskReference",
    "To",
]
