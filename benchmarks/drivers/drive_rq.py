"""RQ: one worker that forks nothing. It has no async tasks; a count-down stands for the fan-in."""

from __future__ import annotations

from collections.abc import Callable

from driver import (
    URL,
    VALUE,
    WARM_UP_HOPS,
    WARM_UP_TASKS,
    CountDown,
    Numbers,
    Work,
    last_layer,
    layered,
    say_done,
    script,
    timed,
    wait_done,
    worker,
)
from redis import Redis
from rq import Queue, get_current_job
from rq.job import Job

count_down = CountDown()


def noop(batch: str, total: int) -> None:
    """Do nothing."""
    count_down.tick(batch, total)


def hop(batch: str, last: int) -> int:
    """Read the predecessor's result."""
    job = get_current_job()
    assert job is not None
    value = job.dependency.return_value() + 1 if job.dependency else 1
    if value == last:
        say_done(batch)
    return value


def node(batch: str, is_last: bool, total: int) -> bytes:
    """Read three values, give one."""
    job = get_current_job()
    assert job is not None
    for above in job.fetch_dependencies():
        above.return_value()
    if is_last:
        count_down.tick(batch, total)
    return VALUE


def _fan_out(queue: Queue, batch: str, tasks: int) -> None:
    queue.enqueue_many([Queue.prepare_data(noop, (batch, tasks)) for _ in range(tasks)])
    wait_done(batch)


def _chain(queue: Queue, batch: str, hops: int) -> None:
    above: Job | None = None
    for _ in range(hops):
        above = queue.enqueue(hop, batch, hops, depends_on=above)
    wait_done(batch)


def _layered(queue: Queue, batch: str, tasks: int) -> None:
    jobs: list[Job] = []
    last = last_layer(tasks)
    for number, above in layered(tasks):
        needs = [jobs[n] for n in above] or None
        job = queue.enqueue(node, batch, number in last, len(last), depends_on=needs)
        jobs.append(job)
    wait_done(batch)


def _measure(tasks: int, warm_up: int, run: Callable[[Queue, str, int], None]) -> Numbers:
    command = [script("rq"), "worker", "--url", URL, "--worker-class", "rq.SimpleWorker", "-q"]
    with worker(*command), Redis.from_url(URL) as client:
        queue = Queue(connection=client)
        run(queue, "warm", warm_up)
        return timed(tasks, lambda: run(queue, "measured", tasks))


def fan_out(tasks: int) -> Numbers:
    """Run jobs until the last has run."""
    return _measure(tasks, WARM_UP_TASKS, _fan_out)


def chain(hops: int) -> Numbers:
    """Run jobs of which each depends on the one before."""
    return _measure(hops, WARM_UP_HOPS, _chain)


def layers(tasks: int) -> Numbers:
    """Run the layered graph."""
    return _measure(tasks, WARM_UP_TASKS, _layered)


WORKS: dict[str, Work] = {
    "fan_out": fan_out,
    "sync_fan_out": fan_out,
    "chain": chain,
    "layered": layers,
}
