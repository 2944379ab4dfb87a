"""What is captured of the code of attempts, and what is not."""

from __future__ import annotations

import asyncio
import io
import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import msgpack
import pytest

from astrum.execution.attempt import CURRENT, AttemptContext
from astrum.execution.captured_log import CapturedLog
from astrum.execution.log_capture import PrintCapture, capture_logs
from astrum.machine.events import Outcome
from astrum.protocol.messages import Record
from astrum.protocol.task_logs import decode_log
from astrum.redis import Claim, RedisSettings
from astrum.redis.server_clock import ServerClock
from astrum_worker.config import WorkerConfig
from astrum_worker.context import WorkerContext
from astrum_worker.running.claimed import ClaimedAttempt
from astrum_worker.running.task_logs import TaskLogs
from astrum_worker.settling.ending import Ending

log = logging.getLogger("captured")


@pytest.fixture
def captured() -> Iterator[logging.Handler]:
    """Capture logs during the test."""
    apart, own = logging.getLogger("captured.apart"), logging.getLogger("astrum")
    apart.propagate, propagates, own.propagate = False, own.propagate, False
    root, level = logging.getLogger(), logging.getLogger().level
    root.setLevel(logging.DEBUG)
    capture = capture_logs()
    yield capture
    capture.stop()
    apart.propagate, own.propagate = True, propagates
    root.setLevel(level)


@contextmanager
def inside(context: AttemptContext) -> Iterator[None]:
    token = CURRENT.set(context)
    try:
        yield
    finally:
        CURRENT.reset(token)


def texts(context: AttemptContext) -> list[str]:
    rows = (context.log or CapturedLog()).rows()
    return [msgpack.unpackb(row)[3] for row in (*rows.first, *rows.latest)]


async def in_attempt(context: AttemptContext, *lines: str) -> None:
    CURRENT.set(context)
    for line in lines:
        log.info(line)
        await asyncio.sleep(0)


@pytest.mark.usefixtures("captured")
async def test_attempts_that_run_side_by_side_have_logs_of_their_own() -> None:
    one, other, silent = (AttemptContext("r", name, 1) for name in ("one", "other", "silent"))
    async with asyncio.TaskGroup() as group:
        group.create_task(in_attempt(one, "a", "b"))
        group.create_task(in_attempt(other, "c", "d"))
        group.create_task(in_attempt(silent))
    log.info("outside")
    assert (texts(one), texts(other), silent.log) == (["a", "b"], ["c", "d"], None)


@pytest.mark.usefixtures("captured")
def test_loggers_that_do_not_reach_the_root_are_captured_and_astrums_are_not() -> None:
    context = AttemptContext("r", "t", 1)
    with inside(context):
        logging.getLogger("captured.apart").warning("apart")
        logging.getLogger("astrum.worker").warning("of astrum")
        log.debug("too low")
    assert texts(context) == ["apart"]


@pytest.mark.usefixtures("captured")
def test_an_exception_is_captured_with_its_traceback() -> None:
    context = AttemptContext("r", "t", 1)
    with inside(context):
        try:
            raise ValueError("no")
        except ValueError:
            log.exception("it failed: %s", "once")
    [text] = texts(context)
    assert text.startswith("it failed: once\nTraceback")
    assert text.endswith("ValueError: no")


def test_a_record_whose_arguments_do_not_fit_is_captured(captured: logging.Handler) -> None:
    context = AttemptContext("r", "t", 1)
    with inside(context):
        captured.handle(logging.LogRecord("a", 30, "", 1, "%s and %s", ("one",), None))
    assert texts(context) == ["'%s and %s' (its arguments do not fit: ('one',))"]


@pytest.mark.usefixtures("captured")
def test_the_first_lines_of_several_threads_are_all_kept() -> None:
    context = AttemptContext("r", "t", 1)
    start = threading.Barrier(8)

    def work() -> None:
        CURRENT.set(context)
        start.wait()
        for _ in range(50):
            log.info("x")

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(texts(context)) == 400


def test_prints_outside_of_attempts_go_on_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    there = io.StringIO()
    there_encoding = SimpleNamespace(write=there.write, flush=there.flush, encoding="utf-8")
    monkeypatch.setattr(sys, "stdout", PrintCapture(there_encoding))
    context = AttemptContext("r", "t", 1)
    print("before")
    with inside(context):
        print("inside", 1)
    print("after")
    assert there.getvalue() == "before\ninside 1\nafter\n"
    assert texts(context) == ["inside 1"]


def ended(mode: str, outcome: Outcome, *, says: bool = True) -> Ending:
    store: Any = SimpleNamespace(worker_id="w", clock=ServerClock())
    config = WorkerConfig(modules=("m",), redis=RedisSettings(), task_logs=mode)
    context = AttemptContext("r", "t", 1)
    if says:
        context.log = CapturedLog()
        context.log.add(1.0, 20, "a", "b")
    held = ClaimedAttempt(Claim("s", "1-0", b""), "async", 3, 2, context)
    logs = TaskLogs(WorkerContext(store, config))
    return logs.with_log(held, Ending(Record(3, 2, outcome)))


KEPT = {
    "failed": {Outcome.FAILED, Outcome.TIMED_OUT, Outcome.LOST, Outcome.HANDED_BACK},
    "all": {
        *(Outcome.FAILED, Outcome.TIMED_OUT, Outcome.LOST, Outcome.HANDED_BACK),
        *(Outcome.SUCCEEDED, Outcome.SKIPPED),
    },
}


@pytest.mark.parametrize("mode", KEPT)
def test_an_end_has_its_log_if_that_is_to_be_kept(mode: str) -> None:
    for outcome in (*KEPT["all"], Outcome.NEVER_BEGAN):
        ending = ended(mode, outcome)
        assert (ending.log is not None) is (outcome in KEPT[mode]), outcome
        assert bool(ending.record.log) is (ending.log is not None)
        if ending.log is not None:
            assert (ending.log.run_id, ending.log.name) == ("r", "log-3-2")
            assert [line.text for line in decode_log(ending.log.data).lines] == ["b"]
        assert ended(mode, outcome, says=False) == Ending(Record(3, 2, outcome))
