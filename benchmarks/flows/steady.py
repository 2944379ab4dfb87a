"""Children that take a fixed time, so that their number at once sets the rate of their ends."""

from __future__ import annotations

import asyncio

from astrum import Each, Ref, task

CHILDREN = 60_000
TAKES_S = 0.1


@task("numbers")
def numbers() -> list[int]:
    """Return the list that has a child for each item."""
    return list(range(CHILDREN))


@task("wait")
async def wait(number: Ref[int, Each("numbers")]) -> int:
    """Wait for the fixed time."""
    await asyncio.sleep(TAKES_S)
    return number
