"""The client for code without an event loop."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from astrum import SyncClient
from astrum.errors import FlowNotFoundError, RunError, StoreUnavailableError
from tests.servers import RedisServer


@pytest.fixture
def client(server: RedisServer) -> Iterator[SyncClient]:
    with SyncClient(server.url) as client:
        yield client


def test_all_methods_block_and_answer(client: SyncClient, tmp_path: Path) -> None:
    handle = client.start("billing", inputs={"order": "S-1"})
    assert handle.result(timeout=10)["order"] == "S-1"
    assert handle.wait(10).state == handle.status().state == "completed"
    assert handle.report().run_id == client.handle(handle.run_id).run_id
    assert [event.kind for event in handle.events()][-1] == "run_completed"
    assert handle.cancel() is False
    assert [
        one.result(timeout=10)["order"]
        for one in client.start_many("billing", [{"order": "a"}, {"order": "b"}])
    ] == ["a", "b"]
    assert "billing" in [flow.name for flow in client.flows()]
    with pytest.raises(FlowNotFoundError):
        client.start("nothing")
    broken = client.start("billing", inputs={"order": "broken"})
    broken.wait(10)
    assert broken.retry().reopened
    for event in client.start("waiting", inputs={"folder": str(tmp_path)}).events():
        assert event.kind == "task_succeeded"
        break  # the rest is left alone
    (tmp_path / "go").touch()


def test_a_start_takes_a_priority_and_refuses_one_out_of_range(client: SyncClient) -> None:
    handle = client.start("billing", inputs={"order": "urgent"}, priority=4)
    assert handle.result(timeout=10)["order"] == "urgent"
    assert handle.report().priority == 4
    [low] = client.start_many("billing", [{"order": "low"}], priority=-9)
    assert low.result(timeout=10)["order"] == "low"
    with pytest.raises(RunError, match="whole number from -9 to 9"):
        client.start("billing", inputs={"order": "S-2"}, priority=10)


def test_a_closed_client_opens_again_and_ends_its_thread(server: RedisServer) -> None:
    client = SyncClient(server.url)
    for _ in range(2):
        assert client.flows()
        client.close()
        client.close()
        assert "astrum-client" not in [thread.name for thread in threading.enumerate()]


def test_each_process_that_is_forked_has_connections_of_its_own(client: SyncClient) -> None:
    assert client.flows()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            handle = client.start("billing", inputs={"order": "forked"}, run_id="forked")
            code = 0 if handle.result(timeout=10)["order"] == "forked" else 2
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    assert client.handle("forked").result(timeout=10)["order"] == "forked"


def test_ctrl_c_ends_a_wait_and_the_client_goes_on(client: SyncClient, tmp_path: Path) -> None:
    handle = client.start("waiting", inputs={"folder": str(tmp_path)})
    handle.result("first", timeout=10)
    threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        handle.result(timeout=20)
    assert handle.status().is_open
    (tmp_path / "go").touch()
    assert handle.result(timeout=10) > 0


async def test_on_an_event_loop_it_says_to_take_the_other_client(server: RedisServer) -> None:
    with pytest.raises(RunError, match="async with Client"):
        SyncClient(server.url).flows()


def test_a_server_that_is_not_there_is_an_error_that_says_so() -> None:
    with pytest.raises(StoreUnavailableError), SyncClient("redis://127.0.0.1:1"):
        pass
