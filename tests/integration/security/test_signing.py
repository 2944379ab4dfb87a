"""With keys, write access to the server alone makes no process run or accept anything."""

from __future__ import annotations

import signal

import pytest

from astrum.machine.events import Outcome
from astrum.protocol.hints import Hint, encode_hint
from astrum.protocol.messages import Record, encode_entry, encode_record
from astrum.protocol.sealing import Seal
from astrum.protocol.task_message import TaskMessage, encode_message
from astrum.redis import RunStore
from astrum.values.arguments import pack_arguments
from tests.integration.resilience.pool import MODULE, statuses
from tests.integration.security.signed import KEYS, NEW, OLD, SignedPool, said
from tests.processes import wait_until


def message(run_id: str, task: int, task_id: str, namespace: str) -> bytes:
    return encode_message(
        TaskMessage(
            run_id, task, 1, 1, namespace, task_id, "", 0, None, False, False, pack_arguments([])
        )
    )


def test_a_signed_run_completes_on_real_processes(signed: SignedPool) -> None:
    signed.serve()
    signed.worker()
    signed.release("middle")
    signed.submit("chain")
    assert signed.ended()["execution_state"] == "completed"


@pytest.mark.parametrize("signature", [b"", b"\x00" * 32], ids=["unsigned", "wrongly signed"])
def test_a_forged_entry_is_not_executed_and_harms_no_run(
    signed: SignedPool, signature: bytes
) -> None:
    signed.serve()
    worker = signed.worker()
    signed.submit("stuck")
    signed.started("held")
    signed.started("other")
    fields: dict[str | bytes, bytes] = {"d": message("r", 0, "held", "stuck")}
    signed.forge(fields | ({"s": signature} if signature else {}))
    said(worker, "signed")
    signed.forge({"d": b"no message at all"})
    said(worker, "set aside")
    signed.release("held")
    signed.release("other")
    report = signed.ended()
    assert report["execution_state"] == "completed"
    assert statuses(report, "held") == ["completed"]
    assert signed.executions() == {"held": 1, "other": 1}
    signed.queue_is_empty()


def test_a_copy_of_a_signed_message_is_not_executed_again(signed: SignedPool) -> None:
    signed.serve()
    worker = signed.worker()
    signed.submit("stuck", "r1")
    signed.started("held")
    with signed.server.client() as client:
        [(_, fields), *_] = client.xrange(signed.streams[0])
    signed.release("held")
    signed.release("other")
    signed.ended("r1")
    before = signed.executions()
    signed.forge(fields)
    said(worker, "it is a copy of an old message")
    signed.queue_is_empty()
    assert signed.executions() == before


def test_a_message_of_another_run_is_refused(signed: SignedPool) -> None:
    worker = signed.worker()
    signed.submit("stuck", "victim")
    data = message("victim", 0, "held", "stuck")
    signature = Seal([OLD.encode()]).task_signature("another", data)
    signed.forge({"d": data, "s": signature})
    said(worker, "not signed by a key of this process")
    signed.queue_is_empty()
    assert not signed.executions()


def test_a_forged_plan_is_refused_and_holds_up_no_other_run(signed: SignedPool) -> None:
    signed.submit("stuck", "forged")
    with signed.server.client() as client:
        key = KEYS.plan(client.hget(KEYS.run("forged"), "pd").decode())
        plan: bytes = client.get(key)
        client.set(key, plan[32:], keepttl=True)
    serve = signed.serve()
    said(serve, "is not signed by a key of this process")
    signed.worker()
    signed.release("middle")
    signed.submit("chain", "good")
    assert signed.ended("good")["execution_state"] == "completed"
    assert signed.field("forged", "st") == "open"
    assert serve.output.count("run forged cannot be led from here") == 1
    shown = signed.command("show", "forged")
    assert (shown.returncode, "is not signed" in shown.stderr) == (1, True)


def test_forged_journal_entries_are_ignored_by_leaders_and_reports(signed: SignedPool) -> None:
    serve = signed.serve()
    signed.worker()
    signed.submit("stuck")
    signed.started("held")
    forged = encode_record(Record(0, 1, Outcome.SUCCEEDED, "w", 1.0, 2.0, b"\x07"))
    with signed.server.client() as client:
        for data in (encode_entry([forged]), b"\xc1"):
            client.xadd(KEYS.journal("r"), {"d": data})
    wait_until(lambda: serve.output.count("is ignored") == 2, "two ignored entries")
    signed.release("held")
    signed.release("other")
    report = signed.ended()
    assert report["execution_state"] == "completed"
    assert report["task_return_set"]["held"] == "held"


@pytest.mark.parametrize("signature", [b"", b"\x00" * 32], ids=["unsigned", "wrongly signed"])
def test_a_forged_hint_stops_nothing(signed: SignedPool, signature: bytes) -> None:
    signed.serve()
    signed.worker()
    signed.submit("stuck")
    signed.started("held")
    with signed.server.client() as client:
        forged = signature + encode_hint(Hint("r", [(0, 1), (1, 1)]))
        assert client.publish(KEYS.control, forged) == 1
    signed.release("held")
    signed.release("other")
    signed.ended()
    assert signed.executions() == {"held": 1, "other": 1}


@pytest.mark.parametrize("keys", [NEW, ""], ids=["another key", "no key"])
def test_a_worker_with_the_wrong_key_says_so_and_the_right_one_runs_the_task(
    signed: SignedPool, keys: str
) -> None:
    serve = signed.serve()
    wrong = signed.with_keys(keys).worker()
    signed.release("middle")
    signed.with_keys(OLD).submit("chain")
    said(wrong, "ASTRUM_SIGNING_KEY")
    said(serve, "ASTRUM_SIGNING_KEY")
    signed.worker()
    report = signed.ended()
    assert report["execution_state"] == "completed"
    assert signed.executions() == {"first": 1, "middle": 1, "last": 1}


def test_a_new_leader_rejects_the_same_unsigned_ends(signed: SignedPool) -> None:
    first = signed.serve()
    wrong = signed.with_keys(NEW).worker()
    signed.release("middle")
    signed.with_keys(OLD).submit("chain")
    said(wrong, "ASTRUM_SIGNING_KEY")
    first.kill()
    signed.end_leadership()
    signed.serve()
    signed.worker()
    assert signed.ended()["execution_state"] == "completed"


def test_keys_are_rotated_while_a_run_goes_on(signed: SignedPool) -> None:
    signed.with_keys(f"{OLD},{NEW}")
    leader = signed.serve()
    worker = signed.worker()
    signed.submit("chain")
    signed.started("middle")
    signed.with_keys(f"{NEW},{OLD}")
    signed.serve()
    signed.worker()
    for process in (leader, worker):
        process.send(signal.SIGTERM)
    leader.wait()
    signed.release("middle")
    worker.wait()
    report = signed.ended()
    assert report["execution_state"] == "completed"
    assert report["task_return_set"]["last"] == "first-middle-last"
    logs = "".join(process.output for process in signed._processes)
    assert "signed" not in logs


async def test_a_signed_run_stores_nothing_that_reveals_the_key(signed: SignedPool) -> None:
    worker = signed.worker()
    signed.submit("stuck")
    async with RunStore.open(signed.settings()) as store:
        assert OLD not in repr(store.settings)
    with signed.server.client() as client:
        dumped = [client.dump(key) or b"" for key in client.scan_iter()]
    assert not any(OLD.encode() in value for value in dumped)
    assert OLD not in worker.output


def test_a_key_that_is_too_short_is_refused_without_being_shown(signed: SignedPool) -> None:
    signed.with_keys("short-secret")
    done = signed.command("runs")
    assert done.returncode == 2
    assert "ASTRUM_SIGNING_KEY: a signing key must have at least 16 bytes" in done.stderr
    worker = signed._start("astrum_worker", MODULE, "--redis", signed.server.url)
    assert worker.wait() != 0
    assert "short-secret" not in done.stderr + worker.output
