"""Flows whose tasks log and print."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
import traceback
import warnings
from pathlib import Path

from astrum import Each, F, Ref, current_attempt, task, use_namespace

FOLDER = Path(os.environ.get("ASTRUM_TEST_FOLDER", "."))
HOSTILE = "\x1b[2J \u202e </script> and\na second line"
LONG_LINES = 3_000
log = logging.getLogger("tests.logged")

with use_namespace("logged"):

    @task("flaky", retry=1)
    def flaky() -> int:
        number = current_attempt().attempt
        log.info("attempt %d begins", number)
        log.debug("not kept")
        if number == 1:
            raise ValueError("the first one fails")
        return number

    @task("quiet")
    async def quiet() -> int:
        return 1

    @task("talks")
    async def talks() -> None:
        log.info("from the task")
        # Python shows a warning once for each text.
        warnings.warn(f"from warnings of {current_attempt().run_id}", stacklevel=1)
        await asyncio.create_task(_nested())
        await asyncio.to_thread(log.warning, "from a thread")
        log.error(HOSTILE)

    async def _nested() -> None:
        log.info("from a nested task")

    @task("names")
    def names() -> list[str]:
        return ["a", "b"]

    @task("each")
    def each(name: Ref[str, Each("names")]) -> str:
        log.info("child %s", name)
        return name

    @task("all_of", on_failure="continue")
    def all_of(parts: Ref[list, F("each")]) -> int:
        for number in range(LONG_LINES):
            log.info("line %d %s", number, "x" * 80)
        return len(parts)


with use_namespace("logged_waiting"):

    @task("waits", retry=0)
    async def waits() -> int:
        log.info("began as %s", current_attempt().attempt_key)
        (FOLDER / f"{current_attempt().attempt}.began").touch()
        while not (FOLDER / "go on").exists():  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        log.info("goes on")
        return 1


with use_namespace("logged_prints"):

    async def _chatter(name: str) -> None:
        for number in range(20):
            print(name, end=" ")
            await asyncio.sleep(0)
            print(number)

    @task("left")
    async def left() -> None:
        await _chatter("left")

    @task("right")
    async def right() -> None:
        await _chatter("right")

    @task("in_thread")
    def in_thread() -> None:
        print("in_thread", 0)
        sys.stdout.write("without an end")


with use_namespace("logged_errors"):

    @task("shouts")
    def shouts() -> None:
        print("printed\nlines", file=sys.stderr)
        warnings.warn("a warning", stacklevel=1)
        try:
            raise KeyError("inner\nerror")
        except KeyError:
            log.exception("caught %s", HOSTILE, extra={"order": 17})
            traceback.print_exc()
        logging.getLogger("tests.other").info("bad arguments: %d", "x")


with use_namespace("logged_much"):
    for place in range(8):

        @task(f"much{place}", on_failure="continue")
        async def much() -> None:
            log.info("%s", "z" * 1_000)
            raise ValueError("no")


with use_namespace("logged_failing"):
    for place in range(6):

        @task(f"fails{place}", on_failure="continue")
        def fails() -> None:
            log.info("%s", "y" * 1_000)
            deadline = time.monotonic() + 20
            while not (FOLDER / "full").exists() and time.monotonic() < deadline:
                time.sleep(0.01)
            raise ValueError("no")
