"""The placeholder in a gathered list for an element without a result, until its reader fills it."""

from __future__ import annotations

import copy
from typing import Any, Final, final


@final
class Absent:
    """The type of `ABSENT`, of which there is one value."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<absent>"

    def __reduce__(self) -> str:
        return "ABSENT"


ABSENT: Final = Absent()
"""Stands for an element without a result; the process that runs the reader has the default."""


def fill_absent(value: Any, depth: int, default: Any) -> Any:
    """Return nested lists of ``depth`` levels with ``default`` in place of each `ABSENT`.

    The lists are changed; what lies deeper is not looked at. Each place gets its own copy of a
    default that is a list, dict or set.

    >>> fill_absent([[1, ABSENT], ABSENT], 2, 0)
    [[1, 0], 0]
    """
    if value is ABSENT:
        return own_copy(default)
    if depth and type(value) is list:
        for place, item in enumerate(value):
            if item is ABSENT or depth > 1:
                value[place] = fill_absent(item, depth - 1, default)
    return value


def own_copy(default: Any) -> Any:
    """Return a default for one reader, who may change it."""
    return copy.deepcopy(default) if type(default) in (list, dict, set) else default
