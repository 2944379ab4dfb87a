"""The declaration of one resource, checked when it is made."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, TypeVar

from astrum.errors import TaskRegistrationError
from astrum.flow.task_declaration import checked_name, where_defined
from astrum.planning.resources import check_resource_function

G = TypeVar("G", bound=Callable[..., Iterator[Any] | AsyncIterator[Any]])
"""A generator function, sync or async."""


def resource_name(name: Any, function: Any) -> str:
    """Return the checked name of a resource, by default that of its function.

    Raises `TaskRegistrationError` for a name or a function that cannot be one of a resource.
    """
    own = getattr(function, "__name__", None) if name is None else name
    checked = checked_name(own, "the name of a resource")
    check_resource_function(checked, function)
    return checked


def resource_twice(name: str, first: Callable[..., Any], namespace: str) -> TaskRegistrationError:
    """Return the error of a second resource with one name."""
    where = where_defined(first)
    return TaskRegistrationError(
        f"resource {name!r} is declared twice in namespace {namespace!r}"
        f"{where and f'; the first one is {where}'}. If the same code ran again, as a cell of a "
        "notebook does, clear the registry before it; else give one of the two another name"
    )
