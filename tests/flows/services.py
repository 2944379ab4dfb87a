"""A flow as services start it: with inputs, a failure on request, and one that waits."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from astrum import F, Input, Ref, current_attempt, task, use_namespace

with use_namespace("billing"):

    @task("price")
    async def price(order: Ref[str, Input()], amount: Ref[int, Input()] = 1) -> int:
        if order == "broken":
            raise ValueError("no such order")
        return amount * 10

    @task("invoice", depends_on=["price"])
    async def invoice(
        order: Ref[str, Input()], price: Ref[int, F("price")], blob: Ref[int, Input()] = 0
    ) -> dict[str, object]:
        return {"order": order, "price": price, "blob": "x" * blob}


with use_namespace("waiting"):

    @task("first")
    async def first(folder: Ref[str, Input()]) -> str:
        return folder

    @task("second", depends_on=["first"])
    async def second(folder: Ref[str, F("first")]) -> int:
        current_attempt().progress(1, 2, "it waits for the file")
        while not (Path(folder) / "go").exists():  # noqa: ASYNC110  the test is another process
            await asyncio.sleep(0.01)
        return os.getpid()


with use_namespace("small_steps"):
    STEPS = 25
    for _number in range(STEPS):

        @task(f"s{_number}", depends_on=[f"s{_number - 1}"] if _number else [])
        async def step() -> int:
            await asyncio.sleep(0.1)
            return 0
