"""The printed access rules: enough for all that the stores do, and not a command too many."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import closing, suppress

import pytest
import redis

from astrum.errors import AstrumError, StoreConfigurationError, TakeOverRefusedError
from astrum.machine.run_counter import RunCounts
from astrum.protocol.drains import DrainRequest
from astrum.protocol.pauses import PauseKind, PauseTarget
from astrum.protocol.process_end import ProcessEnd
from astrum.protocol.records import encode_counts
from astrum.protocol.run_header import NewRun, SeedPart, StoredPlan, plan_digest
from astrum.protocol.status import CoordinatorStatus
from astrum.protocol.streams import Stream
from astrum.redis import LeaseClient, RedisSettings, RunStore, Verdict, WorkerStore
from astrum.redis.chronicles import KEPT
from astrum.redis.scripts import LedCounts
from astrum.values.references import Blob, digest_of
from astrum_coordinator.cli.acl import KEYLESS, ROLES, Grant, grants
from tests.access import KEYS, denied, make_user, needs_plain_rules, url_of
from tests.contract.steps import (
    ALREADY_OVER_S,
    LEASE_S,
    STREAM,
    claimed,
    dispatched,
    led_run,
    registered,
    settlement,
    stored,
)
from tests.servers import RedisServer, find_binaries

DB = "1"
ALONE = Stream("default", "exclusive", "0ff3r")
Preparation = Callable[[RedisSettings], Awaitable[None]]
Work = Callable[[RedisSettings, RedisSettings], Awaitable[None]]
"""With the settings of the user in question, and those of one who may do everything."""


@pytest.fixture(params=find_binaries())
def server(request: pytest.FixtureRequest) -> Iterator[RedisServer]:
    """A server of the test's own, since users stay."""
    with RedisServer(find_binaries()[request.param]) as server:
        yield server


@pytest.fixture
def admin(server: RedisServer) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(f"{server.url}?db={DB}", protocol=2) as client:
        yield client


# --- all that each role does --------------------------------------------------------------


async def heard(workers: WorkerStore, publisher: RunStore) -> None:
    hints = workers.hints()
    waiting = asyncio.ensure_future(anext(hints))
    while not waiting.done():
        await publisher.publish(b"hint")
        await asyncio.sleep(0)
    assert await waiting == b"hint"
    await hints.aclose()  # type: ignore[attr-defined]


async def prepare(settings: RedisSettings) -> None:
    """A dead worker that holds three attempts, and a value: as others left them behind."""
    async with RunStore.open(settings) as runs, WorkerStore(settings, "w") as workers:
        epoch = await led_run(runs, "theirs")
        await dispatched(runs, epoch, 0, 1, 2, run_id="theirs")
        await registered(workers, "alive")
        await registered(workers, "dead", ALREADY_OVER_S)
        await claimed(workers, "dead")
        await stored(workers, "theirs", b"big")
        await runs.release("theirs", "leader", epoch)
        client = runs.client
        await client.execute("PEXPIRE", KEYS.run("theirs"), 60_000)
        # An ended run whose coordinator died before its values' lives were shortened.
        await client.execute("SET", KEYS.blob("gone", "digest"), "big", "PX", 60_000)
        await client.execute("SADD", KEYS.blobs("gone"), "digest")
        await client.execute("PEXPIRE", KEYS.blobs("gone"), 60_000)
        await client.execute("ZADD", KEYS.untidied, 1, "gone")
        await client.execute("PEXPIRE", KEYS.untidied, 60_000)
        await client.execute("SADD", KEYS.queues, KEYS.queue(Stream("expired", "async")))
        idle = KEYS.queue(Stream("idle", "async"))
        await client.execute("XGROUP", "CREATE", idle, "w", "0", "MKSTREAM")
        await client.execute("PEXPIRE", idle, 60_000)
        await client.execute("SADD", KEYS.queues, idle)
        await client.execute("PEXPIRE", KEYS.queues, 60_000)
        await client.execute("ZADD", KEYS.leases, 9e14, "alive")


async def coordinate(settings: RedisSettings, theirs: RedisSettings) -> None:
    async with RunStore.open(settings) as runs:
        await runs.join_servers()
        epoch = await led_run(runs)
        assert await runs.wait_for_wakes(block_s=1.0, count=9) == ["r"]
        assert await runs.renew("leader", {"r": epoch}, LEASE_S)
        await runs.announce("leader", {"host": "h"}, CoordinatorStatus(), [_counts(epoch)], 60.0)
        assert await runs.coordinators()
        await runs.withdraw("leader")
        assert await runs.load_plan(plan_digest(b"plan of r"))
        await runs.dispatch("r", epoch, Stream("new", "thread"), [(0, 1, b"m"), (1, 1, b"m")])
        found = await runs.outstanding("r")
        assert await runs.attempt_state("r", 0)
        assert await runs.holders(Stream("new", "thread"), [found[0].entry_id]) == {}
        assert await runs.vanished("r", Stream("new", "thread"), [(0, 1, found[0].entry_id)]) == []
        await runs.revoke("r", epoch, Stream("new", "thread"), [settlement(0, found[0].entry_id)])
        sent = await runs.dispatch("r", epoch, ALONE, [(2, 1, b"m"), (3, 1, b"m")], has_more=True)
        ends = [settlement(task, sent.states[task - 2]) for task in (2, 3)]
        assert await runs.take_back("r", epoch, ALONE, ends) == [Verdict.SETTLED] * 2
        await runs.dispatch("r", epoch, ALONE, [])
        await runs.append_event("r", b"\x90", epoch=epoch)
        await runs.read_journal({"r": "0-0"}, block_s=1.0, count=9)
        assert await runs.read_journal({"r": "0-0"}, block_s=None, count=9)
        await reap(runs)
        await asyncio.gather(
            runs.read_journal({"theirs": "9999999999999-0"}, block_s=20.0, count=9), runs.unblock()
        )
        await seeded(runs)
        assert await runs.finish("r", epoch, "completed", result_ttl_s=60, tails=True)
        assert await runs.done_cursor() > "0-0"
        news = await runs.wait_for_news({"r": "0-0"}, "0-0", block_s=1.0, count=1)
        assert news.entries
        assert (news.ended, news.has_gap) == (["r"], True)
        their_epoch = await runs.lead("theirs", "me", LEASE_S, versions="exact")
        assert their_epoch
        assert await runs.get_blob("theirs", digest_of(b"big")) == b"big"
        await runs.prolong("theirs")
        assert await runs.untidied() == ["gone"]
        await runs.tidy("gone")
        await runs.keep_queues()
        assert await runs.heal_leases() == 1
        await runs.finish("theirs", their_epoch, "completed", result_ttl_s=60, tails=True)
        await runs.run_info("r")
        await runs.list_runs()
        late = NewRun("late", "d", b"header", "identity", start_at=await runs.server_time() + 60)
        await runs.create_run(late, b"plan")
        assert await runs.append_event("late", b"\x90", begins=True)
        (await runs.orphans()).run_ids
        await runs.backlog()
        await runs.queue_sizes()
        assert (await runs.run_totals()).open > 0
        assert (await runs.read_outline("r", "0-0")).entries
        await runs.served_by(["alive"])
        await runs.publish(b"hint")
        await operate(runs)
        await keep_chronicles(runs, epoch)
        assert await runs.reopen("r", b"\x90", "completed", [0])


async def seeded(runs: RunStore) -> None:
    """Create a run that takes over a value, then try it with one that is gone."""
    plan = b"plan of seeds"
    new = NewRun("seeded", plan_digest(plan), b"header", "identity")
    parts = [SeedPart(b"\x90", (0,), (digest_of(b"big"),)), SeedPart(b"\x90", (1,))]
    assert await runs.create_seeded_run(new, plan, "theirs", parts)
    await runs.prolong("seeded")
    gone = SeedPart(b"\x90", (2,), ("gone",))
    with pytest.raises(TakeOverRefusedError):
        await runs.create_seeded_run(new._replace(run_id="no"), plan, "theirs", [*parts, gone])
    assert not await runs._write_seeds("busy", "token", "theirs", parts)
    await runs.create_run(new._replace(run_id="busy"), plan)
    await runs._remove_seeds("busy", "token")


async def operate(runs: RunStore) -> None:
    target = PauseTarget(PauseKind.QUEUE, "default")
    await runs.pause([target], by="me", reason="why")
    await runs.keep_pauses()
    assert await runs.paused()
    assert await runs.unpause([target]) == [target]
    assert await runs.drain("alive", DrainRequest("me"))
    await runs.forget("theirs")
    letters = [letter.letter_id for letter in await runs.dead_letters()]
    assert await runs.clear_dead_letters(letters) == len(letters) > 0
    plan = StoredPlan("digest", b"plan")
    assert await runs.publish_flow("f", b"record", plan, (b"", "before"))
    assert await runs.flow_record("f") == b"record"
    assert await runs.flow_records() == {"f": b"record"}
    assert await runs.unpublish_flow("f", b"record", "digest")


async def keep_chronicles(runs: RunStore, epoch: int) -> None:
    """Keep one that makes room for itself, while another one has expired."""
    await runs.client.execute("ZADD", KEYS.chronicles, 1, "long gone")
    await runs.client.execute("PEXPIRE", KEYS.chronicles, 60_000)
    now = await runs.server_time()
    assert [one.run_id for one in await runs.without_chronicle(now - 60, now, 9)] == ["r"]
    assert await runs.live_coordinators() == set()
    for _ in range(2):
        kept = await runs.keep_chronicle("r", epoch, b"chronicle", life_s=60.0, max_bytes=9)
        assert kept == KEPT
    assert await runs.chronicle("r") == b"chronicle"
    assert await runs.chronicle_ids(9) == ["r"]
    assert await runs.drop_chronicle("r")


def _counts(epoch: int) -> LedCounts:
    return LedCounts("r", epoch, encode_counts(RunCounts(1)))


async def reap(runs: RunStore) -> None:
    lost, unreadable, _ = await runs.dead_claims()
    await runs.settle_lost("theirs", STREAM, "dead", [settlement(0, lost.entry_id)])
    await runs.set_aside(unreadable, "why")
    for claim in await runs.dead_claims():
        await runs.set_aside(claim, "why")
    await runs.end_lease("dead", ProcessEnd(1))
    assert await runs.lease_ends()
    assert await runs.dead_workers() == ["dead"]
    await runs.workers()
    await runs.served("dead")
    assert await runs.drop_worker("dead")


async def work(settings: RedisSettings, theirs: RedisSettings) -> None:
    async with WorkerStore(settings, "w") as workers:
        await registered(workers, "w")
        with closing(LeaseClient(settings)) as lease:
            assert lease.beat("w", LEASE_S)
            assert lease.set_status("w", b"busy")
            assert lease.drain_request("w") is None
            await registered(workers, "died")
            assert lease.end_lease("died", ProcessEnd(-9))
        await workers.claim(
            "thread", [Stream("default", "thread"), Stream("other", "thread")], 1, block_s=None
        )
        [first, second] = await claimed(workers, "w")
        assert await workers.waiting_alone([ALONE]) == 1
        assert await workers.used_among([ALONE]) == [ALONE]
        [alone] = await workers.claim("exclusive", [ALONE], 1, block_s=None)
        await workers.settle("fresh", alone.stream, [settlement(2, alone.entry_id)])
        assert await workers.acquire_exclusive(60)
        assert await workers.acquire_exclusive(60)
        await workers.release_exclusive()
        await workers.own_claims([STREAM])
        await workers.keep_queues([STREAM])
        await workers.are_still_held("fresh", [(0, 1, first.key)])
        digest = await stored(workers, "fresh", b"big")
        assert await workers.get_blob("fresh", digest)
        await workers.settle("fresh", STREAM, [settlement(0, first.entry_id)])
        await workers.set_aside(second, "garbage")
        await asyncio.gather(
            workers.claim("async", [Stream("default", "async")], 1, block_s=20.0), workers.unblock()
        )
        async with RunStore.open(theirs) as publisher:
            await heard(workers, publisher)
        await workers.leave()


async def prepare_work(settings: RedisSettings) -> None:
    async with RunStore.open(settings) as runs:
        epoch = await led_run(runs, "fresh")
        await dispatched(runs, epoch, 0, 1, run_id="fresh")
        await runs.dispatch("fresh", epoch, ALONE, [(2, 1, b"m")])


async def prepare_start(settings: RedisSettings) -> None:
    async with RunStore.open(settings) as runs, WorkerStore(settings, "w") as workers:
        await registered(workers, "w")
        epoch = await led_run(runs, "ended")
        await dispatched(runs, epoch, 0, run_id="ended")
        await stored(runs, "ended", b"big")
        await runs.append_event("ended", b"\x90")
        await runs.finish("ended", epoch, "failed", result_ttl_s=60, tails=True)
        await runs.client.execute("ZADD", KEYS.index, 1, "long gone")
        await runs.join_servers()
        assert await runs.publish_flow("f", b"record", StoredPlan("d", b"plan"), (b"", ""))


async def start_and_ask(settings: RedisSettings, theirs: RedisSettings) -> None:
    async with RunStore.open(settings) as runs:
        assert await runs.flow_records() == {"f": await runs.flow_record("f")}
        assert await runs.load_plan("d")
        big = Blob(digest_of(b"big input"), b"big input")
        run = NewRun("mine", "d", b"header", "identity", blobs=(big,), published=("f", b"record"))
        assert await runs.create_run(run)
        await runs.append_event("mine", b"\x90")
        late = run._replace(run_id="late", start_at=await runs.server_time() + 60)
        assert await runs.create_run(late)
        assert await runs.append_event("late", b"\x90", begins=True)
        await ask_of_runs(runs, "mine")
        assert await runs.workers()
        assert await runs.reopen("ended", b"\x90", "failed", [0])
        await runs.prolong("ended")


async def ask_of_runs(runs: RunStore, run_id: str) -> None:
    assert await runs.run_state(run_id)
    assert await runs.run_info(run_id)
    await runs.outstanding("ended")
    assert await runs.list_runs()
    assert await runs.run_states(await runs.run_ids())
    assert await runs.done_cursor() > "0-0"
    news = await runs.wait_for_news({run_id: "0-0"}, "0-0", block_s=1.0, count=1)
    assert (news.ended, news.has_gap) == (["ended"], True)
    assert (await runs.read_outline(run_id, "0-0")).entries
    assert await runs.read_journal({run_id: "0-0"}, block_s=None, count=9)
    assert await runs.get_blob("ended", digest_of(b"big")) == b"big"
    await asyncio.gather(
        runs.read_journal({run_id: "9999999999999-0"}, block_s=20.0, count=9), runs.unblock()
    )


async def prepare_view(settings: RedisSettings) -> None:
    await prepare_start(settings)
    async with RunStore.open(settings) as runs, WorkerStore(settings, "w") as workers:
        ended = await runs.run_info("ended")
        assert ended is not None
        epoch = await led_run(runs, "open")
        await dispatched(runs, epoch, 0, run_id="open")
        await claimed(workers, "w")
        await dispatched(runs, epoch, 1, run_id="open")
        await runs.announce("leader", {"host": "h"}, CoordinatorStatus(), [], 60.0)
        last = (ended.epoch, b"chronicle")
        assert await runs.keep_chronicle("ended", *last, life_s=60.0, max_bytes=9) == KEPT


async def view(settings: RedisSettings, theirs: RedisSettings) -> None:
    async with RunStore.open(settings) as runs:
        await ask_of_runs(runs, "ended")
        assert await runs.flow_records() == {"f": await runs.flow_record("f")}
        assert await runs.load_plan("d")
        assert await runs.workers()
        assert await runs.served("w") is not None
        assert await runs.served_by(["w"])
        assert await runs.coordinators()
        stream = Stream("default", "async")
        assert await runs.queue_sizes()
        assert await runs.backlog()
        await runs.holders(stream, ["1-0"])
        await runs.last_words(["w"])
        await runs.vanished("open", stream, [(0, 1, "1-0")])
        await runs.paused()
        await runs.dead_letters()
        assert await runs.chronicle("ended")
        assert await runs.chronicle_ids(9) == ["ended"]


DOES: dict[str, tuple[Preparation, Work]] = {
    "coordinator": (prepare, coordinate),
    "worker": (prepare_work, work),
    "starter": (prepare_start, start_and_ask),
    "viewer": (prepare_view, view),
}


async def refused(
    admin: redis.Redis, server: RedisServer, role: str, granted: list[Grant], keyless: Sequence[str]
) -> list[str]:
    """Do everything as a user with these grants; return what the server refused."""
    admin.flushall()
    admin.zadd(KEYS.history, {"long gone": 1.0})
    admin.pexpire(KEYS.history, 60_000)
    prepared, does = DOES[role]
    everything = RedisSettings(url=f"{server.url}?db={DB}")
    await prepared(everything)
    admin.script_flush()
    make_user(admin, role, granted=granted, keyless=keyless)
    with suppress(AstrumError, AssertionError, ValueError, TimeoutError):
        async with asyncio.timeout(1):
            await does(RedisSettings(url=url_of(server.url, role, db=DB)), everything)
    return denied(admin)


@pytest.mark.parametrize("role", ROLES)
async def test_the_rules_suffice_for_all_that_the_store_does(
    server: RedisServer, admin: redis.Redis, role: str
) -> None:
    prepared, does = DOES[role]
    admin.zadd(KEYS.history, {"long gone": 1.0})
    everything = RedisSettings(url=f"{server.url}?db={DB}")
    await prepared(everything)
    make_user(admin, role)
    await does(RedisSettings(url=url_of(server.url, role, db=DB)), everything)
    assert denied(admin) == []


def one_less(granted: list[Grant]) -> Iterator[tuple[str, list[Grant]]]:
    for index, grant in enumerate(granted):
        for command in grant.commands:
            kept = tuple(other for other in grant.commands if other != command)
            rest = [grant._replace(commands=kept)] if kept else []
            where = f"{command} for {' '.join(grant.patterns)}"
            yield where, [*granted[:index], *rest, *granted[index + 1 :]]


def union(granted: list[Grant]) -> Grant:
    patterns = dict.fromkeys(pattern for grant in granted for pattern in grant.patterns)
    commands = dict.fromkeys(command for grant in granted for command in grant.commands)
    return Grant(tuple(patterns), tuple(commands))


@pytest.mark.parametrize("role", ROLES)
async def test_without_any_one_command_the_store_fails(
    server: RedisServer, admin: redis.Redis, role: str
) -> None:
    granted = grants(role, KEYS)
    if needs_plain_rules(admin):
        granted = [union(granted)]
    spare = [
        where
        for where, less in one_less(granted)
        if not await refused(admin, server, role, less, KEYLESS[role])
    ]
    told = [c for c in KEYLESS[role] if not (needs_plain_rules(admin) and c.startswith("client"))]
    for command in told:
        less = [other for other in KEYLESS[role] if other != command]
        if not await refused(admin, server, role, granted, less):
            spare.append(command)
    assert spare == []


@pytest.mark.parametrize(
    "attack",
    [
        ("SET", KEYS.plan("r"), "forged"),
        ("GET", KEYS.plan("r")),
        ("HSET", KEYS.run("r"), "ow", "me"),
        ("ZADD", KEYS.runs, 0, "r"),
        ("DEL", KEYS.journal("r")),
        ("SET", "elsewhere", "x"),
        ("PUBLISH", "elsewhere", "x"),
        ("KEYS", "*"),
        ("FLUSHALL",),
        ("CONFIG", "GET", "*"),
        ("EVAL", "return redis.call('GET', KEYS[1])", 1, KEYS.plan("r")),
        ("ACL", "LIST"),
    ],
    ids=lambda attack: " ".join(map(str, attack)),
)
async def test_a_worker_may_not(
    server: RedisServer, admin: redis.Redis, attack: tuple[str | int, ...]
) -> None:
    if needs_plain_rules(admin) and attack[0] == "DEL":
        pytest.skip("this takes selectors")
    make_user(admin, "worker")
    settings = RedisSettings(url=url_of(server.url, "worker"))
    async with WorkerStore(settings, "w") as workers:
        with pytest.raises(StoreConfigurationError, match="access list"):
            await workers.client.execute(*attack)


@pytest.mark.parametrize("role", ["starter", "viewer"])
@pytest.mark.parametrize(
    "attack",
    [
        ("SET", KEYS.plan("r"), "forged"),
        ("HSET", KEYS.flows, "billing", "forged"),
        ("XADD", STREAM, "*", "d", "forged"),
        ("ZREM", KEYS.runs, "r"),
        ("ZADD", KEYS.leases, 1, "w"),
        ("HSET", KEYS.paused, "queue:default", "forged"),
        ("DEL", KEYS.journal("r")),
        ("CONFIG", "GET", "*"),
    ],
    ids=lambda attack: " ".join(map(str, attack)),
)
async def test_a_starter_and_a_viewer_may_not(
    server: RedisServer, admin: redis.Redis, attack: tuple[str | int, ...], role: str
) -> None:
    if needs_plain_rules(admin):
        pytest.skip("this takes selectors")
    make_user(admin, role)
    async with RunStore.open(RedisSettings(url=url_of(server.url, role))) as runs:
        with pytest.raises(StoreConfigurationError, match="access list"):
            await runs.client.execute(*attack)


@pytest.mark.parametrize(
    "write",
    [("HSET", KEYS.run("r"), "st", "open"), ("ZADD", KEYS.runs, 0, "r")],
    ids=lambda write: " ".join(map(str, write)),
)
async def test_a_viewer_writes_no_run(
    server: RedisServer, admin: redis.Redis, write: tuple[str | int, ...]
) -> None:
    make_user(admin, "viewer")
    async with RunStore.open(RedisSettings(url=url_of(server.url, "viewer"))) as runs:
        with pytest.raises(StoreConfigurationError, match="access list"):
            await runs.client.execute(*write)


async def test_a_worker_may_not_write_to_a_queue(server: RedisServer, admin: redis.Redis) -> None:
    if needs_plain_rules(admin):
        pytest.skip("this takes selectors")
    make_user(admin, "worker")
    async with WorkerStore(RedisSettings(url=url_of(server.url, "worker")), "w") as workers:
        with pytest.raises(StoreConfigurationError, match="access list"):
            await workers.client.execute("XADD", STREAM, "*", "d", b"forged")
