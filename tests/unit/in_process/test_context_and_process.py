"""Runs in process: context variables, observers, the log, and the process around the run."""

from __future__ import annotations

import logging
import subprocess
import sys
import time
from contextvars import ContextVar
from dataclasses import replace
from typing import Any

import pytest

from astrum.execution.attempt import AttemptContext, current_attempt
from astrum.execution.in_process import run_in_process
from astrum.execution.in_process_options import InProcessOptions
from astrum.machine import Dispatch
from astrum.planning import RetryPolicy
from tests.unit.in_process.flow_builder import (
    FlowBuilder,
    nothing,
)


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
from astrum.execution.in_process import run_in_process
from astrum.execution.in_process_options import InProcessOptions
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
