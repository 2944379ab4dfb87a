"""Clients on a real pool: flows started by name, handles of their runs, and what goes wrong."""

from __future__ import annotations

import asyncio
import math
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from astrum import Client, Coordinator, RunHandle
from astrum.errors import (
    FlowNotFoundError,
    RunCancelledError,
    RunConflictError,
    RunError,
    RunInputError,
    RunNotFoundError,
    TaskFailedError,
    TaskNotFoundError,
)
from astrum.redis import RedisSettings
from tests.integration.client.conftest import MODULE, publish
from tests.processes import ROOT, AstrumProcess, serving, worker
from tests.servers import RedisServer


@pytest.fixture
async def client(server: RedisServer) -> AsyncIterator[Client]:
    async with Client(server.url) as client:
        yield client


@dataclass
class Invoice:
    order: str
    price: int
    blob: str


async def test_a_flow_is_started_by_name_and_its_result_comes(client: Client) -> None:
    handle = await client.start("billing", inputs={"order": "A-1", "amount": 3})
    assert await handle.result(timeout=10) == {"order": "A-1", "price": 30, "blob": ""}
    assert await handle.result("price", timeout=10) == 30
    assert await handle.result(type=Invoice) == Invoice("A-1", 30, "")
    info = await handle.wait()
    assert (info.state, info.details["namespace"]) == ("completed", "billing")
    assert (await handle.report()).task_return_set["price"] == 30
    assert await handle.cancel() is False


async def test_a_default_counts_and_a_big_result_comes(client: Client) -> None:
    handle = await client.start("billing", inputs={"order": "A-2", "blob": 300_000})
    assert len((await handle.result(timeout=10))["blob"]) == 300_000
    assert await handle.result("price") == 10


async def test_a_handle_is_made_again_from_its_id(client: Client, server: RedisServer) -> None:
    first = await client.start("billing", inputs={"order": "A-3"}, run_id="bill-A-3")
    async with Client(server.url) as other:
        assert (await other.handle(first.run_id).result(timeout=10))["order"] == "A-3"


async def test_the_same_id_is_the_same_run_and_other_inputs_are_a_conflict(client: Client) -> None:
    inputs = {"order": "A-4"}
    await client.start("billing", inputs=inputs, run_id="A-4")
    again = await client.start("billing", inputs=inputs, run_id="A-4")
    assert await again.result(timeout=10)
    with pytest.raises(RunConflictError, match="order"):
        await client.start("billing", inputs={"order": "other"}, run_id="A-4")


async def test_wrong_starts_are_refused_with_what_to_do(client: Client) -> None:
    with pytest.raises(FlowNotFoundError, match="did you mean 'billing'"):
        await client.start("biling", inputs={"order": "x"})
    with pytest.raises(RunInputError, match="order"):
        await client.start("billing", inputs={"ordr": "x"}, run_id="never")
    for at in (timedelta(days=400), math.nan, datetime(2026, 1, 1)):
        with pytest.raises(RunError, match=r"more than 366 days ahead|not a time|has no time zone"):
            await client.start("billing", inputs={"order": "x"}, at=at, run_id="never")
    with pytest.raises(RunNotFoundError):
        await client.handle("never").status()
    with pytest.raises(RunNotFoundError):
        await client.handle("never").result(timeout=5)


async def test_a_run_begins_at_its_time(client: Client) -> None:
    due = time.time() + 1.5
    handle = await client.start("billing", inputs={"order": "A-9"}, at=due, run_id="later")
    past = await client.start("billing", inputs={"order": "A-9"}, at=due - 60, run_id="past")
    far = await client.start("billing", inputs={"order": "A-9"}, at=timedelta(days=300))
    assert await past.result(timeout=10)
    assert (await handle.status()).waits_until == pytest.approx(due, abs=0.001)
    assert ((await far.status()).waits_until or 0) > due + 299 * 86400
    assert await far.cancel("not needed")
    assert (await far.wait(10)).state == "cancelled"
    assert (await far.status()).waits_until is None
    assert await handle.result(timeout=15)
    report = await handle.report()
    assert min(task.start_time for task in report.task_statistics) >= due - 0.2
    assert report.total_start_time == pytest.approx(due, abs=0.001)


async def test_a_failure_is_raised_and_can_be_tried_again(client: Client) -> None:
    handle = await client.start("billing", inputs={"order": "broken"})
    with pytest.raises(TaskFailedError, match="no such order") as failed:
        await handle.result("price", timeout=10)
    assert failed.value.task_id == "price"
    with pytest.raises(TaskFailedError, match=r"'invoice'.+has no result"):
        await handle.result(timeout=10)
    assert (await handle.retry()).tasks == ("price", "invoice")
    assert (await handle.wait(10)).state == "failed"
    kinds = [event.kind async for event in handle.events()]
    assert kinds == ["task_failed", "run_reopened", "task_failed", "run_failed"]


async def test_events_come_as_they_happen_and_can_be_continued(
    client: Client, tmp_path: Path
) -> None:
    handle = await client.start("waiting", inputs={"folder": str(tmp_path)})
    seen = []
    async with asyncio.timeout(20):
        async for event in handle.events():
            seen.append(event)
            (tmp_path / "go").touch()
        rest = [event async for event in handle.events(after=seen[0].cursor)]
        behind = [event async for event in handle.events(after=seen[-1].cursor)]
    assert [(event.kind, event.task) for event in seen] == [
        ("task_succeeded", "first"),
        ("task_succeeded", "second"),
        ("run_completed", ""),
    ]
    assert rest == seen[1:]
    assert behind == []


async def test_the_progress_of_running_tasks_comes_with_the_events_if_asked_for(
    client: Client, tmp_path: Path
) -> None:
    handle = await client.start("waiting", inputs={"folder": str(tmp_path)})
    seen = []
    async with asyncio.timeout(20):
        async for event in handle.events(progress=True):
            seen.append(event)
            if event.kind == "task_progress":
                (tmp_path / "go").touch()
        rest = [event async for event in handle.events(after=seen[1].cursor)]
    kinds = [(event.kind, event.task) for event in seen]
    assert kinds[1] == ("task_progress", "second")
    assert seen[1].detail == "1 of 2 (50 %), it waits for the file"
    assert kinds[-2:] == [("task_succeeded", "second"), ("run_completed", "")]
    assert kinds.count(("task_progress", "second")) == 1  # it did not change
    assert rest == seen[2:]


async def test_a_result_on_the_way_comes_before_the_end_and_a_cancel_ends_it(
    client: Client, tmp_path: Path
) -> None:
    handle = await client.start("waiting", inputs={"folder": str(tmp_path)})
    assert await handle.result("first", timeout=10) == str(tmp_path)
    with pytest.raises(TaskNotFoundError, match="did you mean 'first'"):
        await handle.result("frst")
    with pytest.raises(TimeoutError, match="has no result after"):
        await handle.result(timeout=0.05)
    assert await handle.cancel("not needed") is True
    with pytest.raises(RunCancelledError, match="not needed"):
        await handle.result(timeout=10)


async def test_many_handles_share_one_connection(client: Client, server: RedisServer) -> None:
    handles = await client.start_many("billing", [{"order": f"m{n}"} for n in range(200)])
    with server.client() as plain:
        before = len(plain.client_list())
        waiting = [asyncio.create_task(handle.result(timeout=30)) for handle in handles]
        await handles[-1].wait(30)
        assert len(plain.client_list()) <= before + 3
    assert [one["order"] for one in await asyncio.gather(*waiting)] == [f"m{n}" for n in range(200)]


async def test_start_many_starts_nothing_if_one_set_of_inputs_is_wrong(client: Client) -> None:
    with pytest.raises(RunInputError):
        await client.start_many("billing", [{"order": "x"}, {}], run_ids=["one", "two"])
    with pytest.raises(RunNotFoundError):
        await client.handle("one").status()


async def test_a_flow_published_again_is_noticed_at_the_next_start(
    client: Client, server: RedisServer
) -> None:
    await client.start("billing", inputs={"order": "x"})
    async with Coordinator(server.url) as coordinator:
        await coordinator.unpublish("billing")
        with pytest.raises(FlowNotFoundError):
            await client.start("billing", inputs={"order": "x"})
        with pytest.raises(FlowNotFoundError):
            await coordinator.unpublish("billing")
    await asyncio.to_thread(publish, server.url, "billing")
    handle = await client.start("billing", inputs={"order": "x"})
    assert await handle.result(timeout=10)
    assert [flow.name for flow in await client.flows()] == ["billing", "waiting"]


async def test_a_client_that_was_killed_leaves_its_run_to_others(
    client: Client, server: RedisServer
) -> None:
    code = (
        "import asyncio, os\n"
        "from astrum import Client\n"
        "async def main():\n"
        f"    async with Client({server.url!r}) as client:\n"
        "        await client.start('billing', inputs={'order': 'k'}, run_id='killed')\n"
        "        os._exit(9)\n"
        "asyncio.run(main())\n"
    )
    done = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", code], cwd=ROOT)
    assert done.returncode == 9
    assert (await client.handle("killed").result(timeout=10))["order"] == "k"


async def test_handles_live_through_the_death_of_the_leader_and_of_the_server(
    tmp_path: Path,
) -> None:
    with ExitStack() as stack:
        server = stack.enter_context(RedisServer(options={"appendonly": "yes"}))
        stack.enter_context(worker(server.url, MODULE))
        leader = AstrumProcess("astrum_coordinator", "serve", "--redis", server.url)
        stack.enter_context(leader)
        await serving(RedisSettings(url=server.url), 1)
        await asyncio.to_thread(publish, server.url, "waiting")
        async with Client(server.url) as client:
            handle = await client.start("waiting", inputs={"folder": str(tmp_path)})
            waiting = asyncio.create_task(_all_of(handle))
            await handle.result("first", timeout=20)
            leader.kill()
            server.restart()
            stack.enter_context(AstrumProcess("astrum_coordinator", "serve", "--redis", server.url))
            (tmp_path / "go").touch()
            async with asyncio.timeout(40):
                result, kinds = await waiting
            assert result > 0
            assert kinds[-2:] == ["task_succeeded", "run_completed"]


async def _all_of(handle: RunHandle) -> tuple[int, list[str]]:
    async def kinds() -> list[str]:
        return [event.kind async for event in handle.events()]

    result, found = await asyncio.gather(handle.result("second", type=int), kinds())
    return result, found
