"""A leader keeps the chronicle of each run that ends, without being held up by it."""

from __future__ import annotations

import asyncio
import io
import logging
import re
from dataclasses import replace
from functools import partial

import pytest
from rich.console import Console

from astrum.errors import DecodeError, RunExpiredError, RunNotFoundError, TaskNotFoundError
from astrum.planning import TaskSpec
from astrum.protocol.pauses import NO_PAUSES
from astrum.redis import RedisSettings, RunStore
from astrum.runtime.durations import duration_text
from astrum.view.report import chronicle
from astrum_coordinator import Coordinator
from astrum_coordinator.asking import chronicles
from astrum_coordinator.asking.chronicles import Chronicles
from astrum_coordinator.cli.attach import has_ended
from astrum_coordinator.cli.past_runs import past_runs_table
from astrum_coordinator.cli.runs import run_to_json, runs_table
from astrum_coordinator.client.handle import RunHandle
from tests.eventually import eventually
from tests.exports import without_logs
from tests.integration.coordinator.manual_worker import FAST, ManualWorker, flow
from tests.schemas import check

KEY = b"0123456789abcdef"


async def end_run(coordinator: Coordinator, hand: ManualWorker, run_id: str) -> None:
    await coordinator.submit_flow(flow(TaskSpec("a")), run_id=run_id)
    leading = asyncio.create_task(coordinator.resume(run_id))
    await hand.register("a")
    await hand.succeed(await hand.claim())
    await leading


async def kept(runs: RunStore, run_id: str) -> bytes | None:
    return await runs.chronicle(run_id)


async def test_a_run_of_which_only_the_chronicle_is_left_is_found_by_names(
    coordinator: Coordinator, runs: RunStore, hand: ManualWorker, capsys: pytest.CaptureFixture[str]
) -> None:
    for run_id in ("nightly-1", "nightly-2", "hourly-1"):
        await end_run(coordinator, hand, run_id)
        await eventually(partial(kept, runs, run_id))
    for run_id in ("nightly-2", "hourly-1"):
        await runs.forget(run_id)
    assert await coordinator.find_run("h") == "hourly-1"
    assert await coordinator.find_run("nightly") == "nightly-1", "what is stored goes first"
    assert await coordinator.find_run("@last") == "nightly-1"
    await runs.forget("nightly-1")
    with pytest.raises(RunNotFoundError, match="'nightly' begins the ids of 2 runs"):
        await coordinator.find_run("nightly")
    assert await coordinator.find_run("@last") == "hourly-1"
    ids = ["hourly-1", "nightly-2", "nightly-1"]
    past = await coordinator.past_runs()
    assert [run.run_id for run in past] == ids
    check("past-runs", [run._asdict() for run in past])
    assert [run.run_id for run in await coordinator.past_runs(2)] == ids[:2]
    await runs.client.execute("SET", runs.keys.chronicle("nightly-2"), b"damaged", "KEEPTTL")
    console = Console(file=io.StringIO(), width=120)
    console.print(past_runs_table(await coordinator.past_runs()))
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert re.search(r"hourly-1 +completed +test +1 of 1 ", text), text
    assert re.search(r"nightly-2 +- .*damaged", text, re.DOTALL), text
    assert not await has_ended(coordinator, "nightly-1", attach=False)
    assert "an earlier run nightly-1 has ended, and only its chronicle" in capsys.readouterr().err
    assert not await has_ended(coordinator, "new", attach=False)
    assert capsys.readouterr().err == ""


async def test_what_is_left_of_a_run_can_be_shown_and_exported(
    coordinator: Coordinator, runs: RunStore, hand: ManualWorker
) -> None:
    await end_run(coordinator, hand, "r")
    before = without_logs(await coordinator.export("r"))
    await eventually(lambda: kept(runs, "r"))
    await runs.forget("r")
    assert await coordinator.export("r") == before
    snapshot = await coordinator.snapshot("r")
    assert snapshot.is_chronicle
    assert snapshot.report.successful_tasks == 1
    assert snapshot.report.task_return_set == {}
    [gone] = await coordinator.forget("r")
    assert gone.state == "expired"
    with pytest.raises(RunNotFoundError):
        await coordinator.export("r")
    with pytest.raises(RunNotFoundError):
        await coordinator.snapshot("r")


async def test_why_answers_from_the_chronicle_as_from_the_record(
    coordinator: Coordinator, runs: RunStore, hand: ManualWorker
) -> None:
    parts = flow(TaskSpec("a", on_failure="continue"), TaskSpec("b", ("a",)), TaskSpec("c"))
    await coordinator.submit_flow(parts, run_id="r")
    leading = asyncio.create_task(coordinator.resume("r"))
    await hand.register("a", "b", "c")
    for _ in range(2):
        held = await hand.claim()
        await (hand.fail if held.message.task_id == "a" else hand.succeed)(held)
    await leading
    names = (None, "a", "b", "c")
    known = [await coordinator.why("r", name) for name in names]
    assert [one.code for one in known] == ["run-failed", "failed", "blocked", "succeeded"]
    await eventually(lambda: kept(runs, "r"))
    await runs.forget("r")
    handle = coordinator.handle("r")
    for name, before in zip(names, known, strict=True):
        after = await coordinator.why("r", name)
        assert (after.code, after.sentence) == (before.code, before.sentence)
        assert (after.root, after.groups) == (before.root, before.groups)
        assert (after.is_chronicle, after.advice) == (True, "")
        assert (await handle.why(name)).sentence == after.sentence
    await only_the_chronicle_is_left(coordinator, handle)
    with pytest.raises(TaskNotFoundError, match="run r has no task 'd'"):
        await coordinator.why("r", "d")


async def only_the_chronicle_is_left(coordinator: Coordinator, handle: RunHandle) -> None:
    """Ask all that a chronicle cannot answer, and all that needs an open run or results."""
    for asked in (
        coordinator.retry("r"),
        coordinator.release("r", "a", "fail"),
        coordinator.cancel("r"),
        coordinator.wait("r"),
        coordinator.report("r"),
        coordinator.resume("r"),
        coordinator.task_ids("r"),
        coordinator.log("r", "a"),
        handle.result("a"),
        handle.status(),
    ):
        with pytest.raises(RunExpiredError, match="'r' has ended, and only its chronicle is left"):
            await asked


async def test_all_that_tell_a_duration_tell_the_same(
    coordinator: Coordinator, runs: RunStore, hand: ManualWorker
) -> None:
    planned = replace(flow(TaskSpec("a")), planning_s=2.5)
    await coordinator.submit_flow(planned, run_id="r")
    leading = asyncio.create_task(coordinator.resume("r"))
    await hand.register("a")
    await hand.succeed(await hand.claim())
    report = await leading
    [listed] = await coordinator.list_runs()
    took_s = report.total_duration
    assert took_s > 2.5
    assert (await coordinator.wait("r")).total_duration == took_s
    drawn = Console(width=200, file=io.StringIO(), record=True)
    drawn.print(runs_table([listed], {}))
    assert f" {duration_text(took_s)} " in drawn.export_text()
    assert run_to_json(listed, NO_PAUSES)["took_s"] == took_s
    assert f"has completed after {duration_text(took_s)}:" in (await coordinator.why("r")).sentence
    await eventually(lambda: kept(runs, "r"))
    assert (await coordinator.export("r"))["run"]["duration_ms"] == round(took_s * 1000)
    await runs.forget("r")
    shown = await coordinator.snapshot("r")
    assert shown.report.total_duration == pytest.approx(took_s, abs=0.0006)


async def test_what_a_dead_leader_left_unmade_another_coordinator_makes(
    settings: RedisSettings,
    runs: RunStore,
    hand: ManualWorker,
    other: Coordinator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Chronicles, "add", lambda *_: None)
    async with Coordinator(settings, config=FAST) as dead:
        await end_run(dead, hand, "r")
        before = without_logs(await dead.export("r"))
        finder = other._parts.missing_chronicles
        for _ in range(2):
            await finder.pass_once()
        assert await kept(runs, "r") is None  # its leader lives, and may have left it out
    await finder.pass_once()
    assert await kept(runs, "r") is not None
    assert (await other.why("r")).is_chronicle is False
    await runs.forget("r")
    assert await other.export("r") == before
    assert (await other.why("r", "a")).code == "succeeded"


async def test_a_run_that_cannot_be_read_keeps_no_other_from_its_chronicle(
    settings: RedisSettings,
    runs: RunStore,
    hand: ManualWorker,
    other: Coordinator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Chronicles, "add", lambda *_: None)
    async with Coordinator(settings, config=FAST) as dead:
        for run_id in ("r1", "r2"):
            await end_run(dead, hand, run_id)
    await runs.client.execute("HSET", runs.keys.run("r2"), "pd", "gone", "hd", "damaged")
    await other._parts.missing_chronicles.pass_once()
    assert [bool(await kept(runs, run_id)) for run_id in ("r1", "r2")] == [True, False]


async def test_a_leader_that_keeps_no_history_leaves_nothing_to_others(
    settings: RedisSettings, runs: RunStore, hand: ManualWorker, other: Coordinator
) -> None:
    async with Coordinator(settings, config=replace(FAST, history_s=0.0)) as dead:
        await end_run(dead, hand, "r")
    await other._parts.missing_chronicles.pass_once()
    assert await kept(runs, "r") is None


async def test_forgetting_a_run_takes_its_chronicle_too(
    coordinator: Coordinator, runs: RunStore, hand: ManualWorker
) -> None:
    await end_run(coordinator, hand, "r")
    await eventually(lambda: kept(runs, "r"))
    [gone] = await coordinator.forget("r")
    assert gone.state == "completed"
    assert await kept(runs, "r") is None


async def test_a_coordinator_that_closes_keeps_what_waits(
    settings: RedisSettings, runs: RunStore, hand: ManualWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chronicles, "SHARE", 1e-9)  # the second would wait
    async with Coordinator(settings, config=FAST) as coordinator:
        for run_id in ("r1", "r2", "r3"):
            await end_run(coordinator, hand, run_id)
        await eventually(lambda: kept(runs, "r1"))
        assert await kept(runs, "r3") is None
    assert [bool(await kept(runs, run_id)) for run_id in ("r1", "r2", "r3")] == [True] * 3


async def test_where_too_many_small_runs_end_some_have_none(
    coordinator: Coordinator,
    runs: RunStore,
    hand: ManualWorker,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(chronicles, "SHARE", 1e-9)
    monkeypatch.setattr(chronicles, "MAX_WAITING", 1)
    caplog.set_level(logging.INFO, "astrum.coordinator")
    for run_id in ("r1", "r2", "r3", "r4"):
        await end_run(coordinator, hand, run_id)
    await eventually(lambda: "1 runs of few tasks have no chronicle" in caplog.text)


async def test_of_a_run_that_is_too_big_its_leader_says_that_none_is_kept(
    settings: RedisSettings,
    other: Coordinator,
    runs: RunStore,
    hand: ManualWorker,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(chronicle, "MAX_TASKS", 0)
    async with Coordinator(settings, config=FAST) as leading:
        await end_run(leading, hand, "r")
        said = "run r has ended; runs of more than 0 tasks leave no chronicle"
        await eventually(lambda: said in caplog.text)
    await other._parts.missing_chronicles.pass_once()
    assert await kept(runs, "r") is None


async def test_without_a_history_none_is_made(
    settings: RedisSettings, runs: RunStore, hand: ManualWorker
) -> None:
    async with Coordinator(settings, config=replace(FAST, history_s=0.0)) as coordinator:
        await end_run(coordinator, hand, "r")
    assert await kept(runs, "r") is None


async def test_a_chronicle_that_is_not_signed_is_refused(
    settings: RedisSettings, runs: RunStore
) -> None:
    signed = replace(settings, signing_keys=(KEY,))
    async with Coordinator(signed, config=FAST) as coordinator:
        seal, store = coordinator._context.seal, coordinator._context.store
        key, other = store.keys.chronicle("r"), seal.seal_chronicle("other", b"data")
        for data in (b"unsigned", other):
            await store.client.execute("SET", key, data, "PX", 60_000)
            with pytest.raises(DecodeError, match="chronicle of run r is not signed by a key"):
                await coordinator.export("r")
            with pytest.raises(DecodeError, match="chronicle of run r is not signed by a key"):
                await coordinator.why("r")
        await store.client.execute("SET", key, seal.seal_chronicle("r", b"data"), "PX", 60_000)
        with pytest.raises(DecodeError, match="chronicle of run r is damaged"):
            await coordinator.snapshot("r")
