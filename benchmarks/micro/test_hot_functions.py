"""The pure functions that every task passes through: codec, messages, projection, brain, planner.

``make bench-micro`` times them with pytest-benchmark; ``--benchmark-compare`` shows a change.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from astrum import DynamicScheduler, TaskOrder
from astrum.machine import Outcome, RunState, RunTimes, build_report
from astrum.machine.events import AttemptSettled, Dispatch
from astrum.planning import Plan, TaskSpec
from astrum.protocol.keys import Keys
from astrum.protocol.messages import Record, decode_entry, encode_entry, encode_record
from astrum.protocol.streams import Stream
from astrum.protocol.task_message import TaskMessage, decode_message, encode_message
from astrum.redis import Claim
from astrum.values.arguments import pack_arguments, unpack_arguments
from astrum.values.codec import Codec
from astrum.values.lists import join, split
from astrum.values.projection import project
from astrum_worker.attempt_metrics import AttemptMetrics

Measure = Callable[..., Any]
TASKS = 2_000
ORDER = {"order_id": "A-001", "amount": 128, "lines": [{"sku": f"s{n}", "n": n} for n in range(20)]}
VALUES = {"none": None, "number": 7, "order": ORDER, "bytes": bytes(1024)}
CODEC = Codec()


@pytest.mark.parametrize("name", VALUES)
def test_encode_a_value(benchmark: Measure, name: str) -> None:
    assert benchmark(CODEC.encode, VALUES[name])


@pytest.mark.parametrize("name", VALUES)
def test_decode_a_value(benchmark: Measure, name: str) -> None:
    assert benchmark(CODEC.decode, CODEC.encode(VALUES[name])) == VALUES[name]


def test_project_a_field(benchmark: Measure) -> None:
    assert benchmark(project, CODEC.encode(ORDER), ("amount",)) == CODEC.encode(128)


def test_split_a_list_of_100_000(benchmark: Measure) -> None:
    data = CODEC.encode([{"id": n, "name": f"row {n}"} for n in range(100_000)])
    assert len(benchmark(split, data)) == 100_000


@pytest.mark.parametrize(("count", "size"), [(10_000, 1024), (100_000, 1)])
def test_split_a_list_and_join_its_items(benchmark: Measure, count: int, size: int) -> None:
    data = CODEC.encode(["x" * size] * count)
    assert benchmark(lambda: join(list(split(data)))) == data


def test_splice_arguments(benchmark: Measure) -> None:
    parts = [("a", CODEC.encode(ORDER)), ("b", CODEC.encode(7))]
    data = benchmark(lambda: pack_arguments(parts))
    assert unpack_arguments(data) == dict(parts)


def message() -> TaskMessage:
    return TaskMessage("run", 1, 1, 1, "space", "task", "f" * 16, 0, None, True, False, b"\x90")


def test_encode_a_task_message(benchmark: Measure) -> None:
    assert benchmark(encode_message, message())


def test_decode_a_task_message(benchmark: Measure) -> None:
    assert benchmark(decode_message, encode_message(message())).task_id == "task"


def records(count: int) -> bytes:
    return encode_entry(
        [
            encode_record(Record(n, 1, Outcome.SUCCEEDED, "worker", 1.0, 2.0, b"\xc0"))
            for n in range(count)
        ]
    )


def test_decode_a_journal_entry_of_a_hundred_records(benchmark: Measure) -> None:
    assert len(benchmark(decode_entry, records(100))) == 100


def wide_plan() -> Plan:
    return Plan("micro", tuple(TaskSpec(task_id=f"t{number}") for number in range(TASKS)))


def finished(plan: Plan) -> RunState:
    state = RunState(plan, run_key="micro")
    commands = state.start()
    for command in commands:  # grows while it is walked
        if isinstance(command, Dispatch):
            fact = AttemptSettled(command.task, command.attempt, Outcome.SUCCEEDED, 1.0, 1.0, 1.0)
            commands += state.handle(fact)
    return state


def test_decide_a_run_of_2000_tasks(benchmark: Measure) -> None:
    assert benchmark(finished, wide_plan()).finished == "completed"


def test_report_a_run_of_2000_tasks(benchmark: Measure) -> None:
    state = finished(wide_plan())
    report = benchmark(build_report, state, RunTimes(0.0, 0.0, 1.0), {})
    assert report.successful_tasks == TASKS


def test_plan_2000_tasks(benchmark: Measure) -> None:
    async def nothing() -> None: ...

    names = [f"t{number}" for number in range(TASKS)]
    tasks = [(name, nothing) for name in names]
    orders = [TaskOrder(name) for name in names]
    flow = benchmark(lambda: DynamicScheduler(tasks, orders).flow())
    assert len(flow.plan.tasks) == TASKS


@pytest.mark.parametrize("is_on", [True, False], ids=["on", "off"])
def test_count_an_attempt(benchmark: Measure, is_on: bool) -> None:
    key = Keys().queue(Stream("default", "async", "0ff3r"))
    claim = Claim(key, "1700000000000-0", bytes(300))
    metrics = AttemptMetrics(200, Keys().stream_of) if is_on else None
    end = Record(7, 1, Outcome.SUCCEEDED, "w", 100.0, 100.001, queued_ms=3, prepared_ms=1)

    def attempt() -> None:
        if metrics is not None:
            metrics.note_claim(claim)
        if metrics is not None:
            metrics.note_end("shop", "pay", key, end, 128)

    benchmark(attempt)
