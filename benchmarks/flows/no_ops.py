"""Tasks that do nothing: alone with a fan-in, in a chain, in layers."""

import asyncio
import os

from astrum import Each, F, Ref, SchedulerRegistry
from benchmarks.drivers.driver import VALUE, last_layer, layered

TASKS = int(os.environ.get("BENCH_TASKS", "100"))
SHAPES = os.environ.get("BENCH_FLOW", "fan_out").split(",")


async def noop() -> None:
    """Do nothing, in the event loop."""


def sync_noop() -> None:
    """Do nothing, in a thread."""


async def join() -> int:
    """Run last."""
    return TASKS


async def first_hop() -> int:
    """Begin the chain."""
    return 1


def fan_out() -> SchedulerRegistry:
    """Return tasks that need nothing and one that needs them all."""
    return _joined("fan_out", noop)


def sync_fan_out() -> SchedulerRegistry:
    """Return the same with sync tasks."""
    return _joined("sync_fan_out", sync_noop)


def _joined(name, function) -> SchedulerRegistry:
    registry = SchedulerRegistry(name)
    names = [f"t{number}" for number in range(TASKS)]
    for task_id in names:
        registry.task(task_id)(function)
    registry.task("last", depends_on=names)(join)
    return registry


def chain() -> SchedulerRegistry:
    """Return tasks of which each reads the one before."""
    registry = SchedulerRegistry("chain")
    registry.task("t0")(first_hop)
    for number in range(1, TASKS):
        registry.task(_chain_id(number))(_hop(_chain_id(number - 1)))
    return registry


def _chain_id(number: int) -> str:
    return "last" if number == TASKS - 1 else f"t{number}"


def _hop(above: str):
    async def hop(value: Ref[int, F(above)]) -> int:
        return value + 1

    return hop


def layers() -> SchedulerRegistry:
    """Return the layered graph, and one task that needs its last layer."""
    registry = SchedulerRegistry("layered")
    for number, above in layered(TASKS):
        registry.task(f"t{number}")(_node(*(f"t{n}" for n in above)) if above else source)
    registry.task("last", depends_on=[f"t{n}" for n in last_layer(TASKS)])(join)
    return registry


async def source() -> bytes:
    """Give one value."""
    return VALUE


def _node(one: str, two: str, three: str):
    async def node(a: Ref[bytes, F(one)], b: Ref[bytes, F(two)], c: Ref[bytes, F(three)]) -> bytes:
        return VALUE

    return node


def children() -> SchedulerRegistry:
    """Return a list, a child for each element of it, and one task that needs them all."""
    registry = SchedulerRegistry("children")
    registry.task("numbers")(numbers)

    async def child(number: Ref[int, Each("numbers")]) -> int:
        return number

    registry.task("t")(child)
    registry.task("last", depends_on=["t"])(join)
    return registry


def static_children() -> SchedulerRegistry:
    """Return as many tasks that need the list, and read nothing of it."""
    registry = SchedulerRegistry("static_children")
    registry.task("numbers")(numbers)
    names = [f"t{number}" for number in range(TASKS)]
    for task_id in names:
        registry.task(task_id, depends_on=["numbers"])(first_hop)
    registry.task("last", depends_on=names)(join)
    return registry


async def numbers() -> list[int]:
    """Give a list."""
    return list(range(TASKS))


def cpu_bound() -> SchedulerRegistry:
    """Return sync tasks that keep a processor busy for 20 ms each, and a fan-in."""
    return _joined("cpu_bound", burn)


def burn() -> int:
    """Count for about 20 ms."""
    total = 0
    for number in range(BURN_STEPS):
        total += number & 3
    return total


BURN_STEPS = int(os.environ.get("BENCH_BURN_STEPS", "500000"))


def readers() -> SchedulerRegistry:
    """Return tasks that all read one value of 5 MiB, and a fan-in."""
    registry = SchedulerRegistry("readers")
    registry.task("big")(big)
    names = [f"t{number}" for number in range(TASKS)]
    for task_id in names:
        registry.task(task_id)(read_big)
    registry.task("last", depends_on=names)(join)
    return registry


async def big() -> bytes:
    """Give 5 MiB that cannot be compressed."""
    return os.urandom(5 * 1024 * 1024)


async def read_big(data: Ref[bytes, F("big")]) -> int:
    """Read it."""
    return len(data)


def resumed() -> SchedulerRegistry:
    """Return the fan-out, a task for a queue that is served later, and one behind that."""
    registry = SchedulerRegistry("resumed")
    names = [f"t{number}" for number in range(TASKS)]
    for task_id in names:
        registry.task(task_id)(noop)
    registry.task("gate", depends_on=names, queue="later")(noop)
    registry.task("last", depends_on=["gate"])(join)
    return registry


def waiting() -> SchedulerRegistry:
    """Return one task that waits until it is cancelled."""
    registry = SchedulerRegistry("waiting")
    registry.task("last")(wait)
    return registry


async def wait() -> None:
    """Wait forever."""
    await asyncio.Event().wait()


_MAKERS = {
    "fan_out": fan_out,
    "sync_fan_out": sync_fan_out,
    "chain": chain,
    "layered": layers,
    "children": children,
    "static_children": static_children,
    "cpu_bound": cpu_bound,
    "readers": readers,
    "resumed": resumed,
    "waiting": waiting,
}
for _shape in SHAPES:
    globals()[f"registry_{_shape}"] = _MAKERS[_shape]()
