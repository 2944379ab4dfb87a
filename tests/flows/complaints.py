"""Flows for the loudest complaints about task queues."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

from astrum import F, Ref, task
from tests.flows.resilience import folder, note, released

MIB = 1024 * 1024
CHILDREN = 30


def _declare_child(number: int) -> None:
    @task(f"child{number}", namespace="fan")
    async def child(root: Ref[int, F("root")]) -> int:
        note()
        await asyncio.sleep(0.05)
        return root + number


@task("root", namespace="fan")
async def root() -> int:
    note()
    return 100


for _number in range(CHILDREN):
    _declare_child(_number)


@task("sink", namespace="fan", depends_on=[f"child{n}" for n in range(CHILDREN)])
async def sink(first: Ref[int, F("child0")], last: Ref[int, F(f"child{CHILDREN - 1}")]) -> int:
    note()
    return first + last


@task("blocks", namespace="blocking")
async def blocks() -> str:
    note()
    time.sleep(2.5)  # noqa: ASYNC251  what the complaint is about
    return "blocks"


@task("make_big", namespace="big")
def make_big() -> bytes:
    note()
    return bytes(range(256)) * (8 * MIB // 256)


@task("measure", namespace="big")
def measure(data: Ref[bytes, F("make_big")]) -> int:
    note()
    return len(data)


@task("too_big", namespace="too_big", retry=3)
def too_big() -> bytes:
    note()
    return b"x" * (65 * MIB)


@task("cleans_up", namespace="cancelled", retry=3)
async def cleans_up() -> None:
    note()
    try:
        await released("never")
    finally:
        (folder() / "cleaned").touch()


class Awkward(Exception):
    """Cannot be made again from its arguments, and holds what cannot be pickled."""

    def __init__(self, code: int, *, reason: str) -> None:
        super().__init__(f"{reason} ({code})")
        self.held = (line for line in Path(__file__).read_text())


@task("raises", namespace="awkward")
def raises() -> Any:
    note()
    raise Awkward(7, reason="the disk is full")
