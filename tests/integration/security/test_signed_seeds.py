"""With keys, only a process with a key can make a task count as done by an earlier run."""

from __future__ import annotations

import pytest

from astrum.machine.events import Outcome
from astrum.protocol.messages import Record, encode_record
from astrum.protocol.sealing import Seal
from tests.integration.security.signed import KEYS, NEW, OLD, SignedPool, said

SEED = encode_record(Record(0, 0, Outcome.REUSED, value=b"\xa1x", reused_from="r"))


def completed(signed: SignedPool, run_id: str = "r") -> None:
    signed.serve()
    signed.worker()
    signed.release("middle")
    signed.submit("chain", run_id)
    assert signed.ended(run_id)["execution_state"] == "completed"


def test_a_signed_run_is_taken_over(signed: SignedPool) -> None:
    completed(signed)
    signed.submit("chain", "new", "--from", "r", "--again", "last")
    report = signed.ended("new")
    assert (report["execution_state"], report["reused_tasks"]) == ("completed", 2)
    assert report["task_return_set"]["last"] == "first-middle-last"
    assert signed.executions() == {"first": 1, "middle": 1, "last": 2}


@pytest.mark.parametrize(("key", "run_id"), [("", "r"), (NEW, "r"), (OLD, "other")])
def test_a_forged_seed_is_ignored_and_its_task_runs(
    signed: SignedPool, key: str, run_id: str
) -> None:
    """It is unsigned, signed by another key, or a copy of one of another run."""
    signed.submit("chain")
    entry = Seal([key.encode()] if key else []).seal_entry(run_id, SEED)
    with signed.server.client() as client:
        client.xadd(KEYS.journal("r"), {"d": entry})
        client.expire(KEYS.journal("r"), 600)
    serve = signed.serve()
    signed.worker()
    signed.release("middle")
    report = signed.ended()
    said(serve, "is ignored")
    assert (report["execution_state"], report["reused_tasks"]) == ("completed", 0)
    assert signed.executions() == {"first": 1, "middle": 1, "last": 1}
    assert report["task_return_set"]["last"] == "first-middle-last"


def test_seeds_that_were_changed_in_the_store_end_the_run_and_say_why(signed: SignedPool) -> None:
    completed(signed)
    for process in signed._processes:
        process.close()
    signed.submit("chain", "new", "--from", "r", "--again", "last")
    with signed.server.client() as client:
        [(entry_id, fields)] = client.xrange(KEYS.journal("new"))
        client.xdel(KEYS.journal("new"), entry_id)
        client.xadd(KEYS.journal("new"), {"d": fields[b"d"].replace(b"first", b"other")})
    signed.serve()
    signed.worker()
    report = signed.ended("new")
    assert report["execution_state"] == "failed"
    assert any("is not signed by a known key" in line for line in report["error_summary"])
    assert signed.executions() == {"first": 1, "middle": 1, "last": 1}
