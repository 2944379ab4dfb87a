"""Every example runs unchanged in the three modes and gives the same answer in each."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from astrum_coordinator.embedded.server import EmbeddedServer

EXAMPLES = Path(__file__).parents[2] / "examples"
LIMIT_S = 120.0


async def run_flow(
    flow: Path | None, *options: str, folder: Path, command: str = "run", code: int = 0
) -> dict[str, Any]:
    """Run a file as a user would, in ``folder``, and return its report."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("ASTRUM_")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "astrum_coordinator", command, *([str(flow)] if flow else [])),
        *("--json", *options),
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    async with asyncio.timeout(LIMIT_S):
        output, errors = await process.communicate()
    assert process.returncode == code, output.decode() + errors.decode()
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
    modes = (
        ["--local", "--input", "shards=7"],
        ["--workers", "2"],
        ["--redis", server_with_workers],
    )
    for options, shards in zip(modes, (7, 32, 32), strict=True):
        report = await run_example("stdlib_census", *options, folder=tmp_path)
        assert report["successful_tasks"] == shards + 3
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


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """Six logs, of which one is damaged."""
    folder = tmp_path / "logs"
    (folder / "apt").mkdir(parents=True)
    for name in ("a.log", "b.log", "apt/term.log"):
        (folder / name).write_text("2026-11-28 all is well\n2026-11-28 Error: no, an ERROR\n")
    (folder / "a.log.1.gz").write_bytes(gzip.compress(b"2026-11-27 permission denied\n"))
    (folder / "b.log.1.gz").write_bytes(b"no gzip")
    (folder / "c.log").write_text("2026-11-27 started\n")
    return folder


@pytest.mark.parametrize("options", [["--local"], ["--workers", "2"]], ids=["local", "embedded"])
async def test_the_nightly_report_leaves_out_what_it_cannot_read(
    options: list[str], logs: Path, tmp_path: Path
) -> None:
    (tmp_path / "reports").mkdir()
    given = ("--input", f"folder={logs}", "--input", "day=2026-11-28")
    report = await run_example("nightly_report", *options, *given, folder=tmp_path)
    text = (tmp_path / "reports" / "nightly.md").read_text()
    assert "5 of 6 logs have 6 lines." in text
    assert "| `apt/term.log` | 2 | 1 |" in text
    assert "| error | 6 |" in text
    assert "denied" not in text
    assert report["failed_tasks"] == 1
    assert not scratch_of(report).exists()


async def test_the_nightly_report_reads_what_the_machine_has(tmp_path: Path) -> None:
    (tmp_path / "reports").mkdir()
    given = ("--input", f"folder={tmp_path / 'missing'}")
    for options in ((), given):
        await run_example("nightly_report", "--local", *options, folder=tmp_path)
        text = (tmp_path / "reports" / "nightly.md").read_text()
        assert "# The logs of this machine" in text
    assert "`message.py`" in text


@pytest.mark.parametrize("server_with_workers", ["nightly_report"], indirect=True)
async def test_the_nightly_report_is_tried_again_after_its_clean_up(
    server_with_workers: str, logs: Path, tmp_path: Path
) -> None:
    server = ("--redis", server_with_workers)
    given = (*server, "--run-id", "r", "--input", f"folder={logs}")
    failed = await run_flow(EXAMPLES / "nightly_report.py", *given, folder=tmp_path, code=1)
    ends = {each["task_name"]: each["status"] for each in failed["task_statistics"]}
    assert (ends["write_report"], ends["remove_scratch"]) == ("failed", "completed")
    assert not scratch_of(failed).exists()
    (tmp_path / "reports").mkdir()
    named = ("r", "write_report", "count[b.log.1.gz]")
    again = await run_flow(None, *named, *server, folder=tmp_path, command="retry")
    assert set(again["tasks"]) == {"write_report", "remove_scratch", "count[b.log.1.gz]"}
    await run_flow(None, "r", *server, folder=tmp_path, command="resume")
    assert "5 of 6 logs" in (tmp_path / "reports" / "nightly.md").read_text()


def scratch_of(report: dict[str, Any]) -> Path:
    return Path(tempfile.gettempdir(), f"nightly-{report['run_id']}")


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
    assert report["successful_tasks"] == 4
