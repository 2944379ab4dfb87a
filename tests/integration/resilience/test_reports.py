"""All faces of one real run say the same: `show`, the export, the page, and later its chronicle."""

from __future__ import annotations

import asyncio
import io
import json
import re
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from astrum.redis import RedisSettings
from astrum.runtime.loops import end_task
from astrum_coordinator import Coordinator
from astrum_coordinator.cli.printing import print_view
from astrum_coordinator.display.show_view import Chosen, snapshot_view
from tests.eventually import eventually
from tests.exports import without_logs
from tests.integration.resilience.modules import begin, flow_of, write
from tests.integration.resilience.pool import QUICK, Pool
from tests.integration.resilience.test_workers import FAST
from tests.schemas import check

FLOW = """
from astrum import DROP, Each, F, Ref, Skip, SchedulerRegistry, current_attempt

shop = SchedulerRegistry("shop_reports")

@shop.task("pages")
def pages() -> list[str]:
    return ["one", "<img src=x onerror=alert(1)>", "</script>", "four"]

@shop.task("parse", retry=1, on_failure="continue")
def parse(page: Ref[str, Each("pages")]) -> int:
    if page == "four":
        raise ValueError(f"cannot read {page!r} {page}")
    if page == "one" and current_attempt().attempt == 1:
        raise ValueError("cannot read it <b>yet</b>")
    return len(page)

@shop.task("merge")
def merge(sizes: Ref[list[int], F("parse", default=DROP)]) -> int:
    return sum(sizes)

@shop.task("deadly")
def deadly() -> int:
    import os, signal
    note("deadly")
    if (FOLDER / "executions").read_text().count("deadly") == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return 1

@shop.task("maybe")
def maybe() -> int:
    raise Skip("nothing to do today")

@shop.task("after_maybe")
def after_maybe(number: Ref[int, F("maybe")]) -> int:
    return number

@shop.task("bad", on_failure="continue")
def bad() -> int:
    raise KeyError("missing")

@shop.task("blocked")
def blocked(number: Ref[int, F("bad")]) -> int:
    return number
"""
FAST_REAPER = replace(FAST, reap_grace_s=0.1)
STATES = {
    "pages": "completed",
    "parse[0]": "completed",
    "parse[1]": "completed",
    "parse[2]": "completed",
    "parse[3]": "failed",
    "merge": "completed",
    "deadly": "completed",
    "maybe": "skipped",
    "after_maybe": "skipped",
    "bad": "failed",
    "blocked": "blocked",
}


@pytest.fixture
async def coordinator(pool: Pool) -> AsyncIterator[Coordinator]:
    async with Coordinator(RedisSettings(url=pool.server.url), config=FAST_REAPER) as coordinator:
        yield coordinator


async def ended_run(pool: Pool, coordinator: Coordinator) -> None:
    """Run the flow to its end: one of its two workers dies."""
    path = write(pool.folder, "shop_reports", FLOW)
    pool.worker(*QUICK, module=str(path))
    pool.worker(*QUICK, module=str(path))
    run = await begin(coordinator, flow_of(path), run_id="r")
    assert (await run.ended()).execution_state == "failed"


def shown_rows(report: dict[str, Any]) -> dict[str, Any]:
    """Return of each task in the output of ``show --json`` its state and its attempts."""
    found = {}
    for stat in report["task_statistics"]:
        for row in stat["children"] or [stat]:
            found[row["task_name"]] = (
                row["status"],
                row["because"],
                [
                    (
                        one["attempt_number"],
                        one["status"],
                        one["worker_id"],
                        round((one["start_time"] - report["total_start_time"]) * 1000, -1),
                        (one["error_message"] or "").partition(":")[0],
                    )
                    for one in row["attempt_statistics"]
                ],
            )
    return found


def exported_rows(data: dict[str, Any]) -> dict[str, Any]:
    """Return the same of each task in the columns of a run."""
    strings, attempts = data["strings"], data["attempts"]
    names = [strings[name] for name in data["tasks"]["name"]]
    rows: dict[str, Any] = {}
    for task, name in enumerate(names):
        because = data["tasks"]["because"][task]
        state = data["states"][data["tasks"]["state"][task]]
        rows[name] = (state, names[because] if because >= 0 else None, [])
    for place, task in enumerate(attempts["task"]):
        outcome = data["outcomes"][attempts["outcome"][place]]
        failure, worker = attempts["failure"][place], attempts["worker"][place]
        kind = data["failures"][failure]["type"].rpartition(".")[2] if failure >= 0 else ""
        rows[names[task]][2].append(
            (
                attempts["number"][place],
                {"succeeded": "completed"}.get(outcome, outcome),
                strings[data["workers"]["id"][worker]],
                round(attempts["started_at"][place], -1),
                "Skip" if outcome == "skipped" else kind,
            )
        )
    return rows


def page_data(path: Path) -> dict[str, Any]:
    found = re.search(
        r'<script type="application/json" id="run">(.*?)</script>', path.read_text(), re.DOTALL
    )
    assert found is not None
    data: dict[str, Any] = json.loads(found[1])
    return data


def close(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    """Compare rows; times may be rounded to neighbouring tens of ms."""
    assert ours.keys() == theirs.keys()
    for name, (state, because, attempts) in ours.items():
        assert (state, because) == theirs[name][:2], name
        assert len(attempts) == len(theirs[name][2]), name
        for one, other in zip(attempts, theirs[name][2], strict=True):
            assert one[:3] == other[:3], name
            assert one[4] == other[4], name
            assert abs(one[3] - other[3]) <= 10, name


async def command(pool: Pool, *arguments: str) -> str:
    done = await asyncio.to_thread(pool.command, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


async def test_all_faces_of_a_run_say_the_same_also_when_its_record_has_expired(
    pool: Pool, coordinator: Coordinator
) -> None:
    await ended_run(pool, coordinator)
    report = json.loads(await command(pool, "show", "r", "--json"))
    data = await coordinator.export("r")
    page = pool.folder / "run.html"
    await command(pool, "export", "r", "-o", str(page))
    assert {name: row[0] for name, row in exported_rows(data).items()} == STATES
    close(exported_rows(data), shown_rows(report))
    assert page_data(page) == data
    for ours, theirs in (
        ("total_tasks", "total_tasks"),
        ("state", "execution_state"),
        ("run_id", "run_id"),
    ):
        assert data["run"][ours] == report[theirs]
    counts = data["run"]["counts"]
    for name, counted in (("completed", "successful_tasks"), ("failed", "failed_tasks")):
        assert counts[name] == report[counted]
    outcomes = [data["outcomes"][code] for code in data["attempts"]["outcome"]]
    assert outcomes.count("lost") == len(data["audit"]["losses"]) > 0
    assert data["path"][-1]["end"] == data["run"]["duration_ms"]
    # The chronicle says all of it again but logs.
    data = without_logs(data)
    keys = RedisSettings(url=pool.server.url).keys
    with pool.server.client() as client:
        await eventually(lambda: client.exists(keys.chronicle("r")), "a chronicle")
        client.delete(keys.run("r"), keys.journal("r"), keys.attempts("r"))
    assert await coordinator.export("r") == data
    past = json.loads(await command(pool, "show", "r", "--json"))
    check("show", past)
    check("run-1", data)
    assert past["is_chronicle"]
    close(shown_rows(past), shown_rows(report))
    why = await command(pool, "why", "r", "blocked")
    assert why.splitlines()[1] == "the results have expired; this is the chronicle of the run"
    for arguments in (("retry", "r"), ("cancel", "r")):
        done = await asyncio.to_thread(pool.command, *arguments)
        assert done.returncode == 2
        assert "run 'r' has ended, and only its chronicle is left" in done.stderr
    text = io.StringIO()
    print_view(snapshot_view(await coordinator.snapshot("r"), Chosen()), text)
    assert "this is the chronicle of the run" in text.getvalue()


async def test_a_chronicle_that_cannot_be_read_is_named_and_can_be_forgotten(
    pool: Pool, coordinator: Coordinator
) -> None:
    keys = RedisSettings(url=pool.server.url).keys
    with pool.server.client() as client:
        client.set(keys.chronicle("r"), b"no chronicle", ex=60)
    for arguments in (("export", "r"), ("show", "r")):
        done = await asyncio.to_thread(pool.command, *arguments)
        assert done.returncode == 1
        assert "the chronicle of run r is damaged" in done.stderr
    await command(pool, "forget", "r", "--yes")
    done = await asyncio.to_thread(pool.command, "export", "r")
    assert done.returncode == 2
    assert "no run has the id 'r'" in done.stderr


DIES_BEFORE_THE_CHRONICLE = """
import os, runpy, signal, sys
from astrum.redis import RunStore

async def die(*arguments, **options):
    os.kill(os.getpid(), signal.SIGKILL)

RunStore.keep_chronicle = die
sys.argv = sys.argv[3:]  # behind `python -m`
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""


async def test_a_leader_that_dies_before_it_writes_a_chronicle_leaves_it_to_another(
    pool: Pool, coordinator: Coordinator
) -> None:
    path = write(pool.folder, "shop_reports", FLOW)
    leader = pool.serve(launcher=(sys.executable, "-c", DIES_BEFORE_THE_CHRONICLE))
    await coordinator.submit_flow(flow_of(path), run_id="r")
    await coordinator.cancel("r", "wrong day")  # no worker is needed for its end
    assert await asyncio.to_thread(leader.wait) == -signal.SIGKILL
    assert pool.field("r", "st") == "cancelled"
    known, data = await coordinator.why("r", "merge"), await coordinator.export("r")
    data = without_logs(data)
    keys = RedisSettings(url=pool.server.url).keys
    with pool.server.client() as client:
        client.delete(keys.coordinators)  # what the dead one said has expired
        assert not client.exists(keys.chronicle("r"))
        serving = asyncio.create_task(coordinator.serve())
        await eventually(lambda: client.exists(keys.chronicle("r")), "a chronicle")
        await end_task(serving)
        client.delete(keys.run("r"), keys.journal("r"), keys.attempts("r"))
    past = await coordinator.why("r", "merge")
    assert past.is_chronicle
    assert (past.code, past.sentence) == (known.code, known.sentence)
    assert await coordinator.export("r") == data
