"""Finds the types that results may have, among the tasks that this process declares."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from astrum.data_transport import declared_types
from astrum.flow.registries_made import functions_named
from astrum.planning.plan import Plan

logger = logging.getLogger("astrum.coordinator")


def types_declared_here(plan: Plan) -> Iterator[type]:
    """Yield the named types of the plan's tasks whose modules are imported in this process.

    No type is looked up by a name that came from the server: only those of tasks that were
    declared here under the plan's namespace and ids count.
    """
    seen: set[Any] = set()
    for function in functions_named(plan.namespace, plan.index.keys()):
        try:
            yield from list(declared_types(function, seen))
        except Exception as error:  # annotations are the user's code
            logger.debug("the types of %r are left out: %s", function, error)
