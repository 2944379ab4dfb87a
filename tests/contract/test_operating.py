"""The requests of operators, as the store keeps them."""

from __future__ import annotations

import pytest
import redis

from astrum.errors import LeadershipLostError, RunError, RunNotFoundError
from astrum.protocol.drains import DrainRequest
from astrum.protocol.pauses import PauseKind, PauseTarget
from astrum.protocol.process_end import ProcessEnd
from astrum.protocol.records import RESULT_TTL
from astrum.protocol.run_header import plan_digest
from astrum.protocol.streams import Stream
from astrum.redis import (
    LeaseClient,
    RedisSettings,
    RunStore,
    WorkerStore,
    operating,
    operating_scripts,
)
from astrum.redis.operating_scripts import PAUSES_TTL_MS
from tests.contract.steps import (
    STREAM,
    claimed,
    create_run,
    dispatched,
    led_run,
    registered,
    settlement,
    stored,
)
from tests.servers import RedisServer

QUEUE = PauseTarget(PauseKind.QUEUE, "cpu")
TASK = PauseTarget.of_task("etl", "load")


async def test_a_pause_holds_until_it_is_ended(runs: RunStore) -> None:
    await runs.pause([QUEUE, TASK], by="ann", reason="why")
    paused = await runs.paused()
    assert paused.holds("n", "t", "cpu") == "queue 'cpu' is paused by ann: why"
    assert abs((await runs.server_time()) - next(iter(paused)).at) < 5
    assert await runs.unpause([QUEUE, PauseTarget(PauseKind.QUEUE, "other")]) == [QUEUE]
    assert [pause.target for pause in await runs.paused()] == [TASK]


async def test_pauses_have_a_life_that_is_prolonged(runs: RunStore) -> None:
    await runs.pause([QUEUE], by="ann")
    assert 0 < await runs.client.execute("PTTL", runs.keys.paused) <= PAUSES_TTL_MS
    await runs.client.execute("PEXPIRE", runs.keys.paused, 60_000)
    await runs.keep_pauses()
    assert await runs.client.execute("PTTL", runs.keys.paused) > 60_000


async def test_a_request_to_drain_waits_in_the_workers_record_for_its_heartbeat(
    runs: RunStore, workers: WorkerStore, any_settings: RedisSettings
) -> None:
    await registered(workers, "w")
    await registered(workers, "dead")
    await runs.end_lease("dead", ProcessEnd(1))
    request = DrainRequest("ann@host:1", replace=True)
    assert await runs.drain("w", request)
    assert not await runs.drain("dead", request)
    assert not await runs.drain("unknown", request)
    await registered(workers, "w")  # again, as after a lapse of its lease
    lease = LeaseClient(any_settings)
    assert lease.drain_request("w") == request
    lease.close()
    assert [info.drain for info in await runs.workers()] == [request]


async def test_dead_letters_are_read_whole_and_deleted_by_their_ids(
    runs: RunStore, workers: WorkerStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operating, "_LETTERS", 2)
    epoch = await led_run(runs)
    entries = await dispatched(runs, epoch, 0, 1, 2)
    await registered(workers, "w")
    for claim in await claimed(workers, "w"):
        await workers.set_aside(claim, "caf\u00e9")
    letters = await runs.dead_letters()
    assert [(one.entry_id, one.data, one.reason) for one in letters] == [
        (entry, b"message %d" % task, "caf\u00e9") for task, entry in enumerate(entries)
    ]
    assert {one.stream for one in letters} == {STREAM}
    first, *rest = [one.letter_id for one in letters]
    assert await runs.clear_dead_letters(rest) == 2
    assert [one.letter_id for one in await runs.dead_letters()] == [first]


async def ended_run(runs: RunStore, run_id: str, values: int = 3) -> None:
    epoch = await led_run(runs, run_id)
    for number in range(values):
        await stored(runs, run_id, b"%d" % number)
    assert await runs.finish(run_id, epoch, "completed", result_ttl_s=600, tails=True)


async def keys_of(runs: RunStore) -> set[str]:
    return {key.decode() for key in await runs.client.execute("KEYS", "*")}


async def test_a_forgotten_run_leaves_no_key_and_no_place_in_any_index(
    runs: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operating_scripts, "BLOBS_PER_PART", 10)
    await ended_run(runs, "kept")
    before = await keys_of(runs)
    # So many values that their set is scanned in several parts.
    await ended_run(runs, "big", values=600)
    await runs.client.execute("ZADD", runs.keys.untidied, 1, "big")
    await runs.forget("big")
    # Its plan may be that of other runs, too: it expires by itself.
    plan = runs.keys.plan(plan_digest(b"plan of big"))
    assert await keys_of(runs) - {runs.keys.untidied, plan} == before
    assert [info.run_id for info in await runs.list_runs()] == ["kept"]
    for index in (runs.keys.history, runs.keys.untidied, runs.keys.runs, runs.keys.index):
        assert await runs.client.execute("ZSCORE", index, "big") is None
    with pytest.raises(RunNotFoundError):
        await runs.forget("big")
    assert await create_run(runs, "big", b"another plan")


async def test_an_open_run_is_not_forgotten(runs: RunStore) -> None:
    await led_run(runs)
    before = await keys_of(runs)
    with pytest.raises(RunError, match="cancel it first"):
        await runs.forget("r")
    assert await keys_of(runs) == before


TEN_YEARS_S = 3650 * 86_400


@pytest.mark.parametrize(
    ("own", "life_s"),
    [
        ({}, 600),
        ({RESULT_TTL: "5000"}, 5_000),
        ({RESULT_TTL: "8639999999913600.000"}, TEN_YEARS_S),
        ({RESULT_TTL: "inf"}, TEN_YEARS_S),
        ({RESULT_TTL: "nan"}, 600),
        ({RESULT_TTL: "much"}, 600),
    ],
)
async def test_an_ended_run_is_kept_for_its_own_time_else_for_that_of_its_leader(
    runs: RunStore, own: dict[str, str], life_s: int
) -> None:
    await create_run(runs, "r", b"plan", own)
    epoch = await runs.lead("r", "leader", 30.0)
    assert epoch is not None
    await stored(runs, "r", b"value")
    assert await runs.finish("r", epoch, "completed", result_ttl_s=600, tails=True)
    for key in await keys_of(runs):
        if ":run:r" in key or ":b:r:" in key:
            left_ms = await runs.client.execute("PTTL", key)
            assert life_s * 1000 - 60_000 < left_ms <= life_s * 1000, key


async def test_an_operator_can_act_while_memory_is_full(own_server: RedisServer) -> None:
    settings = RedisSettings(url=own_server.url)
    async with RunStore.open(settings) as runs, WorkerStore(settings, "w") as workers:
        await registered(workers, "w")
        await ended_run(runs, "over")
        with redis.Redis.from_url(own_server.url, protocol=2) as client:
            client.config_set("maxmemory", 1)
        await runs.pause([QUEUE], by="ann")
        assert await runs.drain("w", DrainRequest("ann"))
        await runs.forget("over")
        assert await runs.unpause([QUEUE]) == [QUEUE]
        assert [info.drain for info in await runs.workers()] == [DrainRequest("ann")]


async def test_a_reopened_run_counts_attempts_on_and_refuses_its_last_leader(
    runs: RunStore, workers: WorkerStore
) -> None:
    epoch = await led_run(runs)
    entries = await dispatched(runs, epoch, 0, 1)
    await workers.settle("r", STREAM, [settlement(task, e) for task, e in enumerate(entries)])
    await runs.finish("r", epoch, "completed", result_ttl_s=60, tails=False)
    assert await runs.reopen("r", b"\x91", "completed", [1])
    assert not await runs.reopen("r", b"\x91", "completed", [1])  # as after a lost reply
    with pytest.raises(LeadershipLostError):
        await dispatched(runs, epoch, 1)
    next_epoch = await runs.lead("r", "next", 30.0)
    assert next_epoch is not None
    again = [(0, 2, b"m"), (1, 1, b"m"), (1, 2, b"m")]
    sent = await runs.dispatch("r", next_epoch, Stream("default", "async"), again)
    assert sent.states[:2] == ["1!w", "1=w"]
    assert set(await runs.outstanding("r")) == {1}
