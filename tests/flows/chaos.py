"""A grid of tasks that leave a trace of each execution, for faults to disturb.

Every execution appends a token to the file that ``ASTRUM_CHAOS_TOKENS`` names, and returns its
nonce with the nonces of the values that it was given: the audit of a run sees which execution
each value stems from.
"""

import asyncio
import json
import os
import random
import time
from typing import Any

from astrum import F, Ref, SchedulerRegistry, current_attempt

WIDTH, DEPTH = 40, 15
TOKENS_VARIABLE = "ASTRUM_CHAOS_TOKENS"

grid = SchedulerRegistry("grid")


def name_of(row: int, column: int) -> str:
    """Return the id of a task of the grid."""
    return f"t{row:02}_{column % WIDTH:02}"


def leave_token() -> str:
    """Append a line for this execution and return its nonce."""
    context, nonce = current_attempt(), os.urandom(6).hex()
    token = [context.run_id, context.task_id, context.attempt, os.getpid(), nonce, time.time()]
    file = os.open(os.environ[TOKENS_VARIABLE], os.O_APPEND | os.O_CREAT | os.O_WRONLY)
    try:
        os.write(file, json.dumps(token).encode() + b"\n")
    finally:
        os.close(file)
    return nonce


def _value(nonce: str, **upstream: dict[str, Any]) -> dict[str, Any]:
    return {"nonce": nonce, "from": {name: value["nonce"] for name, value in upstream.items()}}


def _pause_s() -> float:
    return 1.0 if random.random() < 0.02 else random.uniform(0.0, 0.2)


def _declare_first(column: int) -> None:
    @grid.task(name_of(0, column))
    async def first() -> dict[str, Any]:
        nonce = leave_token()
        await asyncio.sleep(_pause_s())
        return _value(nonce)


def _declare_async(row: int, column: int) -> None:
    left, right = name_of(row - 1, column), name_of(row - 1, column + 1)

    @grid.task(name_of(row, column), retry=1)
    async def then(
        a: Ref[dict[str, Any], F(left)], b: Ref[dict[str, Any], F(right)]
    ) -> dict[str, Any]:
        nonce = leave_token()
        await asyncio.sleep(_pause_s())
        if column == row and current_attempt().attempt == 1:
            raise RuntimeError("the first attempt of this task always fails")
        return _value(nonce, **{left: a, right: b})


def _declare_sync(row: int, column: int) -> None:
    left, right = name_of(row - 1, column), name_of(row - 1, column + 1)

    @grid.task(name_of(row, column))
    def then(a: Ref[dict[str, Any], F(left)], b: Ref[dict[str, Any], F(right)]) -> dict[str, Any]:
        nonce = leave_token()
        time.sleep(0.02)
        return _value(nonce, **{left: a, right: b})


for _column in range(WIDTH):
    _declare_first(_column)
    for _row in range(1, DEPTH):
        (_declare_sync if (_row + _column) % 8 == 7 else _declare_async)(_row, _column)
