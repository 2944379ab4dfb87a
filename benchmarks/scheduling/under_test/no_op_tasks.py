"""Tasks that do nothing, for the cases about what a worker can run."""

import os

from astrum import SchedulerRegistry

TASKS = int(os.environ.get("BENCH_TASKS", "100"))


async def noop() -> None:
    """Do nothing."""


def registry_of(name: str) -> SchedulerRegistry:
    """Return a namespace of such tasks."""
    registry = SchedulerRegistry(name)
    for number in range(TASKS):
        registry.task(f"t{number}")(noop)
    return registry
