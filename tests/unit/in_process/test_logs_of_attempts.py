"""What the report of a run in process has of the logs of its attempts."""

from __future__ import annotations

import asyncio
import io
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from astrum import AstrumConfig, Each, Ref, SchedulerRegistry, current_attempt
from astrum.config import DEFAULT_TASK_LOGS_LIMIT
from astrum.execution.log_capture import PrintCapture, capture_logs
from astrum.machine import ExecutionReport
from astrum.protocol.task_logs import LOG_COSTS_BYTES
from astrum.runtime.cli.options import TaskLogOptions
from tests.unit.in_process.flow_builder import FlowBuilder, nothing

log = logging.getLogger("kept")


@contextmanager
def bare_root() -> Iterator[logging.Logger]:
    """Have a root logger as Python makes it: pytest adds handlers of its own during a test."""
    root, handlers = logging.getLogger(), logging.getLogger().handlers
    root.handlers = []
    try:
        yield root
    finally:
        root.handlers = handlers


def speaking(*, calls: int = 1, fails: int = 0) -> FlowBuilder:
    """Return a flow of a task that says ``line N`` in its attempt N, and fails at first."""
    flow, attempts = FlowBuilder(), iter(range(1, 99))

    async def speaks() -> None:
        number = next(attempts)
        for _ in range(calls):
            log.warning("line %d", number)
        print("printed", number, end="")
        if number <= fails:
            raise ValueError("as asked")

    flow.add("speaks", speaks)
    return flow


def kept(report: ExecutionReport) -> dict[tuple[str, int], list[str]]:
    return {key: [line.text for line in one.lines] for key, one in report.logs.items()}


async def test_a_failed_attempt_has_its_log_and_a_silent_one_none() -> None:
    flow = speaking(fails=1)
    flow.add("silent", nothing)
    report = await flow.run()
    assert kept(report) == {("speaks", 1): ["line 1"]}
    [attempt] = report.task_statistics[0].attempt_statistics
    assert attempt.has_log
    assert "logs" not in repr(report)


async def test_all_logs_and_prints_are_kept_if_asked_for_and_none_with_off() -> None:
    report = await speaking().run(task_logs="all", capture_print=True)
    assert kept(report) == {("speaks", 1): ["line 1", "printed 1"]}
    assert kept(await speaking().run()) == {}
    assert kept(await speaking(fails=1).run(task_logs="off")) == {}


async def test_what_astrum_itself_says_is_in_no_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "astrum")
    flow = speaking(fails=1)

    def tells() -> None:
        current_attempt().progress(-1)

    flow.add("tells", tells)
    flow.add("after", nothing, needs=["tells"])
    report = await flow.run(task_logs="all", silence=False)
    assert kept(report) == {("speaks", 1): ["line 1"]}
    assert "task speaks: attempt 1 starts" in caplog.text


async def test_each_child_has_a_log_under_its_own_name() -> None:
    flow = SchedulerRegistry("children")

    @flow.task
    async def rows() -> list[str]:
        return ["a", "b"]

    @flow.task(retry=1, on_failure="continue")
    async def check(row: Ref[str, Each("rows")]) -> None:
        log.warning("%s in attempt %d", row, current_attempt().attempt)
        raise ValueError(row)

    assert kept(await flow.run()) == {
        (f"check[{place}]", attempt): [f"{row} in attempt {attempt}"]
        for place, row in enumerate("ab")
        for attempt in (1, 2)
    }


async def test_a_long_log_is_cut_as_on_workers() -> None:
    report = await speaking(calls=4000, fails=1).run()
    found = report.logs["speaks", 1]
    assert found.left_out + len(found.lines) == 4000
    assert found.left_out > 0


async def test_the_logs_of_a_run_have_a_limit_and_failures_have_more_of_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fails() -> None:
        log.warning("x" * 100)
        raise ValueError("no")

    async def succeeds() -> None:
        log.warning("x" * 100)

    flow = FlowBuilder(limit=1)
    for number in range(10):
        flow.add(f"ok{number}", succeeds)
    for number in range(10):
        flow.add(f"bad{number}", fails, needs=[f"ok{number}"], on_failure="ignore")
    size = LOG_COSTS_BYTES + 150
    report = await flow.run(task_logs="all", task_logs_limit=8 * size)
    names = [name for name, _ in report.logs]
    successes = sum(name.startswith("ok") for name in names)
    assert 0 < successes <= 6
    assert len(names) in (8, 9)
    told = [one.getMessage() for one in caplog.records if "left out from now on" in one.msg]
    assert len(told) == 1
    assert "AstrumConfig(task_logs_limit=)" in told[0]
    assert "--task-logs-limit" in told[0]


async def test_nothing_stays_captured_and_warnings_show_as_without_astrum(
    capsys: pytest.CaptureFixture[str],
) -> None:
    apart = logging.getLogger("kept.apart")
    apart.propagate = False
    stdout = sys.stdout

    def warns() -> None:
        apart.warning("apart")
        log.warning("seen by default")
        print("printed")
        raise ValueError("no")

    flow = FlowBuilder()
    flow.add("warns", warns)
    with bare_root() as root:
        report = await flow.run(capture_print=True)
        assert (root.handlers, apart.handlers) == ([], [])
    apart.propagate = True
    assert kept(report) == {("warns", 1): ["apart", "seen by default", "printed"]}
    out, err = capsys.readouterr()
    assert (out, err) == ("printed\n", "apart\nseen by default\n")
    assert sys.stdout is stdout


async def test_two_runs_at_once_capture_each_line_once() -> None:
    with bare_root() as root:
        one, other = await asyncio.gather(speaking(fails=1).run(), speaking(fails=1).run())
        assert root.handlers == []
    assert kept(one) == kept(other) == {("speaks", 1): ["line 1"]}


async def test_a_process_that_captures_all_the_time_goes_on_to_do_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stdout", PrintCapture(io.StringIO()))
    with bare_root() as root:
        capture = capture_logs()
        above = root.parent
        report = await speaking(fails=1).run(capture_print=True)
        assert root.parent is above is not None
        capture.stop()
        assert root.parent is None
    assert kept(report) == {("speaks", 1): ["line 1", "printed 1"]}
    assert type(sys.stdout) is PrintCapture


async def test_logging_that_a_task_sets_up_works_as_without_astrum() -> None:
    shown = io.StringIO()

    def sets_up() -> None:
        logging.basicConfig(level=logging.INFO, stream=shown, format="own: %(message)s")
        log.info("seen")
        raise ValueError("no")

    flow = FlowBuilder()
    flow.add("sets_up", sets_up)
    with bare_root() as root:
        level = root.level
        report = await flow.run()
        root.setLevel(level)
        assert root.parent is None
    assert shown.getvalue() == "own: seen\n"
    assert kept(report) == {("sets_up", 1): ["seen"]}


async def test_a_run_has_no_prints_in_its_logs_because_another_one_captures_its_own() -> None:
    begun, may_end = asyncio.Event(), asyncio.Event()

    async def waits() -> None:
        begun.set()
        await may_end.wait()

    capturing = FlowBuilder()
    capturing.add("waits", waits)
    other = asyncio.create_task(capturing.run(capture_print=True))
    await begun.wait()
    report = await speaking(fails=1).run()
    may_end.set()
    await other
    assert kept(report) == {("speaks", 1): ["line 1"]}


class Tee:
    """What programs put in the place of standard output: it has what `print` needs, no more."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def write(self, text: str) -> None:
        self.texts.append(text)


async def test_a_task_may_print_to_whatever_stands_for_standard_output(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stdout", tee := Tee())
    report = await speaking().run(task_logs="all", capture_print=True)
    assert report.execution_state == "completed"
    assert "".join(tee.texts) == "printed 1"
    assert kept(report) == {("speaks", 1): ["line 1", "printed 1"]}


async def test_standard_output_tells_its_encoding_and_how_errors_are_handled() -> None:
    out = io.TextIOWrapper(io.BytesIO(), "latin-1", errors="replace")
    assert (PrintCapture(out).encoding, PrintCapture(out).errors) == ("latin-1", "replace")


def test_the_default_limit_is_the_same_wherever_it_is_given() -> None:
    assert TaskLogOptions().task_logs_limit == DEFAULT_TASK_LOGS_LIMIT
    assert AstrumConfig().task_logs_limit == DEFAULT_TASK_LOGS_LIMIT


def test_a_config_refuses_what_it_cannot_mean() -> None:
    with pytest.raises(ValueError, match=r"must be 'failed', 'all' or 'off', got 'al'"):
        AstrumConfig(task_logs="al")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="capture_print needs logs"):
        AstrumConfig(task_logs="off", capture_print=True)
    with pytest.raises(ValueError, match="task_logs_limit"):
        AstrumConfig(task_logs_limit=0)
