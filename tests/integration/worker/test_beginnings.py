"""Attempts between their claim and the first line of their code."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from types import FrameType, SimpleNamespace
from typing import Any

import pytest

from astrum.data_transport.bindings import TaskInputs
from astrum.execution.invoke import BoundTask, Invoker
from astrum.machine.events import Outcome
from astrum.protocol.task_message import TaskMessage
from astrum.redis import Claim, RedisSettings
from astrum.values.arguments import NO_ARGUMENTS
from astrum.values.codec import Codec
from astrum_worker.config import WorkerConfig
from astrum_worker.context import WorkerContext
from astrum_worker.running.attempts import Attempts
from astrum_worker.running.catalog import Served
from astrum_worker.running.claim_reader import Runnable
from astrum_worker.running.executor import AttemptExecutor
from astrum_worker.running.slots import Slots
from astrum_worker.running.task_logs import TaskLogs
from astrum_worker.settling.ending import Ending
from tests.eager import eager_tasks
from tests.eventually import eventually

ATTEMPTS = 3


class Outbox:
    """What a worker reports, and where it is forgotten at once."""

    def __init__(self) -> None:
        self.outcomes: dict[int, Outcome] = {}

    def knows(self, _: object) -> bool:
        return False

    def settle(
        self, _run: str, _claim: Claim, ending: Ending, done: Callable[[], None], _name: str
    ) -> None:
        self.outcomes[ending.record.task] = ending.record.outcome
        done()


class Reading:
    """Takes every claim for an attempt of one function, numbered in their order."""

    def __init__(self, function: Callable[[], Awaitable[None]]) -> None:
        self._served = Served(BoundTask("t", function, TaskInputs(), "async"), "", Codec())
        self._count = 0

    def read(self, _: Claim) -> Runnable:
        number, self._count = self._count, self._count + 1
        fields = ("n", "t", "", 0, None, True, False, NO_ARGUMENTS)
        return Runnable(TaskMessage("r", number, 1, 1, *fields), self._served)


class Bench:
    """The attempts of a worker, some of one function claimed, none begun."""

    def __init__(self, function: Callable[[], Awaitable[None]], slots: int = ATTEMPTS) -> None:
        self.outbox = Outbox()
        settler: Any = self.outbox
        reading: Any = Reading(function)
        nothing: Any = None
        store: Any = SimpleNamespace(worker_id="w")
        context = WorkerContext(store, WorkerConfig(modules=("m",), redis=RedisSettings()))
        self.attempts = Attempts(
            context,
            reading,
            AttemptExecutor(context, Invoker(), nothing, nothing),
            settler,
            {"async": Slots(slots)},
            TaskLogs(context),
        )
        for number in range(ATTEMPTS):
            self.attempts.accept("async", Claim("s", f"{number}-0", b""))


ran: list[int] = []


async def notes() -> None:
    ran.append(1)


@pytest.fixture(autouse=True)
def _nothing_ran_yet() -> None:
    ran.clear()


async def test_each_attempt_runs_in_an_asyncio_task_of_its_own_that_other_code_cannot_find() -> (
    None
):
    jobs: list[asyncio.Task[Any] | None] = []
    found: set[asyncio.Task[Any]] = set()

    async def notes_its_job() -> None:
        jobs.append(asyncio.current_task())
        found.update(asyncio.all_tasks())

    bench = Bench(notes_its_job)
    assert len(asyncio.all_tasks()) == 1  # this test; the attempts are hidden before they begin
    await bench.attempts.wait_idle()
    assert len(set(jobs)) == ATTEMPTS
    assert found.isdisjoint(jobs)


async def test_an_attempt_sees_no_context_variable_of_the_one_whose_slot_it_gets() -> None:
    request: ContextVar[str] = ContextVar("request", default="")
    seen: list[str] = []

    async def notes_the_request() -> None:
        seen.append(request.get())
        request.set(f"of attempt {len(seen)}")
        await asyncio.sleep(0)

    bench = Bench(notes_the_request, slots=1)
    assert bench.attempts.running_count == 1
    await eventually(lambda: len(bench.outbox.outcomes) == ATTEMPTS)
    assert seen == [""] * ATTEMPTS


async def test_on_a_loop_of_eager_tasks_no_attempt_begins_inside_the_end_of_another() -> None:
    inside: list[int] = []

    async def notes_how_deep_it_is() -> None:
        frame: FrameType | None = sys._getframe()
        depth = 0
        while frame is not None:
            depth += frame.f_code is notes_how_deep_it_is.__code__
            depth += frame.f_code is Attempts._close.__code__
            frame = frame.f_back
        inside.append(depth)

    with eager_tasks():
        bench = Bench(notes_how_deep_it_is, slots=1)
        assert not inside
        await eventually(lambda: len(bench.outbox.outcomes) == ATTEMPTS)
    assert inside == [1] * ATTEMPTS


async def test_an_attempt_that_others_settled_before_its_turn_does_not_run() -> None:
    bench = Bench(notes)
    assert bench.attempts.running_count == ATTEMPTS
    bench.attempts.revoke("r", [(1, 1)])
    await bench.attempts.wait_idle()
    assert len(ran) == ATTEMPTS - 1
    assert bench.outbox.outcomes == {0: Outcome.SUCCEEDED, 2: Outcome.SUCCEEDED}


async def test_attempts_that_a_drain_stops_before_their_turn_are_handed_back() -> None:
    bench = Bench(notes)
    bench.attempts.stop_all()
    await bench.attempts.wait_idle()
    assert bench.outbox.outcomes == dict.fromkeys(range(ATTEMPTS), Outcome.HANDED_BACK)
    assert not ran


async def test_attempts_that_were_handed_back_never_run() -> None:
    bench = Bench(notes)
    bench.attempts.hand_back_all()
    assert bench.outbox.outcomes == dict.fromkeys(range(ATTEMPTS), Outcome.HANDED_BACK)
    await asyncio.sleep(0.01)
    assert not ran


async def test_a_block_of_the_loop_outside_of_all_attempts_is_charged_to_none() -> None:
    attempts = Bench(notes).attempts
    assert len(attempts.running()) == ATTEMPTS
    assert attempts.running_in(None) is None


async def test_an_attempt_that_no_thread_began_in_time_is_handed_back_uncounted() -> None:
    bench = Bench(notes)
    for held in bench.attempts.running():
        bench.attempts._take_back(held)
    await bench.attempts.wait_idle()
    assert bench.outbox.outcomes == dict.fromkeys(range(ATTEMPTS), Outcome.NEVER_BEGAN)
    assert not ran


async def test_a_cancellation_stops_the_attempt_that_runs_and_none_that_has_ended() -> None:
    gate = asyncio.Event()

    async def third_waits() -> None:
        ran.append(1)
        if len(ran) == ATTEMPTS:
            await gate.wait()

    bench = Bench(third_waits)
    await eventually(lambda: len(ran) == ATTEMPTS)
    bench.attempts.revoke("r", [(0, 1), (2, 1)])
    await bench.attempts.wait_idle()
    assert bench.outbox.outcomes == {0: Outcome.SUCCEEDED, 1: Outcome.SUCCEEDED}
