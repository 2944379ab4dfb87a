"""Every attempt of a worker has one end, whatever comes out of its code and whatever goes wrong."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from astrum.data_transport.bindings import TaskInputs
from astrum.execution.invoke import BoundTask, Invoker
from astrum.machine.events import Outcome
from astrum.machine.failure import UNDESCRIBED
from astrum.protocol.messages import Record, decode_entry, encode_entry
from astrum.protocol.task_message import TaskMessage
from astrum.redis import Claim, RedisSettings, ServerLossDetector, Settlement, Verdict
from astrum.redis.server_clock import ServerClock
from astrum.values.arguments import NO_ARGUMENTS
from astrum.values.codec import Codec
from astrum_worker.config import WorkerConfig
from astrum_worker.context import WorkerContext
from astrum_worker.running.attempts import Attempts
from astrum_worker.running.catalog import Served
from astrum_worker.running.claim_reader import Runnable
from astrum_worker.running.claimed import Phase
from astrum_worker.running.executor import AttemptExecutor
from astrum_worker.running.slots import Slots
from astrum_worker.running.task_logs import TaskLogs
from astrum_worker.settling.settler import Settler
from astrum_worker.upkeep.hung_tasks import HungTasks


class Bench:
    """One worker's attempts and their way out; the server is a list of rows."""

    def __init__(self) -> None:
        self.rows: list[Record] = []
        self.clock = ServerClock()
        store: Any = SimpleNamespace(
            worker_id="w", settle=self.settle, loss=ServerLossDetector(), clock=self.clock
        )
        config = WorkerConfig(modules=("m",), redis=RedisSettings())
        self.context = context = WorkerContext(store, config)
        self.invoker = Invoker(2)
        self.settler = Settler(context)
        nothing: Any = None
        self.attempts = Attempts(
            context,
            self._intake(),
            AttemptExecutor(context, self.invoker, nothing, nothing),
            self.settler,
            {"async": Slots(9), "thread": Slots(2)},
            TaskLogs(context),
        )
        self.message: Any = None
        self.served: Any = None

    def _intake(self) -> Any:
        return SimpleNamespace(read=lambda _: Runnable(self.message, self.served))

    async def settle(self, _: str, __: str, ends: Sequence[Settlement]) -> list[Verdict]:
        for end in ends:
            [record] = decode_entry(encode_entry([end.record]))
            assert isinstance(record, Record)
            self.rows.append(record)
        return [Verdict.SETTLED] * len(ends)

    def claim(
        self,
        function: Callable[..., Any],
        lane: Any = "async",
        timeout_s: float | None = None,
        entry_id: str = "1-0",
    ) -> None:
        """Let an attempt of a function come in."""
        fields = ("n", "t", "", 0, timeout_s, True, False, NO_ARGUMENTS)
        self.message = TaskMessage("r", 0, 1, 1, *fields)
        self.served = Served(BoundTask("t", function, TaskInputs(), lane), "", Codec())
        self.attempts.accept(lane, Claim("s", entry_id, b""))

    async def ended(self) -> Record:
        """Return the one end of the attempt, as the server has it."""
        async with asyncio.timeout(20):
            await self.attempts.wait_idle()
            await self.settler.flushed()
        [record] = self.rows
        return record


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = Bench()
    bench.settler.start()
    yield bench
    await bench.settler.stop()
    bench.invoker.close()


async def test_a_record_says_by_the_server_s_clock_when_it_ran_and_how_long_it_waited(
    bench: Bench,
) -> None:
    async def nothing() -> None: ...

    now = time.time()
    bench.clock.learn(now, now + 3600, now)
    bench.claim(nothing, entry_id=f"{(now + 3598) * 1000:.0f}-0")
    record = await bench.ended()
    assert now + 3600 <= record.started_at <= record.ended_at <= time.time() + 3600.01
    assert record.queued_ms >= 2000
    began_at = (now + 3598) + (record.queued_ms + record.prepared_ms) / 1000
    assert record.started_at == pytest.approx(began_at, abs=0.003)


KINDS = (
    BaseException("mine"),
    KeyboardInterrupt("mine"),
    SystemExit("mine"),
    GeneratorExit("mine"),
    asyncio.CancelledError("mine"),
    StopIteration("mine"),
    StopAsyncIteration("mine"),
    ValueError("cut \ud83d"),
    BaseExceptionGroup("mine", [KeyboardInterrupt()]),
)


def kind_of(error: BaseException) -> str:
    return type(error).__name__


@pytest.mark.parametrize("error", KINDS, ids=kind_of)
@pytest.mark.parametrize("way", ["async", "thread", "awaited"])
async def test_every_kind_of_exception_out_of_a_task_is_its_recorded_failure(
    bench: Bench, error: BaseException, way: str
) -> None:
    def raises() -> None:
        raise error

    async def raises_too() -> None:
        raise error

    async def awaits() -> None:
        future = asyncio.get_running_loop().create_future()
        if isinstance(error, StopIteration):
            raises()
        future.set_exception(error)
        await future

    function = {"thread": raises, "async": raises_too, "awaited": awaits}[way]
    bench.claim(function, "thread" if way == "thread" else "async")
    record = await bench.ended()
    assert record.outcome is Outcome.FAILED
    assert record.failure is not None
    assert type(error).__name__ in record.failure.traceback + record.failure.types[0]


async def test_a_task_that_cancels_itself_has_failed(bench: Bench) -> None:
    async def cancels_itself() -> None:
        job = asyncio.current_task()
        assert job is not None
        job.cancel()
        await asyncio.sleep(0)

    bench.claim(cancels_itself)
    record = await bench.ended()
    assert record.outcome is Outcome.FAILED
    assert record.failure is not None
    assert "not by Astrum" in record.failure.message
    assert "builtins.Exception" in record.failure.types  # a retry policy counts it


async def test_a_result_whose_serializer_exits_is_a_failure(bench: Bench) -> None:
    class Value(dict[str, int]):
        def __len__(self) -> int:
            raise SystemExit("no length")

        def __iter__(self) -> Any:
            raise SystemExit("no items")

    async def returns() -> Any:
        return Value()

    bench.claim(returns)
    assert (await bench.ended()).outcome is Outcome.FAILED


async def test_an_end_that_cannot_be_packed_is_recorded_without_its_description(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pack = bench.settler._seal.seal_row
    rows = iter([ValueError("no bytes")])

    def fails_once(*given: Any) -> bytes:
        for error in rows:
            raise error
        return pack(*given)

    monkeypatch.setattr(bench.settler._seal, "seal_row", fails_once)

    async def returns() -> int:
        return 1

    bench.claim(returns)
    record = await bench.ended()
    assert record.failure is not None
    assert record.failure.types == (UNDESCRIBED,)
    assert "could not be recorded; it is recorded as a failure" in caplog.text


async def test_a_held_attempt_that_does_not_run_is_ended_when_it_is_seen_twice(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """Each is a fault of Astrum's own; it heals itself and is logged."""

    async def returns() -> int:
        return 1

    bench.settler.settle = lambda *given: given[2].record  # type: ignore[method-assign]
    bench.claim(returns)
    await bench.attempts.wait_idle()
    [held] = bench.attempts.held()
    assert held.phase is Phase.ENDED
    del bench.settler.settle
    bench.attempts.end_forgotten()
    assert not bench.rows
    bench.attempts.end_forgotten()
    record = await bench.ended()
    assert record.failure is not None
    assert record.failure.types == (UNDESCRIBED,)
    assert "held here without being run" in caplog.text
    assert bench.attempts.held() == []


async def test_a_task_that_ignores_its_timeout_loses_its_slot_and_is_named(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    end = asyncio.Event()

    async def stays() -> None:
        while not end.is_set():
            try:
                await end.wait()
            except asyncio.CancelledError:
                continue

    bench.claim(stays, timeout_s=0.01)
    hung_tasks = HungTasks(bench.attempts, 0.01)
    async with asyncio.timeout(20):
        while bench.attempts.running_count:
            await hung_tasks.pass_once()
            await asyncio.sleep(0.01)
    record = await bench.ended()
    assert record.outcome is Outcome.TIMED_OUT
    assert "task 't' goes on though it was cancelled" in caplog.text
    assert bench.context.counters.hung == 1
    end.set()
