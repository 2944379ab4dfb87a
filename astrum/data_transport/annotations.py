"""How a task says in its annotations where its arguments come from and where its result goes.

These are marks only: they are read when a plan is built, and they know nothing of registries.

`Ref` fills a parameter with the value itself. In process all its readers, and all attempts of
each, share one object; on workers, and with ``AstrumConfig(check_wire=True)``, each attempt has a
value of its own. So a task must not change what it is given: it works on a copy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated as Ref
from typing import Any

TaskReference = str | Callable[..., Any]
"""A task's id, or its function."""

Locator = str | int | None
"""A dict key or attribute, a list or tuple index, or the whole."""


@dataclass(frozen=True, slots=True)
class From:
    """Fill the annotated parameter from an upstream task's result, or from one part of it.

    >>> From("load_order", "order_id")
    From(task='load_order', locator='order_id')
    """

    task: TaskReference
    locator: Locator = None


@dataclass(frozen=True, slots=True)
class To:
    """Send the annotated result, or the part ``local`` of it, to a parameter of ``task``.

    ``target`` is the parameter's name or position. Without it, a text ``local`` is also the
    parameter's name; without both, the first parameter gets the value.
    """

    task: TaskReference
    local: Locator = None
    target: Locator = None


F = From
T = To

__all__ = ["F", "From", "Locator", "Ref", "T", "TaskReference", "To"]
