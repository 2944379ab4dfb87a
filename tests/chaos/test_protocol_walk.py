"""The protocol survives every fault, and the walk notices each safeguard that is removed."""

from __future__ import annotations

import pytest

from tests.chaos.protocol_walk import ABLATIONS, Violation, walk
from tests.servers import RedisServer, Server, find_binaries

SEEDS, MORE_SEEDS = 60, 400
"""How many seeds are played always, and how many when there is time."""
SEEDS_OF_REOPENED = 40
SEEDS_TO_MISS_A_SAFEGUARD = 60
FIRST_MISSED = {"entry-id": 2680}
"""Where to begin for a safeguard that the first seeds do not miss."""

pytestmark = pytest.mark.skipif(not find_binaries(), reason="no server binary")


@pytest.fixture
def server(redis_server: Server) -> RedisServer:
    if not isinstance(redis_server, RedisServer):
        pytest.skip("the walk flushes and restores a server of its own")
    return redis_server


@pytest.mark.timeout(120)
async def test_no_fault_breaks_a_promise(server: RedisServer) -> None:
    counts = await walk(server, range(SEEDS))
    for fault in (
        "rollback",
        "worker killed",
        "death reported",
        "leader killed",
        "claim reply lost",
        "reaped",
        "moved",
    ):
        assert counts[fault] > 0, f"the walk met no {fault}: {counts}"


@pytest.mark.timeout(120)
async def test_no_fault_breaks_a_promise_of_a_run_that_is_reopened(server: RedisServer) -> None:
    counts = await walk(server, range(SEEDS_OF_REOPENED), reopens=True)
    for what in (
        "reopened failed",
        "reopened completed",
        "reopen reply lost",
        "finish reply lost",
        "settle fenced",
        "rollback",
        "leader killed",
    ):
        assert counts[what] > 0, f"the walk met no {what}: {counts}"


@pytest.mark.thorough
@pytest.mark.timeout(600)
@pytest.mark.parametrize("reopens", [False, True])
async def test_no_fault_breaks_a_promise_with_further_seeds(
    server: RedisServer, reopens: bool
) -> None:
    await walk(server, range(SEEDS_OF_REOPENED, MORE_SEEDS), reopens=reopens)


@pytest.mark.thorough
@pytest.mark.parametrize("safeguard", ABLATIONS)
async def test_a_missing_safeguard_is_found(server: RedisServer, safeguard: str) -> None:
    first = FIRST_MISSED.get(safeguard, 0)
    with pytest.raises(Violation):
        await walk(
            server,
            range(first, first + SEEDS_TO_MISS_A_SAFEGUARD),
            ablation=safeguard,
            reopens=safeguard.startswith("reopen"),
        )
