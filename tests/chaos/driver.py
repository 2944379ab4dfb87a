"""Kills, pauses, cuts and restarts real processes while they run thousands of tasks.

A scenario is a list of faults that are injected in random order, again and again, for a while.
Runs are submitted all the time; at the end every one of them is audited.
"""

from __future__ import annotations

import asyncio
import json
import random
import statistics
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from astrum.errors import StoreError
from tests.chaos.audit import LOSS_WINDOW_S, Verdict, audit, begun_while_quiet, pid_of
from tests.chaos.faults import FAILOVER, Faults
from tests.chaos.injection import Injection
from tests.chaos.pool import ChaosPool

OPEN_RUNS = 3
DRAIN_TIMEOUT_S = 120.0
ROLLBACK = "server rolled back"
SERVER_FAULTS = ("server kill -9 (AOF)", "server restart", ROLLBACK, FAILOVER)


@dataclass
class Result:
    """One scenario's outcome."""

    scenario: str
    injections: list[Injection] = field(default_factory=list)
    verdict: Verdict = field(default_factory=Verdict)
    seconds: float = 0.0

    def row(self) -> tuple[str, ...]:
        """Return the cells of the table."""
        times = [i.recovered_s for i in self.injections if i.recovered_s is not None]
        median = f"{statistics.median(times):.1f}" if times else "-"
        worst = f"{max(times):.1f}" if times else "-"
        v = self.verdict
        again = ", ".join(f"{count} {why}" for why, count in sorted(v.explained.items()))
        counts = (
            *(len(self.injections), v.tasks, v.executions),
            *(v.lost, v.double_counted, v.quarantined),
        )
        return (self.scenario, *map(str, counts), median, worst, again or "-")


HEADER = (
    "fault",
    "injected",
    "tasks",
    "executions",
    "lost",
    "double",
    "quarantined",
    "median s",
    "worst s",
    "executed again because",
)


class Driver:
    """Runs scenarios on one pool."""

    def __init__(
        self, pool: ChaosPool, lease_s: float, rng: random.Random, *, open_runs: int = OPEN_RUNS
    ) -> None:
        self._pool = pool
        self._rng = rng
        self._faults = Faults(pool, lease_s, rng)
        self._open_runs = open_runs
        self._injecting = False
        self._submitted: list[str] = []
        self._may_forget = False

    async def run(self, scenario: str, faults: Sequence[str], seconds: float) -> Result:
        """Inject the faults for so long, each at least once; then audit all runs."""
        began_at, result = time.monotonic(), Result(scenario)
        self._submitted, self._injecting = [], True
        self._pool.planned.clear()
        self._pool.reopened.clear()
        self._may_forget = ROLLBACK in faults or FAILOVER in faults
        submitting = asyncio.create_task(self._keep_submitting(scenario))
        try:
            await self._inject(faults, began_at + seconds, result)
        finally:
            self._injecting = False
            await submitting
        await self._drained()
        await self._audit(result)
        result.seconds = time.monotonic() - began_at
        return result

    async def _keep_submitting(self, scenario: str) -> None:
        name = "".join(c if c.isalnum() else "-" for c in scenario)
        while self._injecting:
            self._pool.tend()
            if len(await self._open()) < self._open_runs:
                run_id = f"{name}-{len(self._submitted)}"
                if await asyncio.to_thread(self._pool.submit, run_id, self._rng):
                    self._submitted.append(run_id)
            await asyncio.sleep(0.1)

    async def _open(self) -> list[Any]:
        while True:
            with suppress(StoreError):
                return [run for run in await self._pool.runs() if run.is_open]
            await asyncio.sleep(0.1)

    async def _inject(self, faults: Sequence[str], until: float, result: Result) -> None:
        order: list[str] = []
        is_first_round = True
        while is_first_round or time.monotonic() < until:
            order = order or self._rng.sample(list(faults), len(faults))
            await self._until_all_serve_and_something_runs()
            fault = order.pop()
            injection = await self._faults.by_name[fault]()
            injection.fault = fault
            result.injections.append(injection)
            is_first_round = is_first_round and bool(order)
            await asyncio.sleep(self._rng.uniform(0.3, 1.5))

    async def _until_all_serve_and_something_runs(self) -> None:
        while True:
            is_busy = any(run.outstanding for run in await self._open())
            if is_busy and self._pool.all_serve():
                return
            await asyncio.sleep(0.05)

    async def _drained(self) -> None:
        deadline = time.monotonic() + DRAIN_TIMEOUT_S
        while still := await self._open() or await self._forgotten():
            self._pool.tend()
            assert time.monotonic() < deadline, f"runs that do not end: {still}"
            await asyncio.sleep(0.1)

    async def _forgotten(self) -> list[str]:
        """Submit again what a server that lost its last writes does not know any more."""
        known = {run.run_id for run in await self._pool.runs()}
        forgotten = [run_id for run_id in self._submitted if run_id not in known]
        for run_id in forgotten:
            assert self._may_forget, f"run {run_id} vanished"
            await asyncio.to_thread(self._pool.submit, run_id, self._rng)
        return forgotten

    async def _audit(self, result: Result) -> None:
        tokens = self._pool.tokens()
        losses = [
            (i.began_at - LOSS_WINDOW_S, i.over_at + LOSS_WINDOW_S)
            for i in result.injections
            if i.fault in SERVER_FAULTS
        ]
        victims = {i.victim_pid for i in result.injections}
        reports = []
        for run_id in self._submitted + self._pool.reopened:
            report = await asyncio.to_thread(self._pool.show, run_id)
            successes = await self._pool.successes(run_id, list(report["original_tasks"]))
            plans = self._pool.planned[run_id]
            result.verdict.add(audit(report, tokens[run_id], successes, losses, victims, plans))
            reports.append(report)
        result.verdict.problems += begun_while_quiet(tokens, result.injections)
        result.verdict.problems += self._pool.unexpected_ends + self._pool.leftovers()
        self._pool.unexpected_ends = []
        measure_recovery(result.injections, reports)


def measure_recovery(injections: Iterable[Injection], reports: Iterable[dict[str, Any]]) -> None:
    """Say of each fault how long it took until what it hit was done.

    Of a fault that hit a worker: until the last of the attempts that it cost was made up for. Of
    one that hit the server or the network: from its end until a task that was started then ended.
    """
    rows = [row["attempt_statistics"] for report in reports for row in report["task_statistics"]]
    made_up: dict[int, list[tuple[float, float]]] = defaultdict(list)
    started: list[tuple[float, float]] = []
    for attempts in rows:
        for before, after in pairwise(attempts):
            if before["status"] in ("lost", "handed_back"):
                made_up[pid_of(before["worker_id"])].append((before["end_time"], after["end_time"]))
        started += [
            (a["start_time"], a["end_time"]) for a in attempts if a["status"] == "completed"
        ]
    for injection in injections:
        if injection.recovered_s is not None:
            continue
        if injection.victim_pid:
            ends = [end for lost, end in made_up[injection.victim_pid] if end > injection.began_at]
            injection.recovered_s = max(ends) - injection.began_at if ends else None
        else:
            ends = [end for start, end in started if start > injection.over_at]
            injection.recovered_s = min(ends) - injection.over_at if ends else None


def table(results: Sequence[Result]) -> str:
    """Return the results as aligned text."""
    total = Verdict()
    for result in results:
        total.add(result.verdict)
    last = Result("all", [i for r in results for i in r.injections], total)
    rows = [HEADER, *(result.row() for result in results), last.row()]
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEADER))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def write_json(results: Sequence[Result], path: Path) -> None:
    """Write all that was measured."""
    rows = [
        dict(zip(HEADER, result.row(), strict=True))
        | {"injections": [vars(injection) for injection in result.injections]}
        | {"problems": result.verdict.problems, "seconds": result.seconds}
        for result in results
    ]
    path.write_text(json.dumps(rows, indent=1))
