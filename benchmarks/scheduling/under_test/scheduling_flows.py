"""The flows of the cases about turns: a long run, and small ones that should not wait for it.

``BENCH_FLOWS`` names those that a process declares. Tasks of which the start matters append a line
to the file that ``BENCH_MARKS`` names.
"""

import asyncio
import os
import time
from pathlib import Path

from astrum import SchedulerRegistry

TASKS = int(os.environ.get("BENCH_TASKS", "100"))
TASK_S = float(os.environ.get("BENCH_TASK_S", "0.02"))
FLOWS = os.environ.get("BENCH_FLOWS", "").split(",")
LINKS = 5
FEW = 5


def mark() -> None:
    """Leave the time at which this task began."""
    with Path(os.environ["BENCH_MARKS"]).open("a") as file:
        file.write(f"{time.time()}\n")


async def work() -> None:
    """Take as long as a task of the long run takes."""
    await asyncio.sleep(TASK_S)


def sync_work() -> None:
    """Take as long, in a thread."""
    time.sleep(TASK_S)


async def few() -> None:
    """Leave a mark."""
    mark()


async def noop() -> None:
    """Do nothing."""


def big() -> SchedulerRegistry:
    """Return the long run."""
    registry = SchedulerRegistry("big")
    for number in range(TASKS):
        registry.task(f"t{number}")(work)
    return registry


def one() -> SchedulerRegistry:
    """Return a run of one task."""
    registry = SchedulerRegistry("one")
    registry.task("t0")(noop)
    return registry


def links() -> SchedulerRegistry:
    """Return a chain whose links take as long as the tasks of the long run."""
    registry = SchedulerRegistry("links")
    for number in range(LINKS):
        registry.task(f"t{number}", depends_on=[f"t{number - 1}"] if number else None)(work)
    return registry


def queues() -> SchedulerRegistry:
    """Return a run that fills one queue and has a few tasks for another."""
    registry = SchedulerRegistry("queues")
    for number in range(TASKS):
        registry.task(f"slow{number}", queue="slow")(work)
    for number in range(FEW):
        registry.task(f"few{number}", queue="few")(few)
    return registry


def lanes() -> SchedulerRegistry:
    """Return a run that fills the threads and has a few async tasks."""
    registry = SchedulerRegistry("lanes")
    for number in range(TASKS):
        registry.task(f"slow{number}")(sync_work)
    for number in range(FEW):
        registry.task(f"few{number}")(few)
    return registry


_MAKERS = {"big": big, "one": one, "links": links, "queues": queues, "lanes": lanes}
for _flow in FLOWS:
    globals()[f"registry_{_flow}"] = _MAKERS[_flow]()
