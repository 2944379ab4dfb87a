"""Marks for annotations: where a task's arguments come from and where its result goes.

They are read when a plan is built, and know nothing of registries.

`Ref` fills a parameter with the value itself. In process all its readers, and all attempts of
each, share one object; on workers, and with ``AstrumConfig(check_wire=True)``, each attempt has a
value of its own. So a task must not change what it is given: it works on a copy.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Annotated as Ref
from typing import Any, Final

TaskReference = str | Callable[..., Any]
"""The id of a task, or its function."""

Locator = str | int | None
"""A dict key or attribute name, a list or tuple index, or None for the whole value."""


NO_DEFAULT: Any = inspect.Parameter.empty
"""Marks that no default value was given."""
_SCALARS = (bool, int, float, str, bytes)


class _Drop:
    """The class of `DROP`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "DROP"

    def __reduce__(self) -> str:
        return "DROP"


DROP: Final = _Drop()
"""As the default of `F`: a gathered list leaves out the results that did not come."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class From:
    """Fill the annotated parameter from an upstream task's result, or from one part of it.

    Of a task with children it is the list of their results, in order, nested as deep as the lists
    that the reading task has no children for; of several tasks, ``F(["a", "b"])``, the list of
    theirs. A ``locator`` applies to each result.

    With a ``default`` the source may end in any way, and the part may be absent: then the
    parameter gets the default, and in a list it replaces the missing result; ``default=DROP``
    leaves missing results out, and with ``failures=True`` a `TaskFailure` replaces each. The
    parameter's own default value never replaces a result, since the reference fills it.

    >>> From("load_order", "order_id")
    From(task='load_order', locator='order_id')
    >>> From("load_order", "note", default=None)
    From(task='load_order', locator='note', default=None)
    """

    task: TaskReference | Sequence[TaskReference]
    locator: Locator = None
    default: Any = field(default=NO_DEFAULT, kw_only=True)
    failures: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        if isinstance(self.task, list):  # `typing` hashes what is in brackets
            object.__setattr__(self, "task", tuple(self.task))

    # `typing` keeps one `Ref[...]` for all that are equal, so 0 and False must not be.
    def __eq__(self, other: object) -> bool:
        if type(other) is not From:
            return NotImplemented
        return (
            self.task == other.task
            and self.locator == other.locator
            and type(self.locator) is type(other.locator)
            and self.failures is other.failures
            and _is_same(self.default, other.default)
        )

    def __hash__(self) -> int:
        return hash((From, self.task, self.locator))  # a default need not be hashable

    def __repr__(self) -> str:
        default = "" if self.default is NO_DEFAULT else f", default={self.default!r}"
        failures = f", failures={self.failures!r}" if self.failures else ""
        task = list(self.task) if isinstance(self.task, tuple) else self.task
        return f"From(task={task!r}, locator={self.locator!r}{default}{failures})"


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


@dataclass(frozen=True, slots=True, eq=False)
class Each:
    """Give the task one child for each element of a list, and fill the parameter with its element.

    ``source`` is a task that returns a list or tuple, ``F(task, "part")`` for a list that is a part
    of its result, or an `Input`. Of a task that has children itself, the parameter gets the result
    of the child with the same place; ``Each(Each(task))`` goes on into the lists that its children
    return. A ``locator`` takes one part of each element. ``key`` is the part of an element, a short
    string or an integer, that names its child and is never there twice; ``key=True`` is the element
    itself. Without it the child's place in the list names it.

    >>> Each("list_orders", "customer", key="id")
    Each(source='list_orders', locator='customer', key='id')
    """

    source: TaskReference | From | Input | Each
    locator: Locator = None
    key: Locator | bool = field(default=None, kw_only=True)

    def __eq__(self, other: object) -> bool:
        if type(other) is not Each:
            return NotImplemented
        return (
            type(self.source) is type(other.source)
            and self.source == other.source
            and _is_same_step(self.locator, other.locator)
            and _is_same_step(self.key, other.key)
        )

    def __hash__(self) -> int:
        return hash((Each, self.source, self.locator, self.key))


def _is_same_step(one: object, other: object) -> bool:
    return type(one) is type(other) and one == other


@dataclass(frozen=True, slots=True)
class Case:
    """The condition that a task's result, or one part of it, has a value; for ``when=`` of `@task`.

    The value is a string, an int, a bool or None; an enum is compared by the name of its member.

    >>> Case("route", "kind", equals="refund")
    Case(source='route', locator='kind', equals='refund')
    """

    source: TaskReference
    locator: Locator = None
    equals: Any = field(kw_only=True)


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
MARKS = (From, To, Input, Each, Resource)
"""The classes of all marks."""

__all__ = [
    "DROP",
    "MARKS",
    "NO_DEFAULT",
    "Case",
    "Each",
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
