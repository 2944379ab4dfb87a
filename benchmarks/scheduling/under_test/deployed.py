"""A flow in several versions: ``BENCH_VERSION`` says which one this process has."""

import os

from no_op_tasks import TASKS, noop

from astrum import F, Ref, SchedulerRegistry

VERSION = os.environ.get("BENCH_VERSION", "old")

if VERSION == "body":

    async def work() -> None:
        """Do nothing in another way."""
        return

else:

    async def work() -> None:
        """Do nothing."""


async def source() -> int:
    """Give a number."""
    return 1


if VERSION == "parameter":

    async def other(number: Ref[int, F("source")], factor: int = 2) -> int:
        """Read it, by another name."""
        return number * factor

else:

    async def other(value: Ref[int, F("source")]) -> int:
        """Read it."""
        return value * 2


registry = SchedulerRegistry("deployed")
for _number in range(TASKS):
    registry.task(f"t{_number}")(work)
registry.task("source")(source)
registry.task("other")(other)
if VERSION == "added":
    registry.task("added")(noop)
