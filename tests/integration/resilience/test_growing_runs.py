"""Runs with children and clean-ups: leaders and workers die, tasks are tried again or stopped."""

from __future__ import annotations

import json
import signal
from typing import Any

import pytest

from astrum.protocol.messages import decode_entry
from astrum.redis import RedisSettings
from tests.flows.resilience import CHILDREN
from tests.integration.resilience.pool import MODULE, QUICK, Pool
from tests.processes import AstrumProcess, wait_until

NAMES = [f"parse[{number}]" for number in range(CHILDREN)]
TENS = [number * 10 for number in range(CHILDREN)]


def ends(pool: Pool) -> int:
    """Return how many ends of attempts the run's journal has."""
    key = RedisSettings(url=pool.server.url).keys.journal("r")
    with pool.server.client() as client:
        entries: Any = client.xrange(key)
    return sum(len(decode_entry(fields[b"d"])) for _, fields in entries)


def leader(pool: Pool, *coordinators: AstrumProcess) -> AstrumProcess:
    [found] = [one for one in coordinators if one.pid == pool.leader_pid()]
    return found


def results(pool: Pool) -> dict[str, Any]:
    report = pool.ended()
    assert report["execution_state"] == "completed", report["error_summary"]
    values: dict[str, Any] = report["task_return_set"]
    return values


def once(*names: str) -> dict[str, int]:
    return dict.fromkeys(names, 1)


def begin_children(pool: Pool) -> None:
    """Let half of the children end, and wait until the others run."""
    pool.release("numbers")
    for name in NAMES:
        pool.started(name)


def test_the_next_leader_begins_the_children_of_a_list_that_its_leader_never_saw(
    pool: Pool,
) -> None:
    pool.worker()
    first = pool.serve()
    pool.submit("growing_fan")
    pool.started("numbers")
    first.send(signal.SIGSTOP)
    pool.release("numbers")
    pool.release("parse")
    wait_until(lambda: ends(pool) == 1, "the end of the list in the journal")
    assert pool.executions() == once("numbers")
    first.kill()
    pool.end_leadership()
    pool.serve()
    assert results(pool)["total"] == TENS
    assert pool.executions() == once("numbers", *NAMES, "total")


def test_a_leader_killed_in_the_middle_of_the_children_is_followed_by_another(pool: Pool) -> None:
    pool.worker()
    both = pool.serve(), pool.serve()
    pool.submit("growing_fan")
    begin_children(pool)
    leader(pool, *both).kill()
    pool.end_leadership()
    pool.release("parse")
    values = results(pool)
    assert (values["parse"], values["total"]) == (TENS, TENS)
    assert pool.executions() == once("numbers", *NAMES, "total")


def test_the_children_of_a_killed_worker_run_elsewhere_and_the_others_not_again(
    pool: Pool,
) -> None:
    victim = pool.worker(*QUICK)
    run = pool.start("run", MODULE, "-n", "growing_fan", "--run-id", "r")
    begin_children(pool)
    wait_until(lambda: ends(pool) > CHILDREN // 2, "the ends of half of the children")
    victim.kill()
    run.kill()
    pool.end_leadership()
    pool.worker(*QUICK)
    pool.release("parse")
    resumed = pool.command("resume", "r", "--json")
    assert resumed.returncode == 0, resumed.stderr
    assert json.loads(resumed.stdout)["task_return_set"]["total"] == TENS
    assert pool.executions() == {
        **once("numbers", *NAMES[: CHILDREN // 2], "total"),
        **dict.fromkeys(NAMES[CHILDREN // 2 :], 2),
    }


def test_a_failed_child_alone_is_tried_again_and_then_what_reads_it(pool: Pool) -> None:
    pool.worker()
    pool.serve()
    for name in ("numbers", "parse", "bad-2"):
        pool.release(name)
    pool.submit("growing_fan")
    assert pool.ended()["execution_state"] == "failed"
    assert pool.executions() == once("numbers", *NAMES)
    (pool.folder / "bad-2").unlink()
    retried = pool.command("retry", "r")
    assert retried.returncode == 0, retried.stderr
    assert results(pool)["total"] == TENS
    expected = {**once("numbers", *NAMES, "total"), "parse[2]": 2}
    assert pool.executions() == expected
    named = pool.command("retry", "r", "parse[3]")
    assert named.returncode == 0, named.stderr
    assert results(pool)["total"] == TENS
    assert pool.executions() == {**expected, "parse[3]": 2, "total": 2}
    wrong = pool.command("retry", "r", "parse[33]")
    assert (wrong.returncode, "parse[33]" in wrong.stderr) == (2, True), wrong.stderr


def test_a_new_run_takes_over_the_children_that_have_succeeded(pool: Pool) -> None:
    pool.worker()
    for name in ("numbers", "parse", "bad-2"):
        pool.release(name)
    failed = pool.command("run", MODULE, "-n", "growing_fan", "--run-id", "r")
    assert failed.returncode == 1, failed.stderr
    (pool.folder / "bad-2").unlink()
    plan = pool.command("plan", MODULE, "-n", "growing_fan", "--from", "r", "--format", "json")
    rows = {row["task"]: row["reason"] for row in json.loads(plan.stdout)["from"]["tasks"]}
    assert rows["parse"] == "1 of its 8 children run; of 'parse[2]': it failed in run r"
    done = pool.command("run", MODULE, "-n", "growing_fan", "--run-id", "new", "--from", "r")
    assert done.returncode == 0, done.stderr
    report = pool.report("new")
    assert report["task_return_set"]["total"] == TENS
    assert report["reused_tasks"] == CHILDREN
    assert pool.executions() == {**once("numbers", *NAMES, "total"), "parse[2]": 2}


@pytest.mark.parametrize("how", ["cancel", "timeout"])
def test_the_clean_up_of_a_run_whose_leader_dies_while_it_stops_runs_once(
    pool: Pool, how: str
) -> None:
    pool.worker()
    both = pool.serve(), pool.serve()
    pool.submit("tidy", "r", *(["--timeout", "2"] if how == "timeout" else []))
    pool.started("work")
    if how == "cancel":
        done = pool.command("cancel", "r", "--reason", "enough")
        assert done.returncode == 0, done.stderr
    pool.started("clean")
    leader(pool, *both).kill()
    pool.end_leadership()
    wait_until(lambda: pool.leader_pid() in {one.pid for one in both if one.is_alive()}, "a leader")
    pool.release("clean")
    report = pool.ended()
    assert report["execution_state"] == {"cancel": "cancelled", "timeout": "failed"}[how]
    assert report["task_return_set"] == {"make": "make", "clean": "make"}
    assert pool.executions() == once("make", "work", "clean")
