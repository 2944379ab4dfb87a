"""The rows that messages and journals are made of, and how they change from version to version.

Fields are only ever added, at the end, and have a default. A writer leaves out trailing defaults,
so a field that is not used costs nothing. A reader ignores fields that it does not know. What a
reader must not ignore needs a new version.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

PROTOCOL_VERSION = 2


def with_optional(
    required: Iterable[tuple[type, ...]], optional: tuple[type, ...]
) -> set[tuple[type, ...]]:
    """Return the types of rows that end after their required fields or any optional one."""
    lengths = range(len(optional) + 1)
    return {first + optional[:length] for first in required for length in lengths}


def trimmed(row: tuple[Any, ...], defaults: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return a row without those of its last fields that have their default."""
    end = len(row)
    if row[-len(defaults) :] == defaults:  # as nearly always
        return row[: -len(defaults)]
    for default in reversed(defaults):
        if row[end - 1] != default:
            break
        end -= 1
    return row[:end]
