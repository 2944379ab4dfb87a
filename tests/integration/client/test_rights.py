"""Clients and commands as the users of the printed access rules: a starter and a viewer."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from astrum import Client, SyncClient
from astrum.errors import AstrumError, TaskFailedError
from tests import warm_start
from tests.access import denied, make_user, url_of
from tests.integration.client.conftest import MODULE
from tests.processes import ROOT
from tests.servers import RedisServer

FORBIDDEN = "access list forbids"


@pytest.fixture(scope="module")
def users(server: RedisServer) -> RedisServer:
    with server.client() as admin:
        for role in ("starter", "viewer"):
            make_user(admin, role)
        denied(admin)
    return server


def command(server: RedisServer, role: str, *words: str) -> subprocess.CompletedProcess[str]:
    return warm_start.run(
        [sys.executable, "-m", "astrum_coordinator", *words, "--redis", url_of(server.url, role)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )


async def test_a_starter_does_all_that_handles_can(users: RedisServer, tmp_path: Path) -> None:
    with users.client() as admin:
        denied(admin)  # what other tests were refused
    async with Client(url_of(users.url, "starter")) as client:
        assert "billing" in [flow.name for flow in await client.flows()]
        handle = await client.start("billing", inputs={"order": "R-1"})
        assert (await handle.result(timeout=20))["order"] == "R-1"
        assert (await handle.report()).execution_state == "completed"
        kinds = [event.kind async for event in handle.events(progress=True)]
        assert kinds[-1] == "run_completed"
        broken = await client.start("billing", inputs={"order": "broken"})
        with pytest.raises(TaskFailedError):
            await broken.result(timeout=20)
        assert (await broken.retry()).tasks == ("price", "invoice")
        assert (await broken.wait(20)).state == "failed"
        waiting = await client.start("waiting", inputs={"folder": str(tmp_path)})
        async for event in waiting.events(progress=True):
            if event.kind == "task_progress":
                break
        assert await waiting.cancel() is True
        assert (await waiting.wait(20)).state == "cancelled"
    with users.client() as admin:
        assert denied(admin) == []


def test_a_viewer_reads_and_one_sentence_says_what_it_may_not(
    users: RedisServer, tmp_path: Path
) -> None:
    with SyncClient(users.url) as client:
        done = client.start("billing", inputs={"order": "V-1"}, run_id="V-1")
        done.result(timeout=20)
        open_run = client.start("waiting", inputs={"folder": str(tmp_path)}, run_id="V-2")
        with SyncClient(url_of(users.url, "viewer")) as viewer:
            mine = viewer.handle("V-1")
            assert mine.result(timeout=20)["order"] == "V-1"
            assert mine.status().state == mine.report().execution_state == "completed"
            assert [event.kind for event in mine.events()][-1] == "run_completed"
            for forbidden in (
                lambda: viewer.start("billing", inputs={"order": "x"}, run_id="never"),
                lambda: viewer.handle("V-2").cancel(),
                lambda: mine.retry(["price"]),
            ):
                with pytest.raises(AstrumError, match=FORBIDDEN) as refused:
                    forbidden()
                assert "\n" not in str(refused.value)
        assert open_run.status().state == "open"
        assert done.status().state == "completed"
        open_run.cancel()


@pytest.mark.parametrize(
    ("role", "words"),
    [
        ("starter", ("publish", MODULE, "-n", "billing")),
        ("starter", ("unpublish", "billing")),
        ("starter", ("pause", "--queue", "default")),
        ("viewer", ("publish", MODULE, "-n", "billing")),
        ("viewer", ("cancel", "C-1")),
        ("viewer", ("retry", "C-1", "price")),
        ("viewer", ("forget", "C-1")),
    ],
    ids=lambda value: value if isinstance(value, str) else value[0],
)
def test_a_command_beyond_the_rights_says_so_and_ends_with_2(
    users: RedisServer, role: str, words: tuple[str, ...]
) -> None:
    with SyncClient(users.url) as client:
        client.start("billing", inputs={"order": "C-1"}, run_id="C-1").result(timeout=20)
    done = command(users, role, *words)
    assert (done.returncode, FORBIDDEN in done.stderr) == (2, True), done.stderr
    assert "Traceback" not in done.stderr


def test_the_commands_that_read_work_with_few_rights(users: RedisServer) -> None:
    with SyncClient(users.url) as client:
        client.start("billing", inputs={"order": "C-1"}, run_id="C-1").result(timeout=20)
    show, flows, runs = ("show", "C-1"), ("flows",), ("runs",)
    for role, commands in (("viewer", (runs, show, flows)), ("starter", (show, flows))):
        for words in commands:
            done = command(users, role, *words)
            assert done.returncode == 0, (role, words, done.stderr)
