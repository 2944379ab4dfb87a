"""Resources on real workers: opened once per process, closed in order, and missing or failing."""

from __future__ import annotations

import asyncio
import io
import re
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from rich.console import Console

from astrum import AstrumConfig, ExecutionReport, SchedulerRegistry
from astrum.execution.resources import CLOSE_S
from astrum.redis import RedisSettings
from astrum.runtime.cli.signals import SAME_FOR_S
from astrum_coordinator import Coordinator, CoordinatorConfig
from astrum_coordinator.cli.workers import worker_to_json, workers_table
from tests.eventually import eventually
from tests.flows import resources as flows
from tests.processes import AstrumProcess, serving
from tests.servers import RedisServer

MODULE = "tests.flows.resources"
DEADLINE_S = 60.0


class Host:
    """Starts workers on one server, and reads what their resources wrote down."""

    def __init__(self, url: str, folder: Path, stack: ExitStack) -> None:
        self.settings = RedisSettings(url=url)
        self.log = folder / "resources.log"
        self._stack = stack

    async def worker(
        self, *options: str, supervised: bool = False, **environment: str
    ) -> AstrumProcess:
        """Start a worker and wait until it serves."""
        process = AstrumProcess(
            "astrum_worker",
            *(MODULE, "--redis", self.settings.url, *options),
            environment={"RESOURCE_LOG": str(self.log), **environment},
            supervised=supervised,
        )
        self._stack.enter_context(process)
        await eventually(lambda: " serves " in process.output, "the worker serves")
        return process

    @property
    def events(self) -> list[tuple[int, str]]:
        """What happened to resources, by process, in order."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [(int(pid), what) for pid, _, what in (line.partition(" ") for line in lines)]

    def of(self, pid: int) -> list[str]:
        return [what for one, what in self.events if one == pid and what != "waits"]


OPENED, CLOSED = ["settings opened", "db opened"], ["db closed", "settings closed"]


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    with ExitStack() as stack:
        server = stack.enter_context(RedisServer())
        yield Host(server.url, tmp_path, stack)


@pytest.fixture
async def coordinator(host: Host) -> AsyncIterator[Coordinator]:
    config = CoordinatorConfig(watch_every_s=0.2, unserved_notice_s=0.2)
    async with Coordinator(host.settings, config=config) as coordinator:
        yield coordinator


async def run(
    coordinator: Coordinator, *targets: str, of: SchedulerRegistry = flows.registry
) -> ExecutionReport:
    async with asyncio.timeout(DEADLINE_S):
        return await of.run(targets or None, AstrumConfig(), executor=coordinator)


async def ended(process: AstrumProcess) -> int:
    """Wait for the end of a process, while the runs of this one go on."""
    return await asyncio.to_thread(process.wait)


async def test_a_resource_is_opened_once_per_process_for_a_thousand_tasks(
    host: Host, coordinator: Coordinator
) -> None:
    worker = await host.worker("--processes", "2", supervised=True)
    await serving(host.settings, 2)
    assert host.events == []  # nothing is opened before it is needed
    report = await run(coordinator, of=flows.many)
    assert report.execution_state == "completed"
    pids = set(report.task_return_set.values())
    assert {pid: host.of(pid) for pid in pids} == dict.fromkeys(pids, OPENED)
    worker.send(signal.SIGTERM)
    assert await ended(worker) == 0
    assert {pid: host.of(pid) for pid in pids} == dict.fromkeys(pids, OPENED + CLOSED)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
async def test_resources_are_closed_in_the_reverse_order_when_a_signal_ends_the_worker(
    host: Host, coordinator: Coordinator, number: signal.Signals, code: int
) -> None:
    worker = await host.worker()
    await run(coordinator, "use", "use_in_thread")
    worker.send(number)
    assert await ended(worker) == code
    assert host.of(worker.pid) == OPENED + CLOSED


async def test_a_drain_lets_a_task_end_before_its_resource_is_closed(
    host: Host, coordinator: Coordinator
) -> None:
    worker = await host.worker()
    running = asyncio.create_task(run(coordinator, "wait"))
    await eventually(lambda: "waits" in [what for _, what in host.events])
    [live] = await coordinator.workers()
    await coordinator.drain(live.worker_id)
    await eventually(lambda: "drains" in worker.output)
    host.log.with_suffix(".log.go").touch()
    assert (await running).execution_state == "completed"
    assert await ended(worker) == 0
    assert host.of(worker.pid) == OPENED + CLOSED


async def test_a_second_signal_ends_a_worker_at_once_whose_resource_hangs(
    host: Host, coordinator: Coordinator
) -> None:
    worker = await host.worker(DB_HANGS="1")
    await run(coordinator, "use")
    worker.send(signal.SIGTERM)
    await eventually(lambda: "db hangs" in host.of(worker.pid))
    first = time.monotonic()
    await eventually(lambda: time.monotonic() - first > SAME_FOR_S)
    worker.send(signal.SIGTERM)
    assert await ended(worker) == 143
    assert time.monotonic() - first < CLOSE_S
    assert "settings closed" not in host.of(worker.pid)


async def test_a_resource_that_hangs_while_it_closes_is_left_and_the_others_are_closed(
    host: Host, coordinator: Coordinator
) -> None:
    worker = await host.worker(DB_HANGS="1")
    await run(coordinator, "use")
    worker.send(signal.SIGTERM)
    assert await ended(worker) == 0
    assert "resource 'db' did not close within 5 s and is left open" in worker.output
    assert host.of(worker.pid) == [*OPENED, "db hangs", "settings closed"]


async def test_a_process_that_is_replaced_closes_its_resources_and_the_next_opens_its_own(
    host: Host, coordinator: Coordinator
) -> None:
    worker = await host.worker("--max-rss", "300MiB", supervised=True)
    first = (await run(coordinator, "grow")).task_return_set["grow"]
    await eventually(lambda: host.of(first) == OPENED + CLOSED)
    second = (await run(coordinator, "use")).task_return_set["use"][0]
    assert second != first
    assert host.of(second) == OPENED
    worker.send(signal.SIGTERM)
    assert await ended(worker) == 0


async def test_the_worker_after_one_that_was_killed_opens_its_own_resources(
    host: Host, coordinator: Coordinator
) -> None:
    killed = await host.worker()
    await run(coordinator, "use")
    killed.kill()
    other = await host.worker()
    report = await run(coordinator, "use")
    assert report.task_return_set["use"] == (other.pid, True)
    assert host.of(killed.pid) == host.of(other.pid) == OPENED


@pytest.mark.parametrize("options", [("--no-supervisor",), ("--processes", "2")])
async def test_a_worker_whose_resource_cannot_be_opened_says_so_and_ends_with_1(
    host: Host, coordinator: Coordinator, options: tuple[str, ...]
) -> None:
    broken = await host.worker(*options, supervised=True, DB_FAILS="1")
    running = asyncio.create_task(run(coordinator, of=flows.many))
    assert await ended(broken) == 1
    said = "resource 'db' could not be opened: ConnectionRefusedError: no database at db:5432"
    assert f"{said}; this worker ends with exit code 1" in broken.output
    assert 'raise ConnectionRefusedError("no database at db:5432")' in broken.output
    assert {what for _, what in host.events} == {"settings opened", "settings closed"}
    # What waited was handed back and is not charged: a worker that has the database runs it.
    await host.worker()
    report = await running
    assert report.execution_state == "completed"
    attempts = [a for task in report.task_statistics for a in task.attempt_statistics]
    assert {a.status for a in attempts} == {"completed", "handed_back"}


async def test_the_tasks_of_a_worker_without_the_resource_go_to_others(
    host: Host, coordinator: Coordinator
) -> None:
    without = await host.worker(NO_DB="1")
    assert (await run(coordinator, "plain")).task_return_set["plain"] == without.pid
    other = await host.worker()
    for _ in range(5):
        report = await run(coordinator, "use", "use_in_thread")
        assert {pid for pid, _ in report.task_return_set.values()} == {other.pid}
        assert {task.attempt_count for task in report.task_statistics} == {1}
    assert "it lacks the resource" not in without.output  # no attempt came that it hands back


async def test_a_task_that_no_worker_has_the_resource_for_says_which_is_missing(
    host: Host, coordinator: Coordinator
) -> None:
    without = await host.worker(NO_DB="1")
    assert re.search(
        r"'use'.* cannot be served here: no function gives the resource 'db'", without.output
    )
    flow = flows.registry.build_scheduler(["use", "plain"]).flow(fingerprints=True)
    report = await coordinator.run_flow(flow, AstrumConfig(), unserved_limit_s=1.0)
    assert report.execution_state == "failed"
    told = report.error_summary[-1]
    assert "no worker serves task 'use' of namespace 'resources'" in told
    assert "it lacks the resource 'db'" in told
    assert '@resource("db")' in told
    [live] = await coordinator.workers()
    assert live.details["lacks"] == '[["many", "db"], ["resources", "db"]]'


def test_a_worker_that_could_run_nothing_without_a_resource_ends_with_2_and_names_it(
    host: Host,
) -> None:
    with AstrumProcess(
        "astrum_worker",
        *(f"{MODULE}:many", "--redis", host.settings.url),
        environment={"NO_DB": "1"},
    ) as process:
        assert process.wait() == 2
        assert (
            "no task of tests.flows.resources:many can be served here: it lacks the resource 'db'"
        ) in process.output


async def test_the_list_of_workers_says_which_resources_they_lack(
    host: Host, coordinator: Coordinator
) -> None:
    await host.worker(NO_DB="1")
    found = await coordinator.workers()
    console = Console(width=300, record=True, file=io.StringIO())
    console.print(workers_table(found))
    assert "resources (1), no 'db'" in console.export_text()
    assert worker_to_json(found[0])["lacks"] == [
        {"namespace": "many", "resource": "db"},
        {"namespace": "resources", "resource": "db"},
    ]
