"""Groups failures that have the same cause, so that 2,000 of them are three."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from astrum.machine.failure import Failure

MAX_GROUPS = 200
MAX_TASKS = 20
_CHANGING = re.compile(
    r"""'[^'\n]{0,200}'|"[^"\n]{0,200}"|0x[0-9a-fA-F]+|\b[0-9a-fA-F]{8,}\b|\d+(?:\.\d+)?"""
)
_FRAME = re.compile(r'^  File "([^"\n]+)", line (\d+), in (\S+)', re.MULTILINE)
_OURS = re.compile(r"[/\\]astrum[/\\](?:execution|runtime)[/\\]\w+\.py$")


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
            "type": _type(failure),
            "message": failure.message,
            "traceback": failure.traceback,
            "tasks": list(self.tasks),
            "count": self.count,
            "first_at": self.first_at,
            "last_at": self.last_at,
        }


def signature(failure: Failure) -> tuple[str, str, str]:
    """Return what two failures with the same cause have in common.

    >>> one = Failure(("builtins.KeyError",), "no row 17 in 'a'")
    >>> signature(one) == signature(one._replace(message="no row 4 in 'b'"))
    True
    """
    return _type(failure), _CHANGING.sub("*", failure.message), _last_line(failure.traceback)


def _type(failure: Failure) -> str:
    return failure.types[0].removeprefix("builtins.") if failure.types else "Error"


def _last_line(traceback: str) -> str:
    """Return the last line of users' code in a traceback, "" if there is none."""
    frames = [frame for frame in _FRAME.findall(traceback) if not _OURS.search(frame[0])]
    return ":".join(frames[-1]) if frames else ""
