"""The decorator `resource` of namespaces."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, overload

from astrum.flow.registry import get_registry
from astrum.flow.resource_declaration import G


@overload
def resource(name: G) -> G: ...


@overload
def resource(name: str | None = None, *, namespace: str | None = None) -> Callable[[G], G]: ...


def resource(name: Any = None, *, namespace: str | None = None) -> Any:
    """Declare that the decorated generator function gives a resource; it is returned unchanged.

    The function, sync or async, opens the resource, yields it once, and closes it. A task gets
    what it yields by annotation: ``db: Ref[Pool, Resource("db")]``, and so does another resource.
    It is opened once in each process that runs tasks, when it is first needed, and once per run in
    process; it is closed when the process drains or the run ends.

    ``name`` defaults to that of the function; the namespace is the argument, else the active one.
    Raises `TaskRegistrationError`.
    """
    if callable(name):
        return get_registry(namespace).declare_resource(None, name, sys._getframe(1))

    def declare(function: G) -> G:
        return get_registry(namespace).declare_resource(name, function, sys._getframe(1))

    return declare
