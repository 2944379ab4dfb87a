"""Prefect: a flow of three tasks, called in this process, beside a server of its own (SQLite).

Calling a flow is the fastest way that it has; deployments and work pools start a process for each.
"""

from __future__ import annotations

import asyncio
import os
import socket
import tempfile
import time
import urllib.request

from driver import Numbers, Work, script, worker

START_S = 60.0
AT_ONCE = 10


async def _measure(runs: int) -> Numbers:
    import run_rates
    from prefect import flow, task

    @task
    async def add_one(number: int) -> int:
        return number + 1

    @flow
    async def small(number: int) -> int:
        return await add_one(await add_one(await add_one(number)))

    return await run_rates.measure(small, runs, AT_ONCE)


def small_runs(runs: int) -> Numbers:
    """Measure, with a server and a database of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {
            "PREFECT_HOME": folder,
            "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
            "PREFECT_LOGGING_LEVEL": "ERROR",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "DO_NOT_TRACK": "1",
        }
        with worker(script("prefect"), "server", "start", "--host", "127.0.0.1", "--port", port):
            _wait_for(f"http://127.0.0.1:{port}/api/health")
            return asyncio.run(_measure(runs))


def _wait_for(url: str) -> None:
    until = time.monotonic() + START_S
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.2)


WORKS: dict[str, Work] = {"small_runs": small_runs}
