"""The in-process host: the guarantees of local runs, shown by the order of events."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from astrum.data_transport.bindings import Binding, TaskInputs
from astrum.execution.in_process import InProcessOptions, run_in_process
from astrum.execution.invoke import AttemptContext, BoundTask, Flow, current_attempt
from astrum.execution.task_reuse import STARTS_AT_ONCE
from astrum.machine import Dispatch, ExecutionReport
from astrum.planning import Plan, RetryPolicy, TaskSpec
from astrum.planning.plan import Lane
from tests.eager import eager_tasks

Function = Callable[..., Any]


LONG_CHAIN = 3_000
"""More steps than Python allows calls within calls."""


class FlowBuilder:
    """A flow put together task by task, as planning would."""

    def __init__(self, *, limit: int | None = None) -> None:
        self._specs: list[TaskSpec] = []
        self._bound: dict[str, BoundTask] = {}
        self._limit = limit

    def add(
        self,
        task_id: str,
        function: Function,
        *,
        needs: Sequence[str] = (),
        inputs: TaskInputs | None = None,
        **spec: Any,
    ) -> None:
        inputs = inputs or TaskInputs()
        lane: Lane = "async" if asyncio.iscoroutinefunction(function) else "thread"
        sources = tuple(binding.source for binding in inputs.bindings)
        needed = tuple(dict.fromkeys((*needs, *sources)))
        self._specs.append(
            TaskSpec(task_id=task_id, needs=needed, bindings=inputs.bindings, lane=lane, **spec)
        )
        self._bound[task_id] = BoundTask(task_id, function, inputs, lane)

    def flow(self) -> Flow:
        return Flow(Plan("test", tuple(self._specs), concurrency_limit=self._limit), self._bound)

    async def run(self, **options: Any) -> ExecutionReport:
        return await run_in_process(self.flow(), InProcessOptions(**options))


def from_result(parameter: str | int, source: str, *path: str | int) -> TaskInputs:
    return TaskInputs(bindings=(Binding(parameter, source, path),))


async def nothing() -> None:
    pass


def statuses(report: ExecutionReport) -> dict[str, str]:
    return {stat.task_name: stat.status for stat in report.task_statistics}


# --- branches do not wait for each other -----------------------------------------------------


async def test_a_straggler_delays_only_its_own_dependents() -> None:
    flow = FlowBuilder()
    other_branch_is_done = asyncio.Event()
    order: list[str] = []

    async def straggler() -> None:
        await other_branch_is_done.wait()
        order.append("straggler")

    async def last_of_the_other_branch() -> None:
        order.append("other")
        other_branch_is_done.set()

    flow.add("straggler", straggler)
    flow.add("first", nothing)
    flow.add("after", nothing, needs=["straggler"])
    flow.add("second", nothing, needs=["first"])
    flow.add("third", last_of_the_other_branch, needs=["second"])
    report = await flow.run()
    assert report.execution_state == "completed"
    assert order == ["other", "straggler"]


async def test_a_task_that_waits_for_its_retry_delays_only_its_own_dependents() -> None:
    flow = FlowBuilder()
    order: list[str] = []

    async def flaky() -> None:
        attempt = current_attempt().attempt
        order.append(f"flaky {attempt}")
        if attempt == 1:
            raise ValueError("not yet")

    async def other() -> None:
        order.append("other")

    flow.add("flaky", flaky, retry=RetryPolicy(1, delay=0.05))
    flow.add("a", nothing)
    flow.add("b", nothing, needs=["a"])
    flow.add("other", other, needs=["b"])
    report = await flow.run()
    assert report.execution_state == "completed"
    assert order == ["flaky 1", "other", "flaky 2"]


async def test_sync_functions_run_beside_each_other_and_beside_the_loop() -> None:
    flow = FlowBuilder()
    all_are_in = threading.Barrier(3)
    threads: set[int] = set()

    def meets_the_others() -> None:
        threads.add(threading.get_ident())
        all_are_in.wait(10)

    async def meets_them_from_the_loop() -> None:
        await asyncio.to_thread(all_are_in.wait, 10)

    flow.add("one", meets_the_others)
    flow.add("two", meets_the_others)
    flow.add("async", meets_them_from_the_loop)
    report = await flow.run()
    assert report.execution_state == "completed"
    assert len(threads) == 2
    assert threading.get_ident() not in threads


async def test_a_chain_of_sync_functions_needs_few_threads() -> None:
    flow = FlowBuilder()
    names: set[str] = set()

    def note_thread() -> None:
        names.add(threading.current_thread().name)

    for number in range(50):
        needs = [str(number - 1)] if number else []
        flow.add(str(number), note_thread, needs=needs)
    await flow.run()
    assert len(names) == 1


# --- values ----------------------------------------------------------------------------------


async def test_values_go_from_result_to_parameter() -> None:
    flow = FlowBuilder()

    async def source() -> dict[str, Any]:
        return {"rows": [1, 2, 3]}

    def target(rows: list[int], last: int) -> int:
        return sum(rows) + last

    bindings = (Binding("rows", "source", ("rows",)), Binding(1, "source", ("rows", -1)))
    flow.add("source", source)
    flow.add(
        "target",
        lambda last, rows: target(rows, last),
        inputs=TaskInputs(bindings=(bindings[0], Binding(0, "source", ("rows", -1)))),
    )
    report = await flow.run()
    assert report.task_return_set == {"source": {"rows": [1, 2, 3]}, "target": 9}


async def test_a_field_that_is_not_there_fails_the_task_once_and_names_all_ends() -> None:
    flow = FlowBuilder()

    async def source() -> dict[str, int]:
        return {"amount": 1}

    async def target(x: int) -> None:
        raise AssertionError("it has no value to run with")

    flow.add("source", source)
    flow.add("target", target, inputs=from_result("x", "source", "price"), retry=RetryPolicy(3))
    report = await flow.run()
    assert report.execution_state == "failed"
    assert report.task_statistics[1].attempt_count == 1
    [line] = report.error_summary
    for word in ("'target'", "'x'", "'source'", "'price'", "'amount'"):
        assert word in line


async def test_a_property_that_raises_fails_the_task() -> None:
    class Broken:
        @property
        def rows(self) -> int:
            raise ZeroDivisionError("broken property")

    async def source() -> Broken:
        return Broken()

    async def target(x: int) -> None: ...

    flow = FlowBuilder()
    flow.add("source", source)
    flow.add("target", target, inputs=from_result("x", "source", "rows"))
    report = await flow.run()
    assert statuses(report) == {"source": "completed", "target": "failed"}
    assert "broken property" in report.error_summary[0]


async def test_check_wire_gives_every_reader_its_own_copy() -> None:
    given: list[Any] = []

    async def source() -> dict[str, list[int]]:
        return {"rows": [1, 2]}

    async def target(rows: list[int]) -> None:
        given.append(rows)

    for check_wire in (False, True):
        flow = FlowBuilder()
        given.clear()
        flow.add("source", source)
        for name in ("one", "two"):
            flow.add(name, target, inputs=from_result("rows", "source", "rows"))
        await flow.run(check_wire=check_wire)
        assert given == [[1, 2], [1, 2]]
        assert (given[0] is given[1]) is not check_wire


async def test_check_wire_finds_what_does_not_travel() -> None:
    async def source() -> Any:
        return {"lock": threading.Lock()}

    flow = FlowBuilder()
    flow.add("source", source, retry=RetryPolicy(2))
    assert (await flow.run()).execution_state == "completed"
    report = await flow.run(check_wire=True)
    assert report.execution_state == "failed"
    assert report.task_statistics[0].attempt_count == 1
    assert "lock" in report.error_summary[0]


# --- failure ---------------------------------------------------------------------------------


async def test_a_final_failure_cancels_what_runs_and_starts_nothing_new() -> None:
    flow = FlowBuilder()
    running = asyncio.Event()
    cleaned_up: list[int] = []

    async def long() -> None:
        running.set()
        try:
            await asyncio.Event().wait()
        finally:
            cleaned_up.append(current_attempt().attempt)

    async def breaks() -> None:
        await running.wait()
        raise ValueError("broken")

    flow.add("long", long, retry=RetryPolicy(3))
    flow.add("breaks", breaks)
    flow.add("next", nothing, needs=["long"])
    report = await flow.run()
    assert report.execution_state == "failed"
    assert statuses(report) == {"long": "cancelled", "breaks": "failed", "next": "cancelled"}
    assert cleaned_up == [1], "cancelled work is not tried again"
    assert report.error_summary == ["task 'breaks' failed: ValueError: broken"]


async def test_an_attempt_that_is_revoked_before_its_first_step_is_settled() -> None:
    flow = FlowBuilder()
    go = asyncio.Event()
    began: list[str] = []

    trace: ContextVar[int] = ContextVar("trace")

    async def succeeds() -> None:
        await go.wait()
        trace.set(1)  # so that its asyncio task does not go on with the dependent

    async def breaks() -> None:
        await go.wait()
        raise ValueError("in the same turn of the loop")

    async def dependent() -> None:
        began.append("dependent")

    async def starts_both() -> None:
        go.set()

    flow.add("succeeds", succeeds)
    flow.add("breaks", breaks)
    flow.add("go", starts_both)
    flow.add("dependent", dependent, needs=["succeeds"])
    report = await flow.run()
    assert report.execution_state == "failed"
    assert statuses(report)["dependent"] == "cancelled"
    assert began == []


async def test_dispatched_attempts_that_did_not_start_are_settled() -> None:
    flow = FlowBuilder()
    wide = STARTS_AT_ONCE * 3

    async def breaks() -> None:
        raise ValueError("at once")

    flow.add("breaks", breaks)
    for number in range(wide):
        flow.add(str(number), nothing)
    report = await flow.run()
    assert report.execution_state == "failed"
    assert report.successful_tasks < wide
    assert len(report.task_statistics) == wide + 1


async def test_a_revoked_sync_function_is_reported_and_abandoned() -> None:
    flow = FlowBuilder()
    running, told = threading.Event(), threading.Event()
    let_go = threading.Event()

    def long() -> None:
        attempt = current_attempt()
        running.set()
        let_go.wait(10)
        if attempt.cancelled:
            told.set()

    async def breaks() -> None:
        await asyncio.to_thread(running.wait, 10)
        raise ValueError("broken")

    flow.add("long", long)
    flow.add("breaks", breaks)
    report = await flow.run()
    assert statuses(report) == {"long": "cancelled", "breaks": "failed"}
    let_go.set()
    assert await asyncio.to_thread(told.wait, 10)


@pytest.mark.parametrize(
    "error", [SystemExit(3), asyncio.CancelledError("its own"), GeneratorExit("its own")]
)
@pytest.mark.parametrize("sync", [False, True])
async def test_any_exception_of_a_task_is_a_failure(error: BaseException, sync: bool) -> None:
    def raises() -> None:
        raise error

    async def raises_too() -> None:
        raise error

    flow = FlowBuilder()
    flow.add("exits", raises if sync else raises_too)
    report = await flow.run()
    assert statuses(report) == {"exits": "failed"}
    assert type(error).__name__ in report.error_summary[0]
    assert report.task_statistics[0].attempt_count == 1


async def test_stop_iteration_from_a_sync_function_is_a_failure() -> None:
    flow = FlowBuilder()
    flow.add("a", lambda: next(iter(())))
    report = await flow.run()
    assert "StopIteration" in report.error_summary[0]


async def test_retries_are_made_and_reported() -> None:
    def flaky() -> str:
        if current_attempt().attempt < 3:
            raise ValueError("not yet")
        return "ok"

    flow = FlowBuilder()
    flow.add("flaky", flaky, retry=RetryPolicy(2))
    report = await flow.run()
    assert report.task_return_set == {"flaky": "ok"}
    assert report.error_summary == [
        "task 'flaky' attempt 1 failed: ValueError: not yet; 1 retry left",
        "task 'flaky' attempt 2 failed: ValueError: not yet; 0 retries left",
    ]


# --- timeouts and cancellation ---------------------------------------------------------------


async def test_an_attempt_beyond_its_timeout_fails_and_may_be_retried() -> None:
    attempts: list[int] = []

    async def slow_once() -> None:
        attempts.append(current_attempt().attempt)
        if len(attempts) == 1:
            await asyncio.Event().wait()

    flow = FlowBuilder()
    flow.add("slow", slow_once, timeout_s=0.05, retry=RetryPolicy(1))
    report = await flow.run()
    assert report.execution_state == "completed"
    assert attempts == [1, 2]
    assert report.task_statistics[0].attempt_statistics[0].timed_out


async def test_a_sync_function_beyond_its_timeout_is_reported_and_abandoned() -> None:
    let_go, told = threading.Event(), threading.Event()

    def hangs() -> None:
        attempt = current_attempt()
        let_go.wait(10)
        if attempt.cancelled:
            told.set()

    flow = FlowBuilder()
    flow.add("hangs", hangs, timeout_s=0.05)
    report = await flow.run()
    assert "took longer than its 0.05 s" in report.error_summary[0]
    let_go.set()
    assert await asyncio.to_thread(told.wait, 10)


async def test_a_timeout_error_raised_by_the_user_is_not_a_timeout_of_the_attempt() -> None:
    async def raises() -> None:
        raise TimeoutError("the database did not answer")

    flow = FlowBuilder()
    flow.add("raises", raises, timeout_s=10.0)
    report = await flow.run()
    assert not report.task_statistics[0].attempt_statistics[0].timed_out
    assert "the database did not answer" in report.error_summary[0]


async def test_a_run_beyond_its_timeout_fails_and_cancels_what_runs() -> None:
    flow = FlowBuilder()
    flow.add("hangs", asyncio.Event().wait)
    report = await flow.run(timeout_s=0.05)
    assert report.execution_state == "failed"
    assert statuses(report) == {"hangs": "cancelled"}
    assert report.error_summary == ["the run took longer than its limit of 0.05 s"]


async def test_cancelling_the_caller_waits_for_clean_up_and_propagates() -> None:
    flow = FlowBuilder()
    running = asyncio.Event()
    told: list[str] = []

    async def long() -> None:
        running.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            told.append("cleaned up")

    flow.add("long", long)
    flow.add("next", nothing, needs=["long"])
    run = asyncio.create_task(flow.run())
    await running.wait()
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert told == ["cleaned up"]


async def test_cancelling_twice_returns_at_once() -> None:
    flow = FlowBuilder()
    running, cleaning, let_go = asyncio.Event(), asyncio.Event(), asyncio.Event()
    ended = asyncio.Event()

    async def stubborn() -> None:
        running.set()
        try:
            await asyncio.Event().wait()
        finally:
            cleaning.set()
            await let_go.wait()
            ended.set()

    flow.add("stubborn", stubborn)
    run = asyncio.create_task(flow.run())
    await running.wait()
    run.cancel()
    await cleaning.wait()
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert not ended.is_set()
    let_go.set()
    await ended.wait()


async def test_cancelling_before_anything_ran_propagates() -> None:
    flow = FlowBuilder()
    for number in range(STARTS_AT_ONCE * 2):
        flow.add(str(number), asyncio.Event().wait)
    run = asyncio.create_task(flow.run())
    await asyncio.sleep(0)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run


# --- limits, tails, sizes --------------------------------------------------------------------


@pytest.mark.parametrize("limit", [1, 3])
async def test_no_more_than_the_concurrency_limit_run_at_once(limit: int) -> None:
    flow = FlowBuilder(limit=limit)
    running = 0
    most = 0

    async def counts() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        for _ in range(5):  # long enough for the others to begin
            await asyncio.sleep(0)
        running -= 1

    for number in range(20):
        flow.add(str(number), counts)
    report = await flow.run()
    assert report.successful_tasks == 20
    assert most == limit


async def test_a_tail_is_not_awaited_and_still_ends() -> None:
    flow = FlowBuilder()
    let_go, ended = asyncio.Event(), asyncio.Event()

    async def tail() -> None:
        await let_go.wait()
        ended.set()

    flow.add("a", nothing)
    flow.add("tail", tail, needs=["a"], awaited=False)
    report = await flow.run()
    assert report.execution_state == "completed"
    assert report.tail_tasks == ["tail"]
    assert not ended.is_set()
    let_go.set()
    await ended.wait()


async def test_a_sync_tail_leaves_no_thread_behind() -> None:
    flow = FlowBuilder()
    began, let_go = threading.Event(), threading.Event()
    workers: list[threading.Thread] = []

    def tail() -> None:
        workers.append(threading.current_thread())
        began.set()
        let_go.wait(10)

    flow.add("a", lambda: None)
    flow.add("tail", tail, needs=["a"], awaited=False)
    await flow.run()
    let_go.set()
    await asyncio.to_thread(began.wait, 10)
    await asyncio.to_thread(workers[0].join, 10)
    assert not workers[0].is_alive()


async def test_a_chain_of_ten_thousand_needs_no_recursion() -> None:
    flow = FlowBuilder()
    for number in range(10_000):
        flow.add(str(number), nothing, needs=[str(number - 1)] if number else [])
    report = await flow.run()
    assert report.successful_tasks == 10_000
    assert report.total_stages == 10_000


async def test_ten_thousand_tasks_at_once_let_the_loop_run_others() -> None:
    flow = FlowBuilder()
    turns: list[int] = []
    ran = 0

    async def counts() -> None:
        nonlocal ran
        ran += 1

    for number in range(10_000):
        flow.add(str(number), counts)
    run = asyncio.create_task(flow.run())
    while not run.done():
        turns.append(ran)
        await asyncio.sleep(0)
    assert (await run).successful_tasks == 10_000
    assert max(b - a for a, b in pairwise(turns)) <= STARTS_AT_ONCE


async def test_an_empty_flow_is_completed() -> None:
    report = await FlowBuilder().run()
    assert (report.execution_state, report.total_tasks) == ("completed", 0)


# --- what a task sees ------------------------------------------------------------------------


async def test_context_variables_come_from_the_caller_and_stay_inside_a_task() -> None:
    variable: ContextVar[str] = ContextVar("variable", default="unset")
    seen: dict[str, str] = {}

    async def sets() -> None:
        seen["async"] = variable.get()
        variable.set("from a task")

    def sets_too() -> None:
        seen["sync"] = variable.get()
        variable.set("from a thread")

    async def reads() -> None:
        seen["dependent"] = variable.get()

    flow = FlowBuilder()
    flow.add("async", sets)
    flow.add("sync", sets_too)
    flow.add("dependent", reads, needs=["async"])
    variable.set("from the caller")
    await flow.run()
    assert seen == dict.fromkeys(("async", "sync", "dependent"), "from the caller")
    assert variable.get() == "from the caller"


async def test_the_current_attempt_has_keys_for_the_task_and_for_itself() -> None:
    seen: list[AttemptContext] = []

    def flaky() -> None:
        seen.append(current_attempt())
        if len(seen) == 1:
            raise ValueError("once")

    flow = FlowBuilder()
    flow.add("flaky", flaky, retry=RetryPolicy(1))
    await flow.run(run_id="r1")
    first, second = seen
    assert (first.run_id, first.task_id, first.attempt, first.max_retries) == ("r1", "flaky", 1, 1)
    assert first.idempotency_key == second.idempotency_key == "r1/flaky"
    assert (first.attempt_key, second.attempt_key) == ("r1/flaky/1", "r1/flaky/2")


async def test_an_observer_gets_every_event_with_its_commands() -> None:
    seen: list[tuple[str, list[str]]] = []

    class Observer:
        def observe(self, state: Any, event: Any, commands: Any) -> None:
            seen.append((type(event).__name__, [type(c).__name__ for c in commands]))

    flow = FlowBuilder()
    flow.add("a", nothing)
    flow.add("b", nothing, needs=["a"])
    await flow.run(observer=Observer())
    assert seen == [
        ("NoneType", [Dispatch.__name__]),
        ("AttemptSettled", ["Dispatch"]),
        ("AttemptSettled", ["Finish"]),
    ]


async def test_starts_ends_and_retries_are_logged_unless_silent(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "astrum.run")

    async def flaky() -> None:
        if current_attempt().attempt == 1:
            raise ValueError("not yet")

    flow = FlowBuilder()
    flow.add("flaky", flaky, retry=RetryPolicy(1))
    await flow.run()
    assert caplog.messages == []
    seen: list[object] = []

    class Observer:
        def observe(self, state: Any, event: Any, commands: Any) -> None:
            seen.append(event)

    await flow.run(silence=False, observer=Observer())
    start, retried, again, done = caplog.messages
    assert start == "task flaky: attempt 1 starts"
    assert "ValueError: not yet; it is tried again" in retried
    assert again == "task flaky: attempt 2 starts"
    assert done.startswith("task flaky: done in")
    assert len(seen) == 3


# --- the process -----------------------------------------------------------------------------

PROLOGUE = """
import asyncio, sys, threading
from astrum.data_transport.bindings import TaskInputs
from astrum.execution.in_process import InProcessOptions, run_in_process
from astrum.execution.invoke import BoundTask, Flow
from astrum.planning import Plan, TaskSpec

def run(function, lane, **spec):
    plan = Plan("test", (TaskSpec(task_id="a", lane=lane, **spec),))
    flow = Flow(plan, {"a": BoundTask("a", function, TaskInputs(), lane)})
    return asyncio.run(run_in_process(flow, InProcessOptions()))
"""


def run_script(script: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", PROLOGUE + script]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def test_a_hung_sync_function_does_not_keep_the_process_alive() -> None:
    began = time.monotonic()
    ended = run_script(
        "print(run(lambda: threading.Event().wait(), 'thread', timeout_s=0.05).execution_state)"
    )
    assert ended.stdout == "failed\n"
    assert ended.returncode == 0
    assert time.monotonic() - began < 25


def test_a_keyboard_interrupt_in_async_code_ends_the_process() -> None:
    """It may be Ctrl-C; in a thread it cannot be."""
    ended = run_script("""
async def later():
    raise KeyboardInterrupt
run(later, "async")
""")
    assert "KeyboardInterrupt" in ended.stderr
    assert ended.returncode != 0


async def test_the_time_of_planning_is_in_the_report() -> None:
    graph = FlowBuilder()
    graph.add("a", nothing)
    flow = replace(graph.flow(), planning_s=2.0)
    report = await run_in_process(flow, InProcessOptions())
    assert report.planning_duration == pytest.approx(2.0)
    assert report.total_duration >= 2.0


@pytest.mark.parametrize("waits", [0, 1])
async def test_a_loop_of_eager_tasks_runs_a_long_chain(waits: int) -> None:
    if waits and sys.version_info < (3, 12):
        pytest.skip("the eager tasks of these tests cannot wait before Python 3.12")

    async def step(*_: int) -> int:
        for _turn in range(waits):
            await asyncio.sleep(0)
        return 1

    builder = FlowBuilder()
    builder.add("t0", step)
    for number in range(1, LONG_CHAIN):
        builder.add(f"t{number}", step, inputs=from_result(0, f"t{number - 1}"))
    for number in range(LONG_CHAIN):
        builder.add(f"beside{number}", step)
    with eager_tasks():
        report = await builder.run()
    assert report.error_summary == []
    assert report.successful_tasks == 2 * LONG_CHAIN
