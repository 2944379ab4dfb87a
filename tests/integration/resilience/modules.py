"""Modules with a registry named `shop`, written by a test, and the flows that they declare."""

from __future__ import annotations

import asyncio
import textwrap
from pathlib import Path
from typing import Any

from astrum import ExecutionReport
from astrum_coordinator import Coordinator
from tests.integration.resilience.test_versions import imported

HEAD = """
    import asyncio, os, time
    from pathlib import Path
    from astrum import SchedulerRegistry, current_attempt

    FOLDER = Path(__file__).parent

    def note(name):
        with open(FOLDER / "executions", "a") as file:
            file.write(f"{name}\\n")

    async def released(name):
        while not (FOLDER / name).exists():
            await asyncio.sleep(0.01)
"""


def write(folder: Path, name: str, text: str) -> Path:
    """Write a module and return its path."""
    path = folder / f"{name}.py"
    path.write_text(textwrap.dedent(HEAD) + textwrap.dedent(text))
    return path


def flow_of(path: Path, *targets: str) -> Any:
    """Return the flow of a module's `shop` as this process plans it."""
    registry = imported(path).shop
    return registry.build_scheduler(list(targets) or None).flow(fingerprints=True)


class Submitted:
    """A run that a coordinator leads while the test does something else."""

    def __init__(self, coordinator: Coordinator, run_id: str) -> None:
        self.coordinator = coordinator
        self.run_id = run_id
        self._report = asyncio.create_task(coordinator.resume(run_id))

    async def ended(self) -> ExecutionReport:
        """Wait for the run's end."""
        return await self._report

    async def cancelled(self) -> ExecutionReport:
        """Cancel the run and wait for its end."""
        await self.coordinator.cancel(self.run_id)
        return await self._report

    async def state(self) -> str:
        """Return the state of the run."""
        info = await self.coordinator.run_info(self.run_id)
        assert info is not None
        return info.state


async def begin(coordinator: Coordinator, flow: Any, **options: Any) -> Submitted:
    """Submit a run and lead it."""
    return Submitted(coordinator, await coordinator.submit_flow(flow, **options))


def starts(report: ExecutionReport, prefix: str = "") -> list[float]:
    """Return when the attempts of the tasks with this prefix began, in order."""
    return sorted(
        attempt.start_time
        for task in report.task_statistics
        if task.task_name.startswith(prefix)
        for attempt in task.attempt_statistics
    )


def handed_back(report: ExecutionReport) -> int:
    """Return how many attempts were handed back."""
    rows = (a for task in report.task_statistics for a in task.attempt_statistics)
    return sum(attempt.status == "handed_back" for attempt in rows)
