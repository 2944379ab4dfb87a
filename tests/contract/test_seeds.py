"""Runs that are created with seeds: as a whole or not at all, with values of their own."""

from __future__ import annotations

import time

import pytest

from astrum.errors import StoreUnavailableError, TakeOverRefusedError
from astrum.machine.events import Outcome
from astrum.protocol.messages import Record, encode_entry, encode_record
from astrum.protocol.run_header import SeedPart, StagedSeeds
from astrum.protocol.streams import Stream
from astrum.redis import RunStore, WorkerStore, scripts
from astrum.redis.scripts import OPEN_TTL_S, SEEDS_TTL_S
from tests.contract.steps import LEASE_S, led_run, new_run, stored
from tests.keyspace import unowned_keys
from tests.servers import Server

PLAN = b"plan"
NEW = new_run("new", PLAN)
DAY_S = 86_400.0


def part(*tasks: int, digests: tuple[str, ...] = ()) -> SeedPart:
    rows = [
        encode_record(Record(t, 0, Outcome.REUSED, value=b"\x01", reused_from="r")) for t in tasks
    ]
    return SeedPart(encode_entry(rows), tasks, digests)


def keys_of(server: Server, run_id: str) -> list[str]:
    with server.client() as client:
        return sorted(key.decode() for key in client.scan_iter() if run_id in key.decode())


async def test_the_journal_begins_with_the_seeds_and_their_fences_are_final(
    runs: RunStore, workers: WorkerStore
) -> None:
    await led_run(runs)
    digest = await stored(workers, "r", b"big")
    parts = [part(0, 1, digests=(digest,)), part(2)]
    assert await runs.create_seeded_run(NEW, PLAN, "r", parts)
    assert not await runs.create_seeded_run(NEW, PLAN, "r", parts), "a repeat changes nothing"
    entries = await runs.read_journal({"new": "0-0"}, block_s=None, count=9)
    assert [entry.data for entry in entries] == [one.entry for one in parts]
    assert await runs.attempt_state("new", 2) == "0!seed"
    assert await runs.get_blob("new", digest) == b"big"
    [found] = await runs.adopt(["new"], "leader", LEASE_S)
    assert found is not None
    assert not isinstance(found, Exception)
    assert (found.has_history, found.info.outstanding) == (True, 0)
    sent = await runs.dispatch(
        "new", found.info.epoch, Stream("default", "async"), [(2, 1, b"m"), (3, 1, b"m")]
    )
    assert sent.states[0] == "0!seed", "what is taken over is never dispatched"
    assert "-" in sent.states[1]


async def test_values_live_as_long_as_the_new_run(
    runs: RunStore, workers: WorkerStore, any_server: Server
) -> None:
    epoch = await led_run(runs)
    digest = await stored(workers, "r", b"big")
    assert await runs.create_seeded_run(NEW, PLAN, "r", [part(0, digests=(digest,))])
    await runs.prolong("new")
    with any_server.client() as client:
        for key in (runs.keys.blob("new", digest), runs.keys.blobs("new"), runs.keys.run("new")):
            assert client.pttl(key) > 1000 * (OPEN_TTL_S - 60)
        assert unowned_keys(client) == []
    await runs.finish("r", epoch, "failed", result_ttl_s=60, tails=False)
    await runs.forget("r")
    assert await runs.get_blob("new", digest) == b"big"
    new_epoch = await runs.lead("new", "leader", LEASE_S)
    assert new_epoch is not None
    await runs.finish("new", new_epoch, "completed", result_ttl_s=60, tails=False)
    with any_server.client() as client:
        assert 0 < client.pttl(runs.keys.blob("new", digest)) <= 60_000
    await runs.forget("new")
    assert keys_of(any_server, "new") == []


async def test_a_delayed_run_keeps_its_values_until_it_begins(
    runs: RunStore, workers: WorkerStore, any_server: Server
) -> None:
    await led_run(runs)
    digest = await stored(workers, "r", b"big")
    delayed = NEW._replace(start_at=await runs.server_time() + 30 * DAY_S)
    assert await runs.create_seeded_run(delayed, PLAN, "r", [part(0, digests=(digest,))])
    await runs.prolong("new")
    with any_server.client() as client:
        for key in (
            runs.keys.blob("new", digest),
            runs.keys.blobs("new"),
            runs.keys.journal("new"),
        ):
            assert client.pttl(key) > 1000 * (30 * DAY_S + OPEN_TTL_S - 60)


async def test_without_one_value_nothing_is_created_and_nothing_is_left(
    runs: RunStore, workers: WorkerStore, any_server: Server
) -> None:
    await led_run(runs)
    digest = await stored(workers, "r", b"big")
    parts = [part(0, digests=(digest,)), part(1, digests=("gone",))]
    with pytest.raises(TakeOverRefusedError, match="have just expired"):
        await runs.create_seeded_run(NEW, PLAN, "r", parts)
    assert await runs.run_info("new") is None
    assert keys_of(any_server, "new") == []


async def test_a_process_that_dies_while_it_writes_seeds_leaves_only_what_expires_unseen(
    runs: RunStore, workers: WorkerStore, any_server: Server
) -> None:
    await led_run(runs)
    digest = await stored(workers, "r", b"big")
    await runs._write_seeds("new", "dead", "r", [part(0, digests=(digest,)), part(1)])
    assert await runs.run_info("new") is None
    assert [info.run_id for info in await runs.list_runs()] == ["r"]
    assert (await runs.orphans()).run_ids == []
    with any_server.client() as client:
        left = keys_of(any_server, "new")
        assert len(left) == 4
        assert all(0 < client.pttl(key) <= 1000 * SEEDS_TTL_S for key in left)
    assert await runs.create_seeded_run(NEW, PLAN, "r", [part(1)]), "the rest does not matter"
    entries = await runs.read_journal({"new": "0-0"}, block_s=None, count=9)
    assert [entry.data for entry in entries] == [part(1).entry]


async def test_of_two_processes_that_write_seeds_of_one_run_the_first_gives_up(
    runs: RunStore, workers: WorkerStore
) -> None:
    await led_run(runs)
    digest = await stored(workers, "r", b"big")
    first = [part(0, digests=(digest,)), part(1)]
    await runs._write_seeds("new", "first", "r", first[:1])
    await runs._write_seeds("new", "second", "r", first)
    call = scripts.seed(runs.keys, "new", "first", "r", first[1], is_first=False)
    assert await runs.client.call(call) == scripts.Seeding.BUSY
    await runs._remove_seeds("new", "first")
    assert await runs.get_blob("new", digest) == b"big", "the second needs it"


async def test_a_run_created_meanwhile_keeps_its_own_values(
    runs: RunStore, workers: WorkerStore, any_server: Server
) -> None:
    await led_run(runs)
    known, other = await stored(workers, "r", b"big"), await stored(workers, "r", b"other")
    await runs._write_seeds("new", "token", "r", [part(0, digests=(known, other))])
    await runs.create_run(NEW, PLAN)
    assert await stored(workers, "new", b"big") == known
    await runs._remove_seeds("new", "token")
    with any_server.client() as client:
        assert client.pttl(runs.keys.blob("new", known)) > 1000 * SEEDS_TTL_S
        assert not client.exists(runs.keys.blob("new", other))


async def test_seeds_that_the_server_has_lost_are_not_left_out_silently(
    runs: RunStore, any_server: Server
) -> None:
    await led_run(runs)
    parts = [part(0), part(1)]
    await runs._write_seeds("new", "token", "r", parts)
    with any_server.client() as client:
        client.delete(runs.keys.staged("new")[1])
    with pytest.raises(StoreUnavailableError, match="removed meanwhile"):
        await runs.create_run(NEW._replace(seeds=StagedSeeds("token", 2)), PLAN)
    assert await runs.run_info("new") is None


async def test_a_hundred_thousand_seeds_are_one_run(runs: RunStore) -> None:
    await led_run(runs)
    count, size = 100_000, 500
    parts = [part(*range(first, first + size)) for first in range(0, count, size)]
    began = time.perf_counter()
    assert await runs.create_seeded_run(NEW, PLAN, "r", parts)
    assert time.perf_counter() - began < 30
    assert await runs.client.execute("XLEN", runs.keys.journal("new")) == count / size
    assert await runs.client.execute("HLEN", runs.keys.attempts("new")) == count + 1
