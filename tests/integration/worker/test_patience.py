"""A worker waits for its server: at the start, and in the end for as long as its grace lasts."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from astrum.redis import RedisSettings
from astrum.runtime.exit_codes import ExitCode
from tests.eventually import eventually
from tests.integration.worker.pool import Lead, Pool, WorkerProcess, open_run
from tests.servers import RedisServer

SHORT_LEASE = ("--lease", "1")
"""So claims that are under way are soon given up, and results are all that is waited for."""


@pytest.fixture
def server() -> Iterator[RedisServer]:
    """A server of the test's own, to be silenced."""
    with RedisServer() as server:
        yield server


@pytest.fixture
def pool(tmp_path: Path, server: RedisServer) -> Iterator[Pool]:
    pool = Pool(tmp_path, server.url)
    yield pool
    pool.close()


@pytest.fixture
async def lead(server: RedisServer) -> AsyncIterator[Lead]:
    async with open_run(RedisSettings(url=server.url)) as lead:
        yield lead


async def running(pool: Pool, lead: Lead, worker: WorkerProcess) -> WorkerProcess:
    """Wait until the worker runs an attempt that waits to be released."""
    await worker.serving()
    await lead.dispatch(0, "wait_for", {"name": "n"})
    await pool.reached("n.started")
    return worker


def silence(server: RedisServer) -> None:
    assert server.process is not None
    server.process.send_signal(signal.SIGSTOP)


def wake(server: RedisServer) -> None:
    assert server.process is not None
    server.process.send_signal(signal.SIGCONT)


async def test_a_result_is_delivered_as_soon_as_the_server_answers_within_the_grace(
    pool: Pool, lead: Lead, server: RedisServer
) -> None:
    worker = await running(pool, lead, pool.start(*SHORT_LEASE, "--grace", "60"))
    silence(server)
    pool.release("n")
    worker.signal(signal.SIGTERM)
    # Seconds later: the server did not answer to the first try in time.
    await eventually(lambda: "settling: " in worker.said or worker.is_over())
    wake(server)
    assert await worker.ended() == ExitCode.DONE, worker.said
    assert await lead.value(0) == "n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("supervised", [False, True])
async def test_results_that_are_dropped_show_in_the_exit_code(
    pool: Pool, lead: Lead, server: RedisServer, supervised: bool, number: signal.Signals
) -> None:
    started = pool.start(*SHORT_LEASE, "--grace", "1", supervised=supervised)
    worker = await running(pool, lead, started)
    server.kill()
    pool.release("n")
    worker.signal(number)
    assert await worker.ended() == ExitCode.NOT_HANDED_OVER
    assert "1 results could not be delivered within the grace of 1 s" in worker.said


@pytest.mark.parametrize("supervised", [False, True])
async def test_a_missing_server_is_waited_for_and_reported(
    pool: Pool, server: RedisServer, supervised: bool
) -> None:
    server.kill()
    worker = pool.start(supervised=supervised)
    await eventually(lambda: "it is tried again for 10 s at most" in worker.said)
    server.start()
    await worker.serving()


async def test_a_stop_ends_the_waiting_for_a_server(pool: Pool, server: RedisServer) -> None:
    server.kill()
    worker = pool.start("--wait")
    await eventually(lambda: "it is tried again until it works" in worker.said)
    worker.signal(signal.SIGTERM)
    assert await worker.ended() == ExitCode.DONE
