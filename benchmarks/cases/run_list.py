"""The command ``runs`` on a server that has a thousand runs."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path

from astrum import SchedulerRegistry
from astrum.machine.run_counter import RunCounts
from astrum.redis import RunStore
from astrum.redis.settings import RedisSettings
from astrum_coordinator import Coordinator
from astrum_coordinator.embedded.server import EmbeddedServer
from benchmarks.case import Numbers, Samples, Setting, Verdict, at_most

NEWEST, FAILED, ALL = "runs", "runs --state failed", "runs --limit 1000 --json"
RUNS = 1_000
SECONDS = "seconds"
LIMIT_S = 0.6


class RunList:
    """A thousand runs, of which most have ended; the time of the whole command."""

    name = "run_list"
    title = "astrum-coordinator runs, with 1,000 runs"
    metric = SECONDS

    def contestants(self, setting: Setting) -> list[str]:
        """Three questions."""
        return [NEWEST, FAILED, ALL]

    def measure(self, setting: Setting, contestant: str) -> Numbers:
        """Take the fastest of some commands."""
        return {SECONDS: asyncio.run(_fastest(contestant.split(), setting.size(10, 3)))}

    def verdicts(self, samples: Samples) -> list[Verdict]:
        """Judge each question."""
        return [
            at_most(f"{name}: at most 0.6 s", samples.median(name, SECONDS), LIMIT_S, " s")
            for name in (NEWEST, FAILED, ALL)
            if samples.has(name)
        ]


async def _fastest(arguments: list[str], repeats: int) -> float:
    async with EmbeddedServer() as server:
        await _store_runs(server.url)
        return min(
            [await asyncio.to_thread(_took_s, server.url, arguments) for _ in range(repeats)]
        )


async def _store_runs(url: str) -> None:
    """Store runs; of ten, eight have ended, two of these as failed."""
    registry = SchedulerRegistry("run_list")
    registry.task("load")(_load)
    flow = registry.build_scheduler().flow(fingerprints=True)
    settings = RedisSettings(url=url)
    async with Coordinator(settings) as coordinator, RunStore.open(settings) as store:
        for number in range(RUNS):
            run_id = await coordinator.submit_flow(flow, labels={"number": str(number)})
            if number % 10 < 8:
                epoch = await store.lead(run_id, "host:1:a", 10.0)
                assert epoch is not None
                state = "failed" if number % 10 < 2 else "completed"
                counts, ttl_s = RunCounts(succeeded=1), 3600.0
                await store.finish(
                    run_id, epoch, state, result_ttl_s=ttl_s, tails=False, counts=counts
                )


def _load() -> int:
    return 1


def _took_s(url: str, arguments: list[str]) -> float:
    command = [str(Path(sys.executable).parent / "astrum-coordinator"), *arguments]
    environment = {**os.environ, "ASTRUM_REDIS_URL": url}
    began = time.perf_counter()
    subprocess.run(
        command, check=True, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    return time.perf_counter() - began
