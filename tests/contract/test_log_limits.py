"""The logs of attempts of one run have at most so many bytes together."""

from __future__ import annotations

from astrum.machine.task_log import NONE_LEFT_OUT
from astrum.protocol.task_logs import SIZES_OF_LOGS
from astrum.redis import RunStore, StoredLog, WorkerStore
from tests.contract.steps import led_run
from tests.servers import Server


async def put(workers: WorkerStore, number: int, size: int, **kind: bool) -> bool:
    """Store a log of so many bytes where 10,000 are the limit; return whether it was taken."""
    log = StoredLog("r", f"log-{number}-1", b"x" * size, 10_000, **kind)
    return await workers.put_logs([log]) == []


async def test_the_logs_of_a_run_have_a_limit_together(
    runs: RunStore, workers: WorkerStore, any_server: Server
) -> None:
    await led_run(runs)
    assert await runs.logs_left_out("r") == NONE_LEFT_OUT
    assert await put(workers, 0, 7_000, is_failure=False)
    assert not await put(workers, 1, 1_000, is_failure=False)  # the rest is for failures
    assert await put(workers, 1, 1_000)
    assert await put(workers, 1, 1_000)  # the reply to the first one was lost
    # The attempt still runs: more of its log may fit at its end.
    assert not await put(workers, 2, 3_000, is_whole=False)
    assert not await put(workers, 2, 3_000)
    count, since, limit = await runs.logs_left_out("r")
    assert (count, limit) == (2, 10_000)
    assert abs(since - await runs.server_time()) < 60
    assert await put(workers, 0, 100)  # in place of the longer one
    assert await put(workers, 2, 3_000)
    assert [len(one) for one in await runs.get_logs("r", ["log-0-1", "log-2-1", "log-3-1"])] == [
        *(100, 3_000, 0)
    ]
    with any_server.client() as client:
        assert {name.decode() for name in client.smembers(runs.keys.blobs("r"))} == {
            *("log-0-1", "log-1-1", "log-2-1", SIZES_OF_LOGS)
        }
        lives = [client.pttl(key) for key in client.scan_iter(match="*:b:r:*")]
        assert len(lives) == 4
        assert min(lives) > 0
        for name in ("log-1-1", SIZES_OF_LOGS):
            client.delete(runs.keys.blob("r", name))
            client.rpush(runs.keys.blob("r", name), "in the place of a log")
            client.pexpire(runs.keys.blob("r", name), 10_000)
    # What was damaged costs logs, no report.
    assert await runs.get_logs("r", ["log-1-1", "log-0-1"]) == [b"", b"x" * 100]
    assert await runs.logs_left_out("r") == NONE_LEFT_OUT
    assert (await runs.logs_left_out("gone")).attempts == 0
    assert await workers.put_logs([StoredLog("gone", "log-0-1", b"x", 10_000)]) == []
