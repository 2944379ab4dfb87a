"""The names of children: the id of their task, and in brackets their indexes or keys."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from astrum.errors import TaskRegistrationError
from astrum.planning.task_spec import TaskSpec


def possible_parents(name: str) -> Iterator[str]:
    """Yield the ids that a mapped task may have if ``name``, or more of it, names a child.

    Ids and keys may have brackets themselves.

    >>> list(possible_parents("parse[a[1]]")), list(possible_parents("parse"))
    (['parse', 'parse[a'], [])
    """
    return (name[:at] for at, character in enumerate(name) if character == "[" and at)


def check_child_names(specs: Iterable[TaskSpec]) -> None:
    """Raise `TaskRegistrationError` for a task whose id a child of a mapped task may have."""
    specs = list(specs)
    mapped = {spec.task_id for spec in specs if spec.axes}
    for spec in specs if mapped else ():
        name = spec.task_id
        parent = next(filter(mapped.__contains__, possible_parents(name)), None)
        if parent is not None and name.endswith("]"):
            raise TaskRegistrationError(
                f"task {name!r}: a child of task {parent!r} may have this name too; give the task "
                f"an id that does not begin with '{parent}[' and end with ']'"
            )
