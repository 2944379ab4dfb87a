"""Background loops with one shape: start, stop, and `run_once`, which tests can call."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from astrum.errors import StoreError, StoreUnavailableError
from astrum.runtime.loops import Backoff, end_task, hide

logger = logging.getLogger("astrum.worker")

Result = TypeVar("Result")


async def patiently(call: Callable[[], Awaitable[Result]]) -> Result:
    """Repeat a call until the store can be reached; other errors are raised."""
    backoff = Backoff()
    while True:
        try:
            return await call()
        except StoreUnavailableError:
            await backoff.wait()


class Service:
    """A loop that calls `run_once` again and again; safe to start and stop twice.

    A failing store only slows it down. Any other error is a bug of Astrum: it is logged with its
    traceback, and the loop continues, since the worker cannot do without it.
    """

    name = "service"

    def __init__(self) -> None:
        self._backoff = Backoff()
        self._task: asyncio.Task[None] | None = None

    async def run_once(self) -> None:
        """Do one pass; wait first if there is nothing to do."""
        raise NotImplementedError

    def start(self) -> None:
        """Begin the loop on the running event loop."""
        if self._task is None:
            self._task = asyncio.create_task(self._loop(), name=f"astrum-{self.name}")
            hide(self._task)

    async def stop(self) -> None:
        """End the loop and wait for its end."""
        task, self._task = self._task, None
        if task is not None:
            await end_task(task)

    async def _loop(self) -> None:
        while True:
            try:
                await self.run_once()
                self._backoff.reset()
            except StoreError as error:
                self._say(error)
                await self._backoff.wait()
            except Exception:
                logger.exception("%s: a pass failed; the loop continues", self.name)
                await self._backoff.wait()

    def _say(self, error: StoreError) -> None:
        level = logging.DEBUG if self._backoff.failures else logging.WARNING
        logger.log(level, "%s: %s; it is tried again until it works", self.name, error)


class PeriodicService(Service):
    """Does a pass every ``every_s`` seconds, or at once when ``hurry`` is set."""

    def __init__(self, every_s: float, *, hurry: asyncio.Event | None = None) -> None:
        super().__init__()
        self._every_s = every_s
        self._hurry = hurry or asyncio.Event()

    def hurry(self) -> None:
        """Make the next pass at once."""
        self._hurry.set()

    async def pass_once(self) -> None:
        """Do one pass, without waiting."""
        raise NotImplementedError

    async def run_once(self) -> None:
        """Wait until a pass is due, then do it."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._every_s * random.uniform(0.9, 1.1)):
                await self._hurry.wait()
        self._hurry.clear()
        await self.pass_once()
