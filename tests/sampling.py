"""Products of parameters of which the usual run of the tests takes a part."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from _pytest.mark import ParameterSet


def sampled(first: Iterable[str], second: Iterable[str]) -> list[ParameterSet]:
    """Return all pairs; `make thorough` alone takes those that the sample does not need.

    In the sample each value of both occurs at least once: the n-th of the longer list is with the
    n-th of the shorter one, which is repeated.
    """
    rows, columns = list(first), list(second)
    fewer = min(len(rows), len(columns))
    return [
        pytest.param(row, column, marks=() if i % fewer == j % fewer else pytest.mark.thorough)
        for i, row in enumerate(rows)
        for j, column in enumerate(columns)
    ]
