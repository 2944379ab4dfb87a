"""A few tasks that warm up workers before anything is measured."""

from astrum import SchedulerRegistry

TASKS = 200


async def noop() -> None:
    """Do nothing."""


def sync_noop() -> None:
    """Do nothing, in a thread."""


warm = SchedulerRegistry("warm_up")
for number in range(TASKS):
    warm.task(f"async{number}")(noop)
    warm.task(f"sync{number}")(sync_noop)
