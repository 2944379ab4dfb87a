"""A pool that serves flows of services, and the command that publishes them."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from astrum.redis import RedisSettings
from tests import warm_start
from tests.processes import ROOT, AstrumProcess, serving, worker
from tests.servers import RedisServer

MODULE = "tests.flows.services"


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    """A server with one worker and one process that serves."""
    with ExitStack() as stack:
        server = stack.enter_context(RedisServer(options={"appendonly": "yes"}))
        stack.enter_context(worker(server.url, MODULE))
        stack.enter_context(AstrumProcess("astrum_coordinator", "serve", "--redis", server.url))
        asyncio.run(serving(RedisSettings(url=server.url), 1))
        publish(server.url, "billing", "waiting")
        yield server


def publish(url: str, *names: str) -> None:
    for name in names:
        assert command("publish", MODULE, "-n", name, "--redis", url) == f"{name}\n"


def command(*arguments: str) -> str:
    words = [sys.executable, "-m", "astrum_coordinator", *arguments]
    done = warm_start.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    return str(done.stdout)
