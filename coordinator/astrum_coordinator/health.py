"""What a coordinator answers about its health: its own state, its counters, and the pool's."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import fields
from functools import partial
from typing import Any, Generic, TypeVar

from astrum.errors import StoreError
from astrum.machine.task_state import BACKING_OFF, READY
from astrum.redis import connection_counts
from astrum.redis.listing import RunTotals
from astrum.runtime.metrics import (
    Labels,
    NameLimit,
    Readings,
    Value,
    gauge,
)
from astrum.runtime.version import installed_version
from astrum_coordinator import counters
from astrum_coordinator.asking.snapshots import queue_states_of
from astrum_coordinator.parts import Parts

FRESH_S = 1.0
"""For so long an answer is given again, so that many who ask cost what one does."""
_LOOK_S = 2.0
"""The most seconds that a look at the pool may take; without it the other metrics are answered."""
_PATIENCE = 3

STARTING = "starting"
NO_SERVER = "no_server"

RUNS_LED = gauge("astrum_runs_led", "Runs that this coordinator leads.")
OUTSTANDING = gauge(
    "astrum_attempts_outstanding", "Attempts of these runs that were sent and have not ended."
)
TASKS_READY = gauge("astrum_tasks_ready", "Tasks of these runs that wait for nothing but capacity.")
TASKS_BACKING_OFF = gauge(
    "astrum_tasks_backing_off", "Tasks of these runs that wait before their next attempt."
)
UNSERVED = gauge("astrum_unserved_tasks", "Tasks of these runs that no live worker serves.")
QUEUE_WAITING = gauge(
    "astrum_queue_waiting", "Attempts in a queue that no worker has taken.", "queue", "lane"
)
QUEUE_CLAIMED = gauge(
    "astrum_queue_claimed", "Attempts of a queue that workers have taken.", "queue", "lane"
)
QUEUE_OLDEST = gauge(
    "astrum_queue_oldest_seconds", "How long the oldest of those waits.", "queue", "lane"
)
WORKERS = gauge("astrum_workers", "Live workers.")
RUNS = gauge("astrum_runs", "Runs that the server has.", "state")

METRICS = (
    *(RUNS_LED, OUTSTANDING, TASKS_READY, TASKS_BACKING_OFF, UNSERVED),
    *counters.METRICS,
    *connection_counts.METRICS,
    *(QUEUE_WAITING, QUEUE_CLAIMED, QUEUE_OLDEST, WORKERS, RUNS),
)
"""All metrics of a coordinator, in the order of the answer."""

Found = TypeVar("Found")


class Recent(Generic[Found]):
    """Asks at most once in `FRESH_S` seconds, for all who ask meanwhile."""

    def __init__(self, ask: Callable[[], Awaitable[Found]]) -> None:
        self._ask = ask
        self._asking = asyncio.Lock()
        self._found: tuple[float, Found] | None = None

    async def get(self) -> Found:
        """Return the latest answer; raises what asking raises."""
        async with self._asking:
            known, now = self._found, time.monotonic()
            if known is None or now - known[0] >= FRESH_S:
                known = self._found = time.monotonic(), await self._ask()
            return known[1]


class CoordinatorHealth:
    """As `HealthSource`; what it says of queues, workers and runs it asks the server."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._config = parts.context.config
        self._store = parts.context.store
        self._queue_names = NameLimit()
        self._queues = Recent(partial(queue_states_of, self._store))
        self._totals = Recent(self._store.run_totals)

    async def live(self) -> list[str]:
        """Return nothing: the event loop answers, and nothing blocks it for long."""
        return []

    async def ready(self) -> list[str]:
        """Return why this coordinator leads no runs: it could not write to the server lately."""
        said_s = self._parts.presence.said_s
        if said_s is None:
            return [STARTING]
        return [NO_SERVER] if said_s > _PATIENCE * self._config.renew_every_s else []

    async def status(self) -> dict[str, Any]:
        """Return what it publishes of itself, as it was published last."""
        context, status = self._parts.context, self._parts.presence.said
        told = {
            part.name: getattr(status, part.name)
            for part in fields(status)
            if part.name != "leaderships"
        }
        led = [run._asdict() for run in status.leaderships]
        return {
            "pid": os.getpid(),
            "version": installed_version(),
            "owner": context.owner,
            "status": {**told, "leaderships": led},
        }

    async def metrics(self) -> Readings:
        """Return its metrics; those of the pool are missing while the server does not answer."""
        counted = self._parts.context.counters.readings()
        own = {**self._of_runs(), **counted, **self._store.loss.counts.readings()}
        pool = await asyncio.gather(_soon(self._of_queues), _soon(self._of_totals))
        return own | pool[0] | pool[1]

    def _of_runs(self) -> Readings:
        states = [leader.state for leader in self._parts.leaderships]
        return {
            RUNS_LED: {(): len(states)},
            OUTSTANDING: {(): sum(state.outstanding_count for state in states)},
            TASKS_READY: {(): sum(state.states.count(READY) for state in states)},
            TASKS_BACKING_OFF: {(): sum(state.states.count(BACKING_OFF) for state in states)},
            UNSERVED: {(): self._parts.monitor.unserved_count},
        }

    async def _of_totals(self) -> Readings:
        workers, *runs = await self._totals.get()
        states = RunTotals._fields[1:]
        return {
            WORKERS: {(): workers},
            RUNS: {(state,): count for state, count in zip(states, runs, strict=True)},
        }

    async def _of_queues(self) -> Readings:
        waiting: dict[Labels, Value] = {}
        claimed: dict[Labels, Value] = {}
        oldest: dict[Labels, Value] = {}
        for one in await self._queues.get():
            [queue] = self._queue_names.of((one.queue,))
            for lane, size in one.lanes.items():
                waiting[queue, lane] = _plus(waiting.get((queue, lane)), size.waiting)
                claimed[queue, lane] = _plus(claimed.get((queue, lane)), size.held)
                known = oldest.get((queue, lane))
                age_s = size.oldest_s or 0.0
                oldest[queue, lane] = max(age_s, known if isinstance(known, float) else 0.0)
        return {QUEUE_WAITING: waiting, QUEUE_CLAIMED: claimed, QUEUE_OLDEST: oldest}


async def _soon(ask: Callable[[], Awaitable[Readings]]) -> Readings:
    """Return what the server answers; nothing if it does not answer soon, or refuses."""
    with suppress(StoreError, TimeoutError):
        async with asyncio.timeout(_LOOK_S):
            return await ask()
    return {}


def _plus(known: Value | None, count: int) -> Value:
    return count + (known if isinstance(known, int) else 0)
