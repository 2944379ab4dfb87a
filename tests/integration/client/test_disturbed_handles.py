"""Thousands of handles in one process, and handles whose connection breaks while they wait."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from astrum import Client, RunHandle
from astrum_coordinator.client.run_events import RunEvent
from tests.flows.services import STEPS
from tests.integration.client.conftest import publish
from tests.proxy import Proxy, target_of
from tests.servers import RedisServer

MANY = 3_000


@pytest.mark.timeout(240)
async def test_thousands_of_handles_wait_over_one_connection(server: RedisServer) -> None:
    async with Client(server.url) as client:
        handles = await client.start_many("billing", [{"order": f"m{n}"} for n in range(MANY)])
        with server.client() as plain:
            before = len(plain.client_list())
            waiting = [asyncio.create_task(handle.result(timeout=200)) for handle in handles]
            await waiting[0]
            during = len(plain.client_list())
        results = await asyncio.gather(*waiting)
    assert [one["order"] for one in results] == [f"m{n}" for n in range(MANY)]
    assert during <= before + 3


async def test_a_client_that_was_cut_off_while_its_ends_were_trimmed_gets_all_results(
    server: RedisServer, tmp_path: Path
) -> None:
    with Proxy(target_of(server)) as link:
        async with Client(link.url) as client, Client(server.url) as other:
            inputs = [{"folder": str(tmp_path)} for _ in range(20)]
            handles = await client.start_many("waiting", inputs)
            waiting = [asyncio.create_task(handle.result(timeout=60)) for handle in handles]
            for handle in handles:
                assert await handle.result("first", timeout=20)
            link.cut()
            (tmp_path / "go").touch()
            for handle in handles:
                await other.handle(handle.run_id).wait(30)
            with server.client() as plain:
                assert plain.xtrim("{astrum}:done", maxlen=0, approximate=False) >= len(handles)
            link.heal()
            assert len(await asyncio.gather(*waiting)) == len(handles)


@pytest.mark.timeout(120)
async def test_events_over_a_broken_link_are_those_of_the_journal_each_once(
    server: RedisServer,
) -> None:
    await asyncio.to_thread(publish, server.url, "small_steps")
    with Proxy(target_of(server)) as link:
        async with Client(link.url) as client, Client(server.url) as other:
            handles = await client.start_many("small_steps", [{}] * 4)
            reading = [asyncio.create_task(_events(handle)) for handle in handles]
            for handle in handles:
                mine = other.handle(handle.run_id)
                await mine.result("s2", timeout=40)
                link.reset()
                await mine.result("s8", timeout=40)
                link.cut()
                await mine.result("s14", timeout=40)
                link.heal()
            async with asyncio.timeout(60):
                found = await asyncio.gather(*reading)
            for handle, events in zip(handles, found, strict=True):
                assert events == await _events(other.handle(handle.run_id))
                assert [event.kind for event in events].count("task_succeeded") == STEPS


async def _events(handle: RunHandle) -> list[RunEvent]:
    return [event async for event in handle.events()]
