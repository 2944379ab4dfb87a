"""Flows for faults: tasks say that they were started, and wait until a test lets them continue."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

from astrum import Each, F, Ref, current_attempt, task, use_namespace


def folder() -> Path:
    """Return the folder through which a test and the tasks talk."""
    return Path(os.environ["ASTRUM_TEST_FOLDER"])


def note() -> str:
    """Append the name of this task, or child, to the executions, and return it."""
    name = current_attempt().name
    file = os.open(folder() / "executions", os.O_APPEND | os.O_CREAT | os.O_WRONLY)
    try:
        os.write(file, f"{name}\n".encode())
    finally:
        os.close(file)
    return name


async def released(name: str) -> None:
    """Wait until the test lets the task continue."""
    while not (folder() / name).exists():  # noqa: ASYNC110  the test is another process
        await asyncio.sleep(0.01)


with use_namespace("chain"):

    @task("first")
    async def first() -> str:
        return note()

    @task("middle")
    async def middle(before: Ref[str, F("first")]) -> str:
        note()
        await released("middle")
        return f"{before}-middle"

    @task("last")
    async def last(before: Ref[str, F("middle")]) -> str:
        note()
        return f"{before}-last"


with use_namespace("stuck"):

    @task("held")
    async def held() -> str:
        note()
        await released("held")
        return "held"

    @task("other")
    async def other() -> str:
        note()
        await released("other")
        return "other"


with use_namespace("thread"):

    @task("in_thread")
    def in_thread() -> str:
        note()
        while not (folder() / "in_thread").exists():
            time.sleep(0.01)
        return "in_thread"


with use_namespace("hangs"):

    @task("hangs", timeout=0.3)
    async def hangs() -> str:
        note()
        if current_attempt().attempt == 1:
            while not (folder() / "hangs").exists():
                time.sleep(0.01)  # noqa: ASYNC251  so that the worker cannot time it out
        return "hangs"


with use_namespace("timed"):

    @task("timed", timeout=0.3, retry=1)
    def timed() -> str:
        note()
        while current_attempt().attempt == 1 and not (folder() / "timed").exists():
            time.sleep(0.01)
        return "timed"


BESIDE = tuple(f"beside_{number}" for number in range(7))
"""With the task that kills, they take every place of two workers with four places each."""


async def executed(*names: str) -> None:
    """Wait until each of the tasks was started at least once."""
    while not set(names) <= set((folder() / "executions").read_text().split()):  # noqa: ASYNC110
        await asyncio.sleep(0.01)


with use_namespace("poison"):

    @task("kills")
    def kills() -> None:
        note()
        os.kill(os.getpid(), signal.SIGKILL)


with use_namespace("poison_beside"):

    @task("kills")
    async def kills_with_others() -> None:
        note()
        await executed(*BESIDE)
        os.kill(os.getpid(), signal.SIGKILL)


def _neighbour(name: str) -> None:
    @task(name, namespace="beside")
    async def neighbour() -> str:
        note()
        await executed("kills")
        await asyncio.sleep(1.5)  # so that the kill finds its neighbours at work
        return name


for _name in BESIDE:
    _neighbour(_name)


def _step(name: str, before: str) -> None:
    @task(name, namespace="steps")
    async def step(value: Ref[int, F(before)]) -> int:
        note()
        await asyncio.sleep(0.02)
        return value + 1


@task("s0", namespace="steps")
async def s0() -> int:
    note()
    return 0


STEPS = 100
for _number in range(1, STEPS):
    _step(f"s{_number}", f"s{_number - 1}")


SMALL, BIG, WAITING = 200, 4, 20
"""How many tasks of the busy flow return little, return much, and run when its test begins."""

with use_namespace("busy"):

    def make_waiting(number: int) -> None:
        @task(f"waiting-{number}")
        async def waiting() -> int:
            note()
            await released("ends")
            return number

    def make_big(number: int) -> None:
        @task(f"big-{number}")
        async def big() -> bytes:
            note()
            await released("big ends")
            return os.urandom(300_000)

    def make_small(number: int) -> None:
        @task(f"small-{number}", depends_on=["waiting-0"])
        async def small() -> int:
            note()
            await asyncio.sleep(0.01)
            return number

    @task("long")
    async def long() -> None:
        note()
        await released("long")

    for index in range(BIG):
        make_big(index)
    for index in range(WAITING):
        make_waiting(index)
    for index in range(SMALL):
        make_small(index)


CHILDREN = 8

with use_namespace("growing_fan"):

    @task("numbers")
    async def numbers() -> list[int]:
        note()
        await released("numbers")
        return list(range(CHILDREN))

    @task("parse", on_failure="continue")
    async def parse(number: Ref[int, Each("numbers")]) -> int:
        note()
        if number >= CHILDREN // 2:
            await released("parse")
        if (folder() / f"bad-{number}").exists():
            raise ValueError("in the way")
        return number * 10

    @task("total")
    async def total(parsed: Ref[list[int], F("parse")]) -> list[int]:
        note()
        return parsed


with use_namespace("tidy"):

    @task("make")
    async def make() -> str:
        return note()

    @task("work")
    async def work(name: Ref[str, F("make")]) -> None:
        note()
        await released("work")

    @task("clean", after=["work"], always=True)
    async def clean(name: Ref[str, F("make")]) -> str:
        note()
        await released("clean")
        return name
