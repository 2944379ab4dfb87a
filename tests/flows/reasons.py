"""Flows whose tasks stand still in ways that `why` explains, until a test lets them continue."""

from __future__ import annotations

import time

from astrum import F, Ref, RetryPolicy, task, use_namespace
from tests.flows.resilience import executed, folder, note, released

with use_namespace("reasons"):

    @task("stands")
    async def stands() -> int:
        note()
        await released("stands")
        return 1

    @task("follows")
    async def follows(value: Ref[int, F("stands")]) -> int:
        return value


with use_namespace("reasons_of_queues"):

    @task("elsewhere", queue="gpu")
    async def elsewhere() -> None:
        note()


with use_namespace("reasons_of_retries"):

    @task("fails", retry=RetryPolicy(max_retries=1, delay=60.0))
    async def fails() -> None:
        raise ValueError("not today")


with use_namespace("reasons_of_losses"):

    @task("pays", on_lost="hold")
    async def pays() -> None:
        note()
        await released("pays")


with use_namespace("reasons_of_blocks"):

    @task("blocks")
    async def blocks() -> None:
        note()
        await executed("beside")
        while not (folder() / "blocks").exists():
            time.sleep(0.01)  # noqa: ASYNC251  it is to block the event loop

    @task("beside")
    async def beside() -> None:
        note()
        await released("beside")
