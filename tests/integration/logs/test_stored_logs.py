"""The log of each attempt is stored with its run by real workers, and read again."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from astrum.errors import RunNotFoundError, TaskNotFoundError
from astrum.protocol.keys import Keys
from astrum.protocol.task_logs import MAX_LOG_BYTES
from astrum.redis import RedisSettings
from astrum_coordinator import Coordinator, CoordinatorConfig
from tests.access import denied, make_user, url_of
from tests.eventually import eventually
from tests.flows.task_logs import HOSTILE, LONG_LINES
from tests.integration.logs.conftest import ALL, astrum, logging_worker, run, texts
from tests.keyspace import unowned_keys
from tests.processes import AstrumProcess, serving, wait_until
from tests.schemas import check
from tests.servers import RedisServer

Coordinators = dict[str, Coordinator]


async def test_the_log_of_each_attempt_is_kept(coordinators: Coordinators) -> None:
    coordinator = coordinators["all"]
    report = await run(coordinator, "logged", run_id="r1")
    assert report.execution_state == "completed"
    first, second = [await coordinator.log("r1", "flaky", number) for number in (1, 2)]
    assert (texts(first), first.status) == (["attempt 1 begins"], "failed")
    assert (texts(second), second.status) == (["attempt 2 begins"], "completed")
    assert await coordinator.log("r1", "flaky") == second
    assert (second.attempt, second.attempts, second.note) == (2, 2, "")
    assert second.lines[0].logger == "tests.logged"
    assert second.worker_id
    child = await coordinator.log("r1", "each[1]")
    assert (child.task_id, texts(child)) == ("each[1]", ["child b"])
    rows = {row.task_name: row for row in report.task_statistics}
    assert [one.has_log for one in rows["flaky"].attempt_statistics] == [True, True]
    assert [one.has_log for one in rows["quiet"].attempt_statistics] == [False]


async def test_nested_tasks_threads_and_warnings_belong_to_the_attempt(
    coordinators: Coordinators,
) -> None:
    await run(coordinators["all"], "logged", run_id="r2")
    log = await coordinators["all"].log("r2", "talks")
    said = texts(log)
    assert [text for text in said if "warnings" not in text] == [
        "from the task",
        "from a nested task",
        "from a thread",
        HOSTILE,
    ]
    assert "UserWarning: from warnings" in said[1]
    assert not said[1].endswith("\n")
    assert [line.level_name for line in log.lines][-1] == "error"


async def test_a_long_log_is_cut_in_the_middle(coordinators: Coordinators) -> None:
    await run(coordinators["all"], "logged", run_id="r3")
    log = await coordinators["all"].log("r3", "all_of")
    assert log.count == LONG_LINES
    assert texts(log)[0].startswith("line 0 ")
    assert texts(log)[-1].startswith(f"line {LONG_LINES - 1} ")
    assert sum(map(len, texts(log))) < MAX_LOG_BYTES
    assert log.left_out == LONG_LINES - len(log.lines) > 1_000


async def test_by_default_only_failures_are_kept(coordinators: Coordinators) -> None:
    coordinator = coordinators["failed"]
    await run(coordinator, "logged", run_id="r1")
    assert texts(await coordinator.log("r1", "flaky", 1)) == ["attempt 1 begins"]
    for task in ("flaky", "talks", "quiet"):
        log = await coordinator.log("r1", task)
        assert (log.lines, "only failures are kept" in log.note) == ((), True)


async def test_the_logs_of_a_run_have_a_limit_and_what_is_left_out_is_said_everywhere(
    coordinators: Coordinators, workers: dict[str, AstrumProcess], server: RedisServer
) -> None:
    coordinator = coordinators["failed"]
    await run(coordinator, "logged_much", run_id="much")
    logs = [await coordinator.log("much", f"much{number}") for number in range(8)]
    assert sum(bool(log.lines) for log in logs) == 2
    text = "logs of about 6 attempts left out since 20"
    notes = [log.note for log in logs if not log.lines]
    assert all(note.startswith(f"nothing is stored; {text}") for note in notes)
    reason = await coordinator.why("much")
    assert (reason.facts["logs_left_out"], text in reason.sentence) == (6, True)
    columns = await coordinator.export("much")
    assert len(columns["logs"]) == 2
    assert (columns["logs_left_out"]["attempts"], columns["logs_left_out"]["not_here"]) == (6, 0)
    assert "logs" not in await coordinator.export("much", redact=True)
    await eventually(lambda: _counted(coordinator), "the counter")
    wait_until(
        lambda: "run much: logs of attempts are left out" in workers["failed"].output, "a warning"
    )
    assert text in await asyncio.to_thread(_asked, server.url)
    told = json.loads(await asyncio.to_thread(_asked, server.url, "--json"))
    check("show", told)
    assert (told["logs_left_out"]["attempts"], told["logs_left_out"]["limit_bytes"]) == (6, 3072)


def _asked(url: str, *options: str) -> str:
    """Return what ``show`` says, its lines joined."""
    words = ("show", "much", "--redis", url, "--prefix", "failed", *options)
    return " ".join(astrum(*words).stdout.split())


async def _counted(coordinator: Coordinator) -> bool:
    [info] = await coordinator.workers()
    return info.status.counters.get("logs_left_out") == 6


async def test_prints_of_concurrent_tasks_are_kept_apart(coordinators: Coordinators) -> None:
    await run(coordinators["all"], "logged_prints", run_id="r4")
    for task in ("left", "right"):
        log = await coordinators["all"].log("r4", task)
        assert texts(log) == [f"{task} {number}" for number in range(20)]
        assert {line.logger for line in log.lines} == {"stdout"}
    assert texts(await coordinators["all"].log("r4", "in_thread")) == [
        "in_thread 0",
        "without an end",
    ]


async def test_what_is_not_there_is_said(coordinators: Coordinators) -> None:
    coordinator = coordinators["all"]
    await run(coordinator, "logged", run_id="r5")
    with pytest.raises(RunNotFoundError, match="did you mean 'r5'"):
        await coordinator.log("r55", "flaky")
    with pytest.raises(TaskNotFoundError, match="did you mean 'flaky'"):
        await coordinator.log("r5", "flakey")
    with pytest.raises(TaskNotFoundError, match="2 attempts, there is not one 3"):
        await coordinator.log("r5", "flaky", 3)
    with pytest.raises(TaskNotFoundError, match=r"such as 'each\[0\]'"):
        await coordinator.log("r5", "each")


async def test_a_log_lives_as_long_as_its_run_and_goes_with_it(
    coordinators: Coordinators, server: RedisServer
) -> None:
    coordinator, keys = coordinators["all"], Keys("all")
    await run(coordinator, "logged", run_id="r6", result_ttl_s=100)
    pattern = keys.blob("r6", "*").replace("{", "\\{")
    with server.client() as client:
        found = list(client.scan_iter(match=keys.blob("r6", "*")))
        assert len(found) == 7, pattern  # six logs, and what they have together
        await eventually(
            lambda: all(0 < client.pttl(key) <= 100_000 for key in found), "a short life"
        )
        assert unowned_keys(client) == []
        await coordinator.forget("r6")
        assert list(client.scan_iter(match=keys.blob("r6", "*"))) == []
        with pytest.raises(RunNotFoundError):
            await coordinator.log("r6", "flaky")


async def test_the_log_of_a_running_attempt_is_read_and_survives_its_worker(
    server: RedisServer, tmp_path: Path
) -> None:
    settings = RedisSettings(url=server.url, prefix="dies")
    options = ("--prefix", "dies", "--lease", "1", *ALL)
    config = CoordinatorConfig(
        lease_s=2.0, renew_every_s=0.3, step_down_after_s=1.5, reap_every_s=0.2, reap_grace_s=0.5
    )
    with logging_worker(server.url, tmp_path, *options) as worker:
        async with Coordinator(settings, config=config) as coordinator:
            running = asyncio.create_task(run(coordinator, "logged_waiting", run_id="r"))
            await eventually((tmp_path / "1.began").exists, "the attempt")
            log = await eventually(lambda: _log_with_lines(coordinator), "a stored line")
            assert texts(log) == ["began as r/waits/1"]
            assert (log.status, log.note) == ("running", "")
            await eventually(lambda: _said(coordinator), "the line in the status")
            worker.kill()
            (tmp_path / "go on").touch()
            with logging_worker(server.url, tmp_path, *options):
                report = await running
            assert report.execution_state == "completed"
            [row] = report.task_statistics
            told = str(row.attempt_statistics[0].error_message)
            assert "; the last line that it logged was 'began as r/waits/1'" in told
            lost, second = [await coordinator.log("r", "waits", number) for number in (1, 2)]
    assert (texts(lost), lost.status) == (["began as r/waits/1"], "lost")
    assert lost.note == "its worker could not store the end of the log"
    assert texts(second) == ["began as r/waits/2", "goes on"]


async def _said(coordinator: Coordinator) -> list[str]:
    return [row.said for one in await coordinator.workers() for row in one.status.running]


async def _log_with_lines(coordinator: Coordinator) -> object:
    log = await coordinator.log("r", "waits")
    return log if log.lines else None


async def test_a_log_is_followed_until_the_task_has_ended(
    coordinators: Coordinators, folder: Path
) -> None:
    coordinator = coordinators["all"]
    running = asyncio.create_task(run(coordinator, "logged_waiting", run_id="f1"))
    await eventually((folder / "1.began").exists, "the attempt")
    seen = []
    async with asyncio.timeout(20):
        async for log in coordinator.follow_log("f1", "waits"):
            seen.append((log.status, texts(log)))
            if texts(log) == ["began as f1/waits/1"]:
                (folder / "go on").touch()
    (folder / "go on").unlink()
    (folder / "1.began").unlink()
    assert (await running).execution_state == "completed"
    assert seen[-1] == ("completed", ["began as f1/waits/1", "goes on"])
    assert ("running", ["began as f1/waits/1"]) in seen


async def test_without_logs_nothing_is_stored(server: RedisServer, tmp_path: Path) -> None:
    settings = RedisSettings(url=server.url, prefix="off")
    with logging_worker(server.url, tmp_path, "--prefix", "off", "--task-logs", "off"):
        async with Coordinator(settings) as coordinator:
            await run(coordinator, "logged", run_id="r")
            log = await coordinator.log("r", "flaky", 1)
            assert (log.lines, "--task-logs off" in log.note) == ((), True)
    with server.client() as client:
        assert list(client.scan_iter(match=Keys("off").blob("*", "*"))) == []


async def test_a_full_memory_costs_logs_and_no_end(tmp_path: Path) -> None:
    with RedisServer() as server, server.client() as client:
        settings = RedisSettings(url=server.url)
        with logging_worker(server.url, tmp_path, "--threads", "6") as worker:
            async with Coordinator(settings) as coordinator:
                running = asyncio.create_task(run(coordinator, "logged_failing", run_id="r"))
                await eventually(lambda: _all_run(client), "that all run")
                client.config_set("maxmemory", 1)
                (tmp_path / "full").touch()
                await eventually(lambda: _none_is_out(client), "that all ends are settled")
                client.config_set("maxmemory", 0)
                assert (await running).execution_state == "failed"
                log = await coordinator.log("r", "fails1")
                assert (log.lines, "did not take the log" in log.note) == ((), True)
                [info] = await coordinator.workers()
                counters = await eventually(lambda: _dropped(coordinator), "the counter")
                assert counters["logs_dropped"] == 6, info
                wait_until(lambda: "logs of attempts are dropped" in worker.output, "a warning")


def _all_run(client: object) -> bool:
    return client.hget(Keys().attempts("r"), "#") == b"6"  # type: ignore[attr-defined,no-any-return]


def _none_is_out(client: object) -> bool:
    return client.hget(Keys().attempts("r"), "#") == b"0"  # type: ignore[attr-defined,no-any-return]


async def _dropped(coordinator: Coordinator) -> object:
    [info] = await coordinator.workers()
    return info.status.counters if info.status.counters.get("logs_dropped") else None


async def test_the_printed_rights_are_enough(tmp_path: Path) -> None:
    with RedisServer() as server, server.client() as admin:
        for role in ("coordinator", "worker", "viewer"):
            make_user(admin, role)
        denied(admin)
        leads = RedisSettings(url=url_of(server.url, "coordinator"))
        with logging_worker(url_of(server.url, "worker"), tmp_path, "--task-logs", "all"):
            await serving(leads, 1)
            async with Coordinator(leads) as coordinator:
                await run(coordinator, "logged", run_id="r")
        async with Coordinator(RedisSettings(url=url_of(server.url, "viewer"))) as viewer:
            assert texts(await viewer.log("r", "flaky", 1)) == ["attempt 1 begins"]
        assert denied(admin) == []


async def test_a_log_in_a_signed_pool_is_that_of_a_worker_with_the_key(tmp_path: Path) -> None:
    key = "0123456789abcdef"
    with RedisServer() as server, server.client() as client:
        settings = RedisSettings(url=server.url, signing_keys=(key.encode(),))
        with _signed_worker(server.url, tmp_path, key):
            async with Coordinator(settings) as coordinator:
                await run(coordinator, "logged", run_id="r")
                good = await coordinator.log("r", "flaky", 1)
                assert (texts(good), good.note) == (["attempt 1 begins"], "")
                for name in client.scan_iter(match=Keys().blob("r", "log-*")):
                    client.set(name, b"x" * 32 + bytes(client.get(name))[32:])
                forged = await coordinator.log("r", "flaky", 1)
                assert (forged.lines, "is not signed" in forged.note) == ((), True)


def _signed_worker(url: str, folder: Path, key: str) -> AstrumProcess:
    return logging_worker(url, folder, ASTRUM_SIGNING_KEY=key)
