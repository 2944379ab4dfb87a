"""Background loops with one shape: start, stop, and `run_once`, which tests can call."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

from astrum.errors import StoreError, StoreUnavailableError
from astrum.runtime.loops import end_task

logger = logging.getLogger("astrum.coordinator")


class PeriodicService:
    """Calls `run_once` every ``every_s`` seconds; safe to start and stop twice.

    A store that cannot be reached or refuses only delays the next pass. Any other error is a bug
    of Astrum: it is logged with its traceback, and the loop continues, since the coordinator
    cannot do without it.
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
                logger.exception("%s: a pass failed; the loop continues", self.name)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._every_s):
                    await self._hurry.wait()
            self._hurry.clear()
