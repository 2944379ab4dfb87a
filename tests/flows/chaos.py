"""A grid of tasks and a flow with children: they leave a trace of each execution, for faults.

Every execution appends a token to the file that ``ASTRUM_CHAOS_TOKENS`` names, and returns its
nonce with the nonces of the values that it was given: the audit of a run sees which execution
each value stems from.

``ASTRUM_CHAOS_CODE`` says which version of the code a process has: "a" is the first, "b" has other
bodies of some tasks, "c" has these and another parameter of some others.
"""

import asyncio
import json
import os
import random
import time
from pathlib import Path
from typing import Any

from astrum import Each, F, Ref, SchedulerRegistry, current_attempt

WIDTH, DEPTH = 40, 15
TOKENS_VARIABLE = "ASTRUM_CHAOS_TOKENS"
CODE_VARIABLE = "ASTRUM_CHAOS_CODE"
CODES = ("a", "b", "c")
CODE = os.environ.get(CODE_VARIABLE, "a")

grid = SchedulerRegistry("grid")


def name_of(row: int, column: int) -> str:
    """Return the id of a task of the grid."""
    return f"t{row:02}_{column % WIDTH:02}"


REWRITTEN = {name_of(row, column) for row in range(2, DEPTH, 4) for column in range(3, WIDTH, 8)}
EXTENDED = {name_of(5, column) for column in range(1, WIDTH, 8)}


def has_same_body(name: str, code: str, other: str) -> bool:
    """Tell whether a task has the same function in two versions of the code."""
    is_rewritten = name in REWRITTEN and (code == "a") != (other == "a")
    return has_same_parameters(name, code, other) and not is_rewritten


def has_same_parameters(name: str, code: str, other: str) -> bool:
    """Tell whether a task has the same parameters in two versions of the code."""
    return name not in EXTENDED or (code == "c") == (other == "c")


OBSTRUCTED = name_of(6, 0)
"""The task that fails while the file of `obstacle_of` its run is there."""


def obstacle_of(run_id: str, tokens: str | Path) -> Path:
    """Return the file that makes a task of a run fail."""
    return Path(f"{tokens}-obstacle-{run_id}")


def _meet_obstacle() -> None:
    context = current_attempt()
    if context.task_id == OBSTRUCTED:
        obstacle = obstacle_of(context.run_id, os.environ[TOKENS_VARIABLE])
        if obstacle.exists():
            raise RuntimeError(f"{obstacle} is in the way")


def leave_token() -> str:
    """Append a line for this execution and return its nonce."""
    context, nonce = current_attempt(), os.urandom(6).hex()
    who = (context.run_id, context.name, context.attempt, os.getpid())
    token = [*who, nonce, time.time(), CODE]
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
        _meet_obstacle()
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


def _declare_rewritten(row: int, column: int) -> None:
    left, right = name_of(row - 1, column), name_of(row - 1, column + 1)

    @grid.task(name_of(row, column), retry=1)
    async def then(
        a: Ref[dict[str, Any], F(left)], b: Ref[dict[str, Any], F(right)]
    ) -> dict[str, Any]:
        nonce = leave_token()
        await asyncio.sleep(_pause_s() / 2)
        if column == row and current_attempt().attempt == 1:  # the closure must have the same data
            raise RuntimeError("no task with this function is on the diagonal")
        return _value(nonce, **{left: a, right: b})


def _declare_extended(row: int, column: int) -> None:
    left, right = name_of(row - 1, column), name_of(row - 1, column + 1)

    @grid.task(name_of(row, column), retry=1)
    async def then(
        a: Ref[dict[str, Any], F(left)], b: Ref[dict[str, Any], F(right)], share: float = 0.5
    ) -> dict[str, Any]:
        nonce = leave_token()
        await asyncio.sleep(_pause_s() * share)
        return _value(nonce, **{left: a, right: b})


def _declare(row: int, column: int) -> None:
    name = name_of(row, column)
    if name in EXTENDED and CODE == "c":
        _declare_extended(row, column)
    elif name in REWRITTEN and CODE != "a":
        _declare_rewritten(row, column)
    elif (row + column) % 8 == 7:
        _declare_sync(row, column)
    else:
        _declare_async(row, column)


for _column in range(WIDTH):
    _declare_first(_column)
    for _row in range(1, DEPTH):
        _declare(_row, _column)


fan = SchedulerRegistry("fan")
CHILDREN = 400


@fan.task("numbers")
async def numbers() -> dict[str, Any]:
    """Return the list that the other tasks have children for."""
    return {**_value(leave_token()), "list": list(range(CHILDREN))}


@fan.task("child", retry=1)
async def child(
    number: Ref[int, Each(F("numbers", "list"))], made: Ref[dict[str, Any], F("numbers")]
) -> dict[str, Any]:
    """Check that the element is this child's own; some first attempts fail."""
    nonce, context = leave_token(), current_attempt()
    await asyncio.sleep(_pause_s())
    if number != context.index:
        raise RuntimeError(f"child {context.index} was given {number}")
    if number % 50 == 7 and context.attempt == 1:
        raise RuntimeError("the first attempt of this child always fails")
    return {**_value(nonce, numbers=made), "name": context.name}


@fan.task("then")
async def then(before: Ref[dict[str, Any], Each("child")]) -> dict[str, Any]:
    """Follow one child, without waiting for the others."""
    nonce, context = leave_token(), current_attempt()
    await asyncio.sleep(_pause_s())
    return {**_value(nonce, **{f"child[{context.index}]": before}), "name": context.name}


@fan.task("total")
async def total(
    children: Ref[list[dict[str, Any]], F("child")], ends: Ref[list[dict[str, Any]], F("then")]
) -> dict[str, Any]:
    """Gather all children; the value says which stood in which place."""
    nonce = leave_token()
    read = {f"child[{place}]": value for place, value in enumerate(children)}
    read |= {f"then[{place}]": value for place, value in enumerate(ends)}
    return _value(nonce, **read)
