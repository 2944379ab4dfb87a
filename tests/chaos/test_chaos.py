"""Nothing is lost and nothing counted twice, whatever happens to the processes.

Short by default; ``make chaos MINUTES=10`` gives every fault its share of that time.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.chaos.driver import Driver, Result, table, write_json
from tests.chaos.faults import FAILOVER, REOPENED
from tests.chaos.pool import ChaosPool
from tests.flows.chaos import CODES
from tests.servers import find_binaries

MINUTES = float(os.environ.get("ASTRUM_CHAOS_MINUTES", "0"))
JSON_VARIABLE = "ASTRUM_CHAOS_JSON"
SAME = ("a",)
SHORT_LEASE_S, DEFAULT_LEASE_S = 2.0, 15.0

QUICK = [
    "worker kill -9",
    "worker SIGSTOP > lease",
    "worker SIGTERM",
    "worker link cut",
    "worker link half-open",
    "coordinator kill -9",
    "server kill -9 (AOF)",
    "server restart",
    "all links cut",
    "all links slow",
]
SLOW = [
    "coordinator SIGSTOP > lease",
    "coordinator link half-open",
    "server rolled back",
    "server's memory full > leases",
]
GROWING = [
    "worker kill -9",
    "coordinator kill -9",
    "coordinator kill -9",
    "server kill -9 (AOF)",
    "server restart",
    "server rolled back",
]
"""The faults of runs with children: some of them hit it between a list and its first child."""
OPERATORS = [
    "worker drained",
    "rolling deploy",
    "pause and unpause",
]
WATCHED = [
    FAILOVER,
    "worker kill -9",
    "worker SIGSTOP > lease",
    "worker SIGTERM",
    "coordinator kill -9",
    "coordinator SIGSTOP > lease",
    "rolling deploy",
]
"""The faults of a pool whose master a Sentinel watches; its links do not lead to the server."""

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.skipif(not find_binaries(), reason="no server binary"),
]


def options(lease_s: float) -> list[str]:
    return ["--lease", f"{lease_s:g}", "--grace", "0.2", "-c", "25", "--threads", "3"]


Scenario = tuple[str, list[str], float]


async def storm(
    folder: Path,
    lease_s: float,
    scenarios: list[Scenario],
    *,
    open_runs: int,
    codes: Sequence[str],
    is_watched: bool = False,
    flow: str = "grid",
) -> list[Result]:
    """Run the scenarios on a pool of their own; what one finds does not end the others."""
    pool = ChaosPool(
        folder,
        codes=codes,
        coordinators=2,
        worker_options=options(lease_s),
        is_watched=is_watched,
        flow=flow,
    )
    results = []
    with pool:
        driver = Driver(pool, lease_s, random.Random(), open_runs=open_runs)
        for scenario in scenarios:
            results.append(await driver.run(*scenario))
            print(table(results[-1:]).splitlines()[1], flush=True)
    return results


def judge(results: list[Result]) -> None:
    print("\n" + table(results))
    if JSON_VARIABLE in os.environ:
        write_json(results, Path(os.environ[JSON_VARIABLE]))
    problems = [problem for result in results for problem in result.verdict.problems]
    assert not problems, "\n".join(problems[:40])


@pytest.mark.skipif(MINUTES > 0, reason="the long version runs")
@pytest.mark.timeout(300)
async def test_a_short_storm_of_faults_loses_nothing_and_counts_nothing_twice(
    tmp_path: Path,
) -> None:
    mixed: list[Scenario] = [("all faults at once", QUICK, 20.0)]
    at_defaults: list[Scenario] = [("worker kill -9, default lease", ["worker kill -9"], 1.0)]
    results = await asyncio.gather(
        storm(tmp_path / "short", SHORT_LEASE_S, mixed, open_runs=2, codes=SAME * 3),
        storm(tmp_path / "default", DEFAULT_LEASE_S, at_defaults, open_runs=1, codes=SAME * 2),
    )
    judge([result for part in results for result in part])


@pytest.mark.thorough
@pytest.mark.skipif(MINUTES > 0, reason="the long version runs")
@pytest.mark.timeout(300)
async def test_a_run_that_is_reopened_under_kills_runs_nothing_again_that_had_succeeded(
    tmp_path: Path,
) -> None:
    alone: list[Scenario] = [(REOPENED, [REOPENED], 1.0)]
    judge(await storm(tmp_path / "reopened", SHORT_LEASE_S, alone, open_runs=1, codes=SAME * 2))


@pytest.mark.thorough
@pytest.mark.skipif(MINUTES > 0, reason="the long version runs")
@pytest.mark.timeout(300)
async def test_no_child_is_lost_or_counts_twice_and_gathers_are_in_order(tmp_path: Path) -> None:
    growing: list[Scenario] = [("runs with children", GROWING, 15.0)]
    judge(
        await storm(
            tmp_path / "fan", SHORT_LEASE_S, growing, open_runs=2, codes=SAME * 3, flow="fan"
        )
    )


@pytest.mark.skipif(MINUTES <= 0, reason="make chaos MINUTES=10 runs it")
async def test_every_fault_for_its_share_of_the_time(tmp_path: Path) -> None:
    every = QUICK + SLOW + OPERATORS
    share_s = MINUTES * 60 / (len(every) + 10)
    each: list[Scenario] = [(fault, [fault], share_s) for fault in every]
    each.append((REOPENED, [REOPENED], share_s))
    each.append(("all of these at once", every, 2 * share_s))
    at_defaults: list[Scenario] = [
        ("worker kill -9, default lease", ["worker kill -9"], 2 * share_s)
    ]
    mixed: list[Scenario] = [("mixed versions, all at once", QUICK + SLOW, 2 * share_s)]
    growing: list[Scenario] = [("runs with children", GROWING, 2 * share_s)]
    watched: list[Scenario] = [
        (FAILOVER, [FAILOVER], share_s),
        ("failovers and kills at once", WATCHED, 2 * share_s),
    ]
    judge(
        [
            *await storm(
                tmp_path / "watched",
                SHORT_LEASE_S,
                watched,
                open_runs=3,
                codes=SAME * 3,
                is_watched=True,
            ),
            *await storm(tmp_path / "short", SHORT_LEASE_S, each, open_runs=3, codes=SAME * 3),
            *await storm(
                tmp_path / "fan", SHORT_LEASE_S, growing, open_runs=3, codes=SAME * 3, flow="fan"
            ),
            *await storm(tmp_path / "mixed", SHORT_LEASE_S, mixed, open_runs=3, codes=CODES),
            *await storm(
                tmp_path / "default", DEFAULT_LEASE_S, at_defaults, open_runs=3, codes=SAME * 3
            ),
        ]
    )
