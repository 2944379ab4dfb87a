"""Ray: one CPU, no dashboard; results through its object store."""

from __future__ import annotations

import ray
from driver import VALUE, WARM_UP_HOPS, WARM_UP_TASKS, Numbers, Work, last_layer, layered, timed


@ray.remote
def noop() -> None:
    """Do nothing."""


@ray.remote
def hop(value: int) -> int:
    """Read the predecessor's result."""
    return value + 1


@ray.remote
def node(*above: bytes) -> bytes:
    """Read three values, give one."""
    return VALUE


def _fan_out(tasks: int) -> int:
    return len(ray.get([noop.remote() for _ in range(tasks)]))


def _chain(hops: int) -> int:
    ref = hop.remote(0)
    for _ in range(hops - 1):
        ref = hop.remote(ref)
    return int(ray.get(ref))


def _layered(tasks: int) -> int:
    refs: list[ray.ObjectRef] = []
    for _, above in layered(tasks):
        refs.append(node.remote(*(refs[number] for number in above)))
    return len(ray.get([refs[number] for number in last_layer(tasks)]))


def _open() -> None:
    ray.init(num_cpus=1, include_dashboard=False, logging_level="ERROR", log_to_driver=False)
    _fan_out(WARM_UP_TASKS)


def fan_out(tasks: int) -> Numbers:
    """Run tasks that need nothing and gather them."""
    _open()
    return timed(tasks, lambda: _fan_out(tasks), tasks)


def chain(hops: int) -> Numbers:
    """Run tasks of which each reads the one before."""
    _open()
    _chain(WARM_UP_HOPS)
    return timed(hops, lambda: _chain(hops), hops)


def layers(tasks: int) -> Numbers:
    """Run the layered graph."""
    _open()
    return timed(tasks, lambda: _layered(tasks), len(last_layer(tasks)))


WORKS: dict[str, Work] = {
    "fan_out": fan_out,
    "sync_fan_out": fan_out,
    "chain": chain,
    "layered": layers,
}
