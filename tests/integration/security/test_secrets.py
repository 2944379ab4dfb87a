"""No log, error, report or command line of an Astrum process has a password or key."""

from __future__ import annotations

import contextlib
import logging
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from astrum.errors import StoreConfigurationError, StoreError
from astrum.redis import LeaseClient, RedisSettings, RunStore, WorkerStore
from astrum_worker.config import WorkerConfig
from tests.integration.cli.conftest import Write, write
from tests.processes import AstrumProcess, serving, wait_until
from tests.servers import RedisServer, free_port

__all__ = ["write"]

PASSWORD = "hunter2%2Fsecret"
SHOWN_FORMS = ("hunter2", "s3cr3t-signing-key")
KEY = "s3cr3t-signing-key-0123456789"
FLOW = """
    from pathlib import Path
    import time
    from astrum import task

    @task("waits")
    def waits() -> str:
        while not Path("released").exists():
            time.sleep(0.01)
        return "waited"
"""


@pytest.fixture
def server() -> Iterator[RedisServer]:
    """A server that wants a password."""
    with RedisServer(tcp=True, options={"requirepass": "hunter2/secret"}) as server:
        yield server


def url_of(server: RedisServer, password: str = PASSWORD) -> str:
    return server.tcp_url.replace("redis://", f"redis://:{password}@")


def assert_no_secret(text: str) -> None:
    for secret in SHOWN_FORMS:
        assert secret not in text, text


@pytest.fixture(params=["wrong password", "unreachable", "no host", "no URL", "silent"])
def bad_url(request: pytest.FixtureRequest, server: RedisServer) -> str:
    """URLs with a password that lead to each kind of failure."""
    wrong = url_of(server, "hunter2wrong")
    return {
        "wrong password": wrong,
        "unreachable": f"redis://bob:{PASSWORD}@127.0.0.1:{free_port()}/0",
        "no host": f"rediss://bob:{PASSWORD}@nowhere.invalid:6379/0?password={PASSWORD}",
        "no URL": f"redis://bob:{PASSWORD}@127.0.0.1:port/0",
        "silent": url_of(server),
    }[str(request.param)]


async def test_no_error_log_or_traceback_of_a_store_shows_a_secret(
    bad_url: str, server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    assert server.process is not None
    if bad_url == url_of(server):
        server.process.send_signal(signal.SIGSTOP)
    settings = RedisSettings(url=bad_url, signing_keys=(KEY.encode(),))
    try:
        for store in (RunStore(settings), WorkerStore(settings, "w")):
            with pytest.raises(StoreError) as caught:
                await store.client.execute("PING", timeout_s=0.5)
            logging.getLogger("astrum").error("failed", exc_info=caught.value)
            await store.close()
        with pytest.raises(StoreError) as caught:
            LeaseClient(settings, timeout_s=0.3).beat("w", 1.0)
        logging.getLogger("astrum").error("failed", exc_info=caught.value)
    finally:
        server.process.send_signal(signal.SIGCONT)
    assert_no_secret(caplog.text)


def test_no_failing_command_shows_a_secret(bad_url: str, server: RedisServer, write: Write) -> None:
    if bad_url == url_of(server):
        pytest.skip("nothing fails")
    path = str(write("flow.py", FLOW))
    environment = {"ASTRUM_REDIS_URL": bad_url, "ASTRUM_LOG_LEVEL": "debug"}
    commands = (
        ("astrum_coordinator", "runs"),
        ("astrum_coordinator", "serve"),
        ("astrum_coordinator", "run", path, "--workers", "1"),
        ("astrum_worker", path),
    )
    with contextlib.ExitStack() as stack:  # together: each waits 10 s for a server
        processes = [
            stack.enter_context(AstrumProcess(*command, environment=environment))
            for command in commands
        ]
        for process in processes:
            assert process.wait() in (1, 2), process.output
            assert "error: " in process.output
            assert_no_secret(process.output)


async def test_no_child_process_has_a_secret_on_its_command_line(
    server: RedisServer, write: Write, tmp_path: Path
) -> None:
    path = str(write("flow.py", FLOW.replace('"released"', f'"{tmp_path}/released"')))
    url = url_of(server)
    environment = {"ASTRUM_SIGNING_KEY": KEY, "ASTRUM_LOG_LEVEL": "debug"}
    command = ("run", path, "--redis", url, "--workers", "1", "--run-id", "r", "--json")
    settings = RedisSettings(url=url, signing_keys=(KEY.encode(),))
    supervised = ("astrum_worker", path, "--redis", url, "--processes", "2")
    with (
        AstrumProcess(*supervised, environment=environment) as supervisor,
        AstrumProcess("astrum_coordinator", *command, environment=environment) as coordinator,
    ):
        await serving(settings, 3)
        for process in (supervisor, coordinator):
            children = psutil.Process(process.pid).children(recursive=True)
            assert children
            for child in children:
                assert_no_secret(" ".join(child.cmdline()))
        (tmp_path / "released").touch()
        assert coordinator.wait() == 0, coordinator.output
        wait_until(lambda: " serves " in supervisor.output, "the start line")
        supervisor.send(signal.SIGTERM)
        supervisor.wait()
        for process in (supervisor, coordinator):
            assert_no_secret(process.output)


def test_no_repr_shows_a_secret() -> None:
    settings = RedisSettings(
        url=f"redis://bob:{PASSWORD}@host/0", signing_keys=(KEY.encode(), KEY.encode())
    )
    config = WorkerConfig(modules=("m",), redis=settings)
    for shown in (repr(settings), repr(config), str(config), settings.masked_url):
        assert_no_secret(shown)


@pytest.mark.parametrize("url", [f"bob:{PASSWORD}@host", f"http://bob:{PASSWORD}@host"])
def test_no_refusal_of_a_url_shows_a_secret(url: str) -> None:
    with pytest.raises(StoreConfigurationError) as caught:
        RedisSettings(url=url)
    assert_no_secret(str(caught.value))
