"""DBOS: workflows of three steps, started, led and run in this process, as its quick start does.

It has no worker and no coordinator process then, which favours it: nothing travels. Its database is
SQLite, or the PostgreSQL of ``BENCH_POSTGRES_URL``.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from pathlib import Path

import run_rates
from dbos import DBOS
from driver import Numbers, Work

AT_ONCE = 64


@DBOS.step()
async def add_one(number: int) -> int:
    """Add one."""
    return number + 1


@DBOS.workflow()
async def small(number: int) -> int:
    """Do three steps."""
    return await add_one(await add_one(await add_one(number)))


async def _run(number: int) -> object:
    handle = await DBOS.start_workflow_async(small, number)
    return await handle.get_result()


def small_runs(runs: int) -> Numbers:
    """Measure, with a database of its own."""
    with tempfile.TemporaryDirectory() as folder:
        sqlite = f"sqlite:///{Path(folder, 'dbos.sqlite')}"
        url = os.environ.get("BENCH_POSTGRES_URL", sqlite)
        DBOS(
            config={
                "name": "bench",
                "system_database_url": url,
                "log_level": "ERROR",
                "run_admin_server": False,
            }
        )
        DBOS.launch()
        try:
            return asyncio.run(run_rates.measure(_run, runs, AT_ONCE))
        finally:
            DBOS.destroy()


WORKS: dict[str, Work] = {"small_runs": small_runs}
