"""Work on large values leaves the event loop, and small values stay on it."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from astrum import AstrumConfig, DynamicScheduler, F, Ref, TaskOrder
from astrum.execution.attempt import AttemptContext
from astrum.execution.endings import AttemptResult
from astrum.execution.invoke import BoundTask, Invoker
from astrum.execution.large_values import Aside, is_large
from astrum.machine.events import Outcome
from astrum.planning.axes import Watch
from astrum.planning.build import NO_INPUTS
from astrum.protocol.sealing import Seal
from astrum.protocol.task_message import TaskMessage
from astrum.redis import Claim, RedisSettings
from astrum.values import BlobRef, Codec, encode_reference, pack_arguments, shrink
from astrum_worker.config import WorkerConfig
from astrum_worker.running.blobs import BlobCache
from astrum_worker.running.catalog import Served
from astrum_worker.running.claim_reader import Runnable
from astrum_worker.running.claimed import ClaimedAttempt
from astrum_worker.running.executor import AttemptExecutor
from astrum_worker.running.values import decode_arguments


@dataclass
class Box:
    content: Any


LARGE = [
    "x" * 100_000,
    b"x" * 100_000,
    list(range(3000)),
    {str(n): n for n in range(3000)},
    [["x" * 5000] for _ in range(20)],
    Box([Box(n) for n in range(2500)]),
    {"a": np.zeros(100_000)},
    [np.zeros(1000) for _ in range(20)],
    pd.DataFrame({"a": [1]}),
]
SMALL = [
    None,
    1,
    "x",
    b"x" * 1000,
    {"id": 7, "rows": [1, 2, 3]},
    Box({"a": (1, "x")}),
    np.zeros(3),
    [Box(n) for n in range(20)],
    print,
    lambda: 1,
    Box,
    threading,
]


@pytest.mark.parametrize("value", LARGE, ids=lambda value: type(value).__name__)
def test_a_large_value_is_known(value: Any) -> None:
    assert is_large(value)
    assert is_large([{"k": (value,)}])


@pytest.mark.parametrize("value", SMALL, ids=lambda value: type(value).__name__)
def test_a_small_value_is_known(value: Any) -> None:
    assert not is_large(value)


async def test_work_with_a_result_is_finished_in_spite_of_a_cancellation() -> None:
    aside, begun, go_on = Aside(name="test"), threading.Event(), threading.Event()

    def work() -> str:
        begun.set()
        go_on.wait(10)
        return threading.current_thread().name

    finishing = asyncio.create_task(aside.finish(work))
    await asyncio.to_thread(begun.wait, 10)
    finishing.cancel()
    await asyncio.sleep(0)
    assert not finishing.done()
    go_on.set()
    assert (await finishing).startswith("test")
    aside.close()


async def test_a_cancellation_leaves_work_that_has_no_result() -> None:
    aside, begun, go_on = Aside(name="test"), threading.Event(), threading.Event()

    def wait() -> None:
        begun.set()
        go_on.wait(10)

    running = asyncio.create_task(aside.run(wait))
    await asyncio.to_thread(begun.wait, 10)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    go_on.set()
    assert await aside.run(lambda: 7) == 7
    aside.close()


@pytest.mark.parametrize("way", ["run", "finish"])
async def test_work_that_never_returns_is_given_up_and_blocks_nothing(way: str) -> None:
    aside, go_on = Aside(name="test", patience_s=0.05), threading.Event()
    with pytest.raises(TimeoutError, match=r"took longer than 0\.05 s"):
        await getattr(aside, way)(lambda: go_on.wait(10))
    assert await aside.run(lambda: 7) == 7
    go_on.set()
    aside.close()


async def test_work_is_done_in_order_and_its_errors_come_back() -> None:
    aside, done = Aside(name="test"), list[int]()
    await asyncio.gather(*(aside.run(functools.partial(done.append, n)) for n in range(20)))
    assert done == list(range(20))
    with pytest.raises(ZeroDivisionError):
        await aside.finish(lambda: 1 / 0)
    aside.close()


async def test_the_types_of_large_arguments_are_checked_off_the_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names: dict[str, str] = {}
    real = __import__("astrum.execution.invoke", fromlist=["fitted"]).fitted

    def watched(value: Any, expected: Any) -> Any:
        names[str(expected)] = threading.current_thread().name
        return real(value, expected)

    monkeypatch.setattr("astrum.execution.invoke.fitted", watched)

    def rows() -> list[tuple[int, str]]:
        return [(number, "x") for number in range(5000)]

    async def large(value: Ref[list[tuple[int, str]], F(rows)]) -> int:
        return len(value)

    async def wrong(value: Ref[list, F(rows)], other: Ref[tuple[int, int], F(rows, 0)]) -> int:
        return 1

    async def small(value: Ref[tuple[int, str], F(rows, 0)]) -> int:
        return value[0]

    functions: list[tuple[str, Callable[..., Any]]] = [
        ("rows", rows),
        ("large", large),
        ("small", small),
        ("wrong", wrong),
    ]
    orders = [TaskOrder(name) for name, _ in functions]
    config = AstrumConfig(skip_type_check=False, allow_no_dir_definition=True)
    functions[0][1].__annotations__.pop("return")
    report = await DynamicScheduler(functions, orders, config=config).execute()
    assert report.task_return_set["large"] == 5000
    assert names["list[tuple[int, str]]"].startswith("astrum-task-values")
    assert names["tuple[int, str]"] == threading.main_thread().name
    assert any("got str 'x' instead of int at [1]" in line for line in report.error_summary)


class Watching(Codec):
    """A codec that notes in which thread it works."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: list[str] = []

    def encode(self, value: object, *, root: str = "result") -> bytes:
        self.threads.append(threading.current_thread().name.rpartition("-")[0])
        return super().encode(value, root=root)

    def decode(self, data: bytes | memoryview) -> Any:
        self.threads.append(threading.current_thread().name.rpartition("-")[0])
        return super().decode(data)


def served_by(codec: Codec) -> Served:
    return Served(BoundTask("make", print, NO_INPUTS, "thread"), "", codec)


async def test_a_worker_decodes_large_arguments_off_its_loop_and_small_ones_on_it() -> None:
    plain, codec, invoker = Codec(), Watching(), Invoker(name="test")
    big = shrink(plain.encode({"k": "x" * 300_000, "n": 7}))
    arguments = {
        "small": plain.encode({"n": 7}),
        "inflated": shrink(plain.encode("x" * 300_000)),
        "part": encode_reference(BlobRef("d" * 32, len(big), ("n",))),
    }

    async def fetch(run_id: str, digest: str) -> bytes:
        return big

    message = TaskMessage(
        "r", 0, 1, 1, "n", "make", "", 0, None, True, False, pack_arguments(arguments.items())
    )
    blobs = BlobCache(fetch, 10_000_000)
    got = await decode_arguments(message, served_by(codec), blobs, invoker.aside)
    assert got == {"small": {"n": 7}, "inflated": "x" * 300_000, "part": 7}
    assert codec.threads == ["", "test-values", "test-values"]
    invoker.close()


async def test_a_worker_encodes_a_large_result_off_its_loop_and_a_small_one_on_it() -> None:
    codec, invoker = Watching(), Invoker(name="test")
    config = WorkerConfig(modules=("m",), redis=RedisSettings())
    context: Any = SimpleNamespace(store=None, config=config, seal=Seal())
    nothing: Any = None
    executor = AttemptExecutor(context, invoker, BlobCache(nothing, 1), nothing)
    held = ClaimedAttempt(Claim("s", "1-0", b""), "async", 0, 1, AttemptContext("r", "make", 1))
    message = TaskMessage("r", 0, 1, 1, "n", "make", "", 0, None, True, False, b"\x90")
    runnable = Runnable(message._replace(watches=(Watch("length"),)), served_by(codec))
    for value in ([7], list(range(100_000))):
        result = AttemptResult(Outcome.SUCCEEDED, value, None, 1.0, 2.0)
        ending = await executor._encoded(held, runnable, result)
        assert ending.record.seen == (len(value),)
        data = ending.record.value if ending.blob is None else ending.blob.data
        assert Codec().decode(data or b"") == value
    assert codec.threads == ["", "test-values"]
    invoker.close()
