"""Tasks with resources that write down what happens to them; the environment says how they behave.

``RESOURCE_LOG`` names the file that each event is appended to, with the id of the process.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator

from astrum import F, Ref, Resource, SchedulerRegistry

registry = SchedulerRegistry("resources")
kept: list[bytes] = []


class Pool:
    """What each process opens for itself."""


def note(what: str) -> None:
    with open(os.environ.get("RESOURCE_LOG", os.devnull), "a") as log:
        log.write(f"{os.getpid()} {what}\n")


if "NO_DB" not in os.environ:

    @registry.resource("settings")
    def settings() -> Iterator[str]:
        note("settings opened")
        yield "settings"
        note("settings closed")

    @registry.resource("db")
    async def db(settings: Ref[str, Resource("settings")]) -> AsyncIterator[Pool]:
        await asyncio.sleep(0.05)  # so that many attempts wait for it at once
        if os.environ.get("DB_FAILS"):
            raise ConnectionRefusedError("no database at db:5432")
        note("db opened")
        yield Pool()
        if os.environ.get("DB_HANGS"):
            note("db hangs")
            await asyncio.Event().wait()
        note("db closed")


@registry.task("plain")
async def plain() -> int:
    return os.getpid()


@registry.task("use")
async def use(db: Ref[Pool, Resource("db")]) -> tuple[int, bool]:
    return os.getpid(), type(db) is Pool


@registry.task("use_in_thread")
def use_in_thread(db: Ref[Pool, Resource("db")]) -> tuple[int, bool]:
    return os.getpid(), type(db) is Pool


@registry.task("grow")
async def grow(db: Ref[Pool, Resource("db")]) -> int:
    kept.append(b"x" * (300 * 1024 * 1024))
    return os.getpid()


@registry.task("wait")
def wait(db: Ref[Pool, Resource("db")]) -> int:
    note("waits")
    while not os.path.exists(os.environ["RESOURCE_LOG"] + ".go"):
        time.sleep(0.01)
    return os.getpid()


many = SchedulerRegistry("many")
if "NO_DB" not in os.environ:
    many.resource("settings")(settings)
    many.resource("db")(db)


def _declare(number: int) -> None:
    @many.task(f"use_{number}")
    async def use_it(db: Ref[Pool, Resource("db")]) -> int:
        return os.getpid()

    @many.task(f"read_{number}")
    def read_it(pid: Ref[int, F(f"use_{number}")], db: Ref[Pool, Resource("db")]) -> int:
        return pid


for _number in range(500):
    _declare(_number)
