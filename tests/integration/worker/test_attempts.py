"""Claims and their ends: each ends in exactly one settle."""

from __future__ import annotations

import signal

import msgpack
import pytest

from astrum.machine.events import Outcome
from astrum.protocol.hints import Hint, encode_hint
from astrum.protocol.keys import Keys
from astrum.protocol.messages import Record, encode_record
from astrum.protocol.sealing import Seal
from astrum.redis import RedisSettings, Settlement, WorkerStore
from astrum.values.arguments import pack_arguments
from astrum.values.references import BlobRef, encode_reference, reference_of
from tests.contract.steps import stored
from tests.eventually import eventually
from tests.integration.worker.pool import CODEC, Lead, Pool, stream
from tests.servers import Server
from tests.warm_start import COLD_VARIABLE


async def test_an_async_and_a_sync_task_run_and_their_results_are_in_the_journal(
    pool: Pool, lead: Lead
) -> None:
    worker = pool.start()
    await lead.dispatch(0, "add", {"a": 2, "b": 3})
    await lead.dispatch(1, "shout", {"text": "hello"}, lane="thread")
    assert await lead.value(0) == 5
    assert await lead.value(1) == "HELLO"
    record = await lead.record(0)
    assert record.outcome is Outcome.SUCCEEDED
    assert record.worker_id == worker.worker_id
    assert 0 < record.started_at <= record.ended_at


async def test_a_failure_travels_as_data(pool: Pool, lead: Lead) -> None:
    pool.start()
    await lead.dispatch(0, "fail")
    record = await lead.record(0)
    assert record.outcome is Outcome.FAILED
    assert record.failure is not None
    assert record.failure.types[0] == "builtins.ValueError"
    assert record.failure.message == "no such row"
    assert "pool_flow.py" in record.failure.traceback


async def test_a_keyboard_interrupt_raised_by_a_task_fails_only_the_task(
    pool: Pool, lead: Lead
) -> None:
    pool.start()
    await lead.dispatch(0, "interrupt")
    record = await lead.record(0)
    assert record.outcome is Outcome.FAILED
    await lead.dispatch(1, "add", {"a": 1, "b": 1})
    assert await lead.value(1) == 2


async def test_a_result_that_cannot_travel_fails_with_a_type_that_no_retry_matches(
    pool: Pool, lead: Lead
) -> None:
    pool.start()
    await lead.dispatch(0, "unencodable")
    record = await lead.record(0)
    assert record.failure is not None
    assert record.failure.types == ("astrum.errors.EncodeError",)


async def test_an_unknown_task_is_handed_back_with_advice(pool: Pool, lead: Lead) -> None:
    worker = pool.start()
    await lead.dispatch(0, "ad")
    record = await lead.record(0)
    assert record.outcome is Outcome.HANDED_BACK
    assert "did you mean 'add'" in worker.said


async def test_a_task_of_another_contract_is_handed_back(pool: Pool, lead: Lead) -> None:
    worker = pool.start()
    await lead.dispatch(0, "add", {"a": 1, "b": 1}, fingerprint=".".join(["0" * 16] * 2))
    assert (await lead.record(0)).outcome is Outcome.HANDED_BACK
    assert "other parameters, types or lane" in worker.said


async def test_a_message_of_another_protocol_version_is_handed_back(pool: Pool, lead: Lead) -> None:
    worker = pool.start()
    await lead.dispatch_raw(0, msgpack.packb([99, lead.run_id, 0, 1, "a later field"]))
    assert (await lead.record(0)).outcome is Outcome.HANDED_BACK
    assert "protocol version 99" in worker.said


async def test_a_damaged_message_whose_attempt_is_known_fails_it(pool: Pool, lead: Lead) -> None:
    pool.start()
    await lead.dispatch_raw(0, lead.message(0, "add", {"a": 1, "b": 1})[:-7])
    record = await lead.record(0)
    assert record.outcome is Outcome.FAILED
    assert record.failure is not None
    assert record.failure.types == ("astrum.Undecodable",)


async def test_damaged_arguments_fail_the_attempt(pool: Pool, lead: Lead) -> None:
    pool.start()
    await lead.dispatch(0, "add", arguments=b"\x92\xa1a\xc4\x01\xc1")
    record = await lead.record(0)
    assert record.failure is not None
    assert record.failure.types == ("astrum.errors.DecodeError",)


async def test_bytes_that_are_not_a_message_are_set_aside(
    pool: Pool, lead: Lead, redis_server: Server
) -> None:
    worker = await pool.start().serving()
    await lead.dispatch_raw(0, b"\xc1 nonsense")
    await eventually(lambda: "set aside" in worker.said)
    keys = Keys()
    with redis_server.client() as client:
        await eventually(lambda: client.xlen(keys.dead_letters) == 1)
        assert client.xlen(keys.queue(stream())) == 0


async def test_a_foreign_entry_is_set_aside_and_counted(
    pool: Pool, lead: Lead, redis_server: Server
) -> None:
    worker = await pool.start().serving()
    with redis_server.client() as client:
        client.xadd(Keys().queue(stream()), {"foo": "bar"})
        await eventually(lambda: client.xlen(Keys().dead_letters) == 1)
    assert "set aside" in worker.said


async def test_a_big_result_is_stored_once_and_read_by_reference(pool: Pool, lead: Lead) -> None:
    pool.start()
    await lead.dispatch(0, "big", {"size": 200_000})
    record = await lead.record(0)
    assert record.value is not None
    ref = reference_of(record.value)
    assert ref is not None
    assert len(CODEC.decode(await lead.store.get_blob(lead.run_id, ref.digest))) == 200_000
    arguments = pack_arguments([("data", encode_reference(ref))])
    await lead.dispatch(1, "measure", arguments=arguments)
    assert await lead.value(1) == 200_000


async def test_a_worker_with_a_wrong_clock_writes_the_server_s_time_and_what_the_attempt_waited_for(
    pool: Pool, lead: Lead, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(COLD_VARIABLE, "1")  # the attempt waits for as long as a start takes
    (pool.folder / "ahead.py").write_text(
        "import time\nright = time.time\ntime.time = lambda: right() + 3600.0\n"
    )
    digest = await stored(lead.store, lead.run_id, CODEC.encode(b"x" * 20_000_000))
    reference = encode_reference(BlobRef(digest, 20_000_000))
    dispatched = await lead.dispatch(0, "measure", arguments=pack_arguments([("data", reference)]))
    worker = await pool.start(modules=("pool_flow.py", "ahead.py")).serving()
    assert await lead.value(0) == 20_000_000
    record, now = await lead.record(0), await lead.store.server_time()
    assert now - 60 < record.started_at <= record.ended_at < now + 1, worker.said
    dispatched_at = int(dispatched.partition("-")[0]) / 1000
    waited_s = (record.queued_ms + record.prepared_ms) / 1000
    assert record.started_at == pytest.approx(dispatched_at + waited_s, abs=0.003)
    assert record.queued_ms >= 100, "the worker had to start first"
    assert record.prepared_ms >= 5, "20 MB had to be fetched"


async def test_an_attempt_that_takes_too_long_is_timed_out(pool: Pool, lead: Lead) -> None:
    pool.start()
    await lead.dispatch(0, "wait_for", {"name": "never"}, timeout_s=0.05)
    await lead.dispatch(1, "wait_in_thread", {"name": "x"}, lane="thread", timeout_s=0.05)
    assert (await lead.record(0)).outcome is Outcome.TIMED_OUT
    assert (await lead.record(1)).outcome is Outcome.TIMED_OUT
    pool.release("x")


async def test_an_attempt_that_its_leader_revoked_is_cancelled_and_its_slot_is_free(
    pool: Pool, lead: Lead
) -> None:
    worker = await pool.start("--concurrency", "1", "--lease", "1").serving()
    entry_id = await lead.dispatch(0, "clean_up", {"name": "c"})
    await pool.reached("c.started")
    gone = encode_record(Record(0, 1, Outcome.CANCELLED))
    settlement = Settlement(0, 1, entry_id, True, gone)
    await lead.store.revoke(lead.run_id, lead.epoch, stream(), [settlement])
    await pool.reached("c.cleaned")  # without a hint: at the next beat
    await lead.dispatch(1, "who")
    assert await lead.value(1) == worker.worker_id
    assert [r.outcome for r in lead.records if r.task == 0] == [Outcome.CANCELLED]


async def test_a_claim_whose_reply_was_lost_still_runs(
    pool: Pool, lead: Lead, settings: RedisSettings, redis_server: Server
) -> None:
    worker = await pool.start("--concurrency", "1").serving()
    await lead.dispatch(0, "wait_for", {"name": "n"})
    await pool.reached("n.started")
    await lead.dispatch(1, "add", {"a": 1, "b": 2})
    async with WorkerStore(settings, worker.worker_id) as store:  # as if its reply had got lost
        claims = await store.claim("async", [stream()], 1, block_s=None)
        assert len(claims) == 1
    with redis_server.client() as client:  # the worker reconnects and asks what it holds
        for row in client.client_list():
            if row["cmd"] == "xreadgroup":
                client.client_kill_filter(_id=row["id"])
    pool.release("n")
    assert await lead.value(1) == 3
    assert await lead.value(0) == "n"


async def test_a_hint_cancels_a_revoked_attempt_long_before_the_next_beat(
    pool: Pool, lead: Lead
) -> None:
    worker = await pool.start("--lease", "600").serving()  # a beat every 200 s
    await lead.dispatch(0, "clean_up", {"name": "c"})
    await pool.reached("c.started")
    await eventually(lambda: _heard(lead, [(0, 1)], pool))
    assert await lead.read() == []  # the leader that revokes it settles it
    await lead.dispatch(1, "who")
    assert await lead.value(1) == worker.worker_id


async def _heard(lead: Lead, pairs: list[tuple[int, int]], pool: Pool) -> bool:
    await lead.store.publish(encode_hint(Hint(lead.run_id, pairs)))
    return (pool.folder / "c.cleaned").exists()


async def test_attempts_settled_by_others_during_a_pause_are_dropped(
    pool: Pool, lead: Lead
) -> None:
    worker = await pool.start("--lease", "1").serving()
    await lead.dispatch(0, "clean_up", {"name": "c"})
    await pool.reached("c.started")
    worker.signal(signal.SIGSTOP)
    [claim] = await eventually(lead.store.dead_claims)
    lost = encode_record(Record(0, 1, Outcome.LOST))
    settlement = Settlement(0, 1, claim.entry_id, False, lost)
    await lead.store.settle_lost(lead.run_id, claim.stream, claim.worker_id, [settlement])
    assert await lead.store.drop_worker(worker.worker_id)
    worker.signal(signal.SIGCONT)
    await pool.reached("c.cleaned")
    await lead.dispatch(0, "who", attempt=2)
    assert (await lead.record(0, 2)).worker_id == worker.worker_id
    assert [record.outcome for record in lead.records] == [Outcome.LOST, Outcome.SUCCEEDED]
    [there] = await lead.store.workers()  # it registered again before it claimed
    assert there.details["queues"] == "default"


async def test_a_worker_that_must_only_run_signed_messages_hands_others_back(
    pool: Pool, lead: Lead, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = "k" * 32
    monkeypatch.setenv("ASTRUM_SIGNING_KEY", key)
    worker = await pool.start().serving()
    await lead.dispatch(0, "who")
    await eventually(lambda: "not signed" in worker.said)
    seal = lead.seal = Seal([key.encode()])
    assert (await lead.record(0)).outcome is Outcome.HANDED_BACK
    data = lead.message(1, "who", {})
    item = (1, 1, data, seal.task_signature(lead.run_id, data))
    await lead.store.dispatch(lead.run_id, lead.epoch, stream(), [item])
    assert await lead.value(1) == worker.worker_id
