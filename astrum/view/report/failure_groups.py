"""Groups failures that have the same cause, so that 2,000 of them are three."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from astrum.machine.failure import Failure
from astrum.view.failure_signature import signature, type_name

MAX_GROUPS = 200
MAX_TASKS = 20


class FailureGroups:
    """Collects failures; each belongs to one of at most `MAX_GROUPS` groups.

    Two failures are in one group if their types are equal, their messages but for numbers, ids and
    quoted text, and the last line of the users' code that they passed. The first failure of a group
    stands for it.
    """

    def __init__(self, max_groups: int = MAX_GROUPS) -> None:
        self._max = max_groups
        self._groups: list[_Group] = []
        self._numbers: dict[tuple[str, str, str], int] = {}
        self._known: dict[Failure, int] = {}
        self._left_out: set[tuple[str, str, str]] = set()

    def add(self, failure: Failure, task: int, at: int) -> int:
        """Add a failure of a task and return the number of its group; -1 if there is no room."""
        number = self._known.get(failure)
        if number is None:
            number = self._known[failure] = self._group_of(failure)
        if number >= 0:
            self._groups[number].add(task, at)
        return number

    def add_if_new(self, failure: Failure, task: int, at: int) -> None:
        """Add a failure of a task unless that very failure was added before."""
        if failure not in self._known and task >= 0:
            self.add(failure, task, at)

    def number(self, failure: Failure) -> int:
        """Return the number of the group of a failure that was added, -1 if it has none."""
        return self._known.get(failure, -1)

    @property
    def left_out(self) -> int:
        """The number of groups for which there was no room."""
        return len(self._left_out)

    def rows(self) -> list[dict[str, Any]]:
        """Return the groups for a report, in the order of their numbers."""
        return [group.row() for group in self._groups]

    def _group_of(self, failure: Failure) -> int:
        key = signature(failure)
        number = self._numbers.get(key)
        if number is not None:
            return number
        if len(self._groups) >= self._max:
            self._left_out.add(key)
            return -1
        self._groups.append(_Group(failure))
        self._numbers[key] = len(self._groups) - 1
        return self._numbers[key]


@dataclass(slots=True)
class _Group:
    failure: Failure
    tasks: dict[int, None] = field(default_factory=dict)
    count: int = 0
    first_at: int = 0
    last_at: int = 0

    def add(self, task: int, at: int) -> None:
        if len(self.tasks) < MAX_TASKS:
            self.tasks[task] = None
        self.first_at = min(self.first_at, at) if self.count else at
        self.last_at = max(self.last_at, at) if self.count else at
        self.count += 1

    def row(self) -> dict[str, Any]:
        failure = self.failure
        return {
            "type": type_name(failure),
            "message": failure.message,
            "traceback": failure.traceback,
            "tasks": list(self.tasks),
            "count": self.count,
            "first_at": self.first_at,
            "last_at": self.last_at,
        }
