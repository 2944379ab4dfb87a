"""A flow of three tasks, each reading the one before; the first reads an input."""

from astrum import F, Input, Ref, SchedulerRegistry

small = SchedulerRegistry("small")


@small.task("first")
async def first(number: Ref[int, Input("number")]) -> int:
    """Add one."""
    return number + 1


@small.task("second")
async def second(number: Ref[int, F("first")]) -> int:
    """Add one."""
    return number + 1


@small.task("third")
async def third(number: Ref[int, F("second")]) -> int:
    """Add one."""
    return number + 1
