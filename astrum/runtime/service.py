"""Background loops with one shape: start, stop, and one pass, which tests can call.

`Service.run_once` waits until there is work and does one pass. A `PeriodicService` has its pass
apart, in `pass_once`, which does not wait.
"""

from __future__ import annotations

import asyncio
import logging
import random
from contextlib import suppress

from astrum.errors import StoreError, StoreUnavailableError
from astrum.runtime.loops import Backoff, end_task, hide_like_caller

logger = logging.getLogger("astrum.service")


class Service:
    """A loop that calls `run_once` again and again; safe to start and stop twice.

    A failing store only slows it down. Any other error is a bug of Astrum: it is logged with its
    traceback, and the loop continues, since the process cannot do without it. If a task that is
    hidden from ``asyncio.all_tasks()`` starts the loop, the loop is hidden too.
    """

    name = "service"

    def __init__(self) -> None:
        self._backoff = Backoff()
        self._logged: set[str] = set()
        self._task: asyncio.Task[None] | None = None

    async def run_once(self) -> None:
        """Do one pass; wait first if there is nothing to do."""
        raise NotImplementedError

    def start(self) -> None:
        """Begin the loop on the running event loop."""
        if self._task is None:
            self._task = asyncio.create_task(self._loop(), name=f"astrum-{self.name}")
            hide_like_caller(self._task)

    async def stop(self) -> None:
        """End the loop and wait for its end."""
        task, self._task = self._task, None
        if task is not None:
            await end_task(task)

    def goes_on(self, error: Exception) -> bool:
        """Log an error of a pass; return whether the loop continues after a pause.

        Each message of the store is logged once until a good pass. So the log shows how an outage
        continues: a server that restarts is unreachable first, then it is loading its data.
        """
        if not isinstance(error, StoreError):
            logger.error("%s: a pass failed; the loop continues", self.name, exc_info=error)
            return True
        text = str(error)
        is_known = text in self._logged or self._is_reported_elsewhere(error)
        level = logging.DEBUG if is_known else logging.WARNING
        logger.log(level, "%s: %s; it is tried again until it works", self.name, text)
        self._logged.add(text)
        return True

    async def _loop(self) -> None:
        while True:
            try:
                await self.run_once()
            except Exception as error:
                if not self.goes_on(error):
                    return
                await self._pause()
            else:
                self._backoff.reset()
                self._logged.clear()

    def _is_reported_elsewhere(self, error: StoreError) -> bool:
        return False

    async def _pause(self) -> None:
        """Wait after a pass that failed."""
        await self._backoff.wait()


class PeriodicService(Service):
    """Does a pass at once and then every ``every_s`` seconds, or sooner when ``hurry`` is set.

    A pass that fails is tried again when the next one is due. An unreachable server is reported
    by the services that wait there all the time, so here it is only logged for debugging.
    """

    def __init__(self, every_s: float, *, hurry: asyncio.Event | None = None) -> None:
        super().__init__()
        self._every_s = every_s
        self._wait_s = 0.0
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
            async with asyncio.timeout(self._wait_s):
                await self._hurry.wait()
        self._wait_s = self._every_s * random.uniform(0.9, 1.1)
        self._hurry.clear()
        await self.pass_once()

    def _is_reported_elsewhere(self, error: StoreError) -> bool:
        return isinstance(error, StoreUnavailableError)

    async def _pause(self) -> None:
        """Do not wait: `run_once` does."""
