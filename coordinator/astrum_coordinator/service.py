"""Background loops with one shape: start, stop, and one pass that tests can call."""

from __future__ import annotations

import asyncio
import logging
import random
from contextlib import suppress
from typing import Any

from astrum.errors import StoreError, StoreUnavailableError

logger = logging.getLogger("astrum.coordinator")


class Backoff:
    """Growing, jittered waits for a server that does not answer: 50 ms to 2 s, for ever."""

    def __init__(self, first_s: float = 0.05, longest_s: float = 2.0) -> None:
        self._first_s = first_s
        self._longest_s = longest_s
        self.failures = 0

    def reset(self) -> None:
        """Forget earlier failures."""
        self.failures = 0

    async def wait(self) -> None:
        """Sleep for the next delay."""
        delay_s = min(self._first_s * 2 ** min(self.failures, 10), self._longest_s)
        self.failures += 1
        await asyncio.sleep(delay_s * random.uniform(0.5, 1.0))


async def end_task(task: asyncio.Task[Any]) -> None:
    """Cancel a task and wait for its end, however it ends.

    Who waits may be cancelled meanwhile, and is; that would be lost by suppressing the
    cancellation of the task.
    """
    task.cancel()
    await asyncio.wait([task])
    if not task.cancelled():
        task.exception()  # seen


class PeriodicService:
    """Calls `run_once` every ``every_s`` seconds; safe to start and stop twice.

    A store that cannot be reached or refuses only delays the next pass. Any other error is a
    fault of ours: it is logged with its traceback, and the loop goes on, since a dead loop would
    help nobody.
    """

    name = "service"

    def __init__(self, every_s: float) -> None:
        self._every_s = every_s
        self._hurry = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def run_once(self) -> None:
        """Do one pass."""
        raise NotImplementedError

    def start(self) -> None:
        """Begin the loop on the running event loop."""
        if self._task is None:
            self._task = asyncio.create_task(self._loop(), name=f"astrum-{self.name}")

    async def stop(self) -> None:
        """End the loop and wait for its end."""
        task, self._task = self._task, None
        if task is not None:
            await end_task(task)

    def hurry(self) -> None:
        """Make the next pass at once."""
        self._hurry.set()

    async def _loop(self) -> None:
        while True:
            try:
                await self.run_once()
            except StoreUnavailableError as error:
                logger.debug("%s: %s; the next pass tries again", self.name, error)
            except StoreError as error:
                logger.error("%s: %s; the next pass tries again", self.name, error)
            except Exception:
                logger.exception("%s: a pass failed; the loop goes on", self.name)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._every_s):
                    await self._hurry.wait()
            self._hurry.clear()
