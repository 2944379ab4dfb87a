"""Every example runs unchanged in the three modes and gives the same answer in each."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from astrum_coordinator.embedded.server import EmbeddedServer

EXAMPLES = Path(__file__).parents[2] / "examples"
LIMIT_S = 120.0


async def run_flow(flow: Path, *options: str, folder: Path) -> dict[str, Any]:
    """Run a file as a user would, in ``folder``, and return its report."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("ASTRUM_")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "astrum_coordinator", "run", str(flow)),
        *("--json", *options),
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    async with asyncio.timeout(LIMIT_S):
        output, errors = await process.communicate()
    assert process.returncode == 0, output.decode() + errors.decode()
    report: dict[str, Any] = json.loads(output)
    return report


async def run_example(name: str, *options: str, folder: Path) -> dict[str, Any]:
    return await run_flow(EXAMPLES / f"{name}.py", *options, folder=folder)


@pytest.fixture
async def server_with_workers(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """A server that is not the coordinator's own, and two workers for the example."""
    async with EmbeddedServer() as server:
        command = (sys.executable, "-m", "astrum_worker", str(EXAMPLES / f"{request.param}.py"))
        workers = [
            await asyncio.create_subprocess_exec(*command, "--redis", server.url, cwd=tmp_path)
            for _ in range(2)
        ]
        yield server.url
        for worker in workers:
            worker.terminate()
        for worker in workers:
            assert await worker.wait() == 0


@pytest.mark.timeout(LIMIT_S * 3)
@pytest.mark.parametrize("server_with_workers", ["stdlib_census"], indirect=True)
async def test_the_census_is_the_same_in_every_mode(
    server_with_workers: str, tmp_path: Path
) -> None:
    censuses = []
    modes = (["--local"], ["--workers", "2"], ["--redis", server_with_workers])
    for options in modes:
        await run_example("stdlib_census", *options, folder=tmp_path)
        written = tmp_path / "census.md"
        censuses.append(written.read_text())
        written.unlink()
    assert "Most imported modules" in censuses[0]
    assert censuses == [censuses[0]] * 3


@pytest.mark.parametrize("options", [["--local"], ["--workers", "2"]], ids=["local", "embedded"])
async def test_retries_get_past_the_busy_service(options: list[str], tmp_path: Path) -> None:
    report = await run_example("fetch_flaky_http", *options, folder=tmp_path)
    attempts = {each["task_name"]: each["attempt_count"] for each in report["task_statistics"]}
    assert attempts == {"fetch_a": 3, "fetch_b": 3, "fetch_c": 3, "add_up": 1}


@pytest.mark.parametrize("options", [["--local"], ["--workers", "2"]], ids=["local", "embedded"])
async def test_models_reach_every_task_of_the_invoices(options: list[str], tmp_path: Path) -> None:
    report = await run_example("pydantic_invoices", *options, folder=tmp_path)
    assert report["execution_state"] == "completed"
    assert report["successful_tasks"] == 5


async def test_the_example_of_the_readme_runs(tmp_path: Path) -> None:
    readme = EXAMPLES.parent.joinpath("README.md").read_text()
    block = re.search(r"```python\n(.*?)```", readme, re.DOTALL)
    assert block is not None
    (tmp_path / "flow.py").write_text(block[1])
    report = await run_flow(tmp_path / "flow.py", "--local", folder=tmp_path)
    assert report["successful_tasks"] == 2
