"""Reports dead worker processes to the server: their tasks need not wait for their leases then."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from astrum.errors import AstrumError, StoreError

if TYPE_CHECKING:
    from astrum.protocol.process_end import ProcessEnd
    from astrum.redis import LeaseClient

logger = logging.getLogger("astrum.worker")

RETRY_S = 1.0
GIVE_UP_S = 10.0
"""A server that is silent for longer ends the lease by itself soon."""


class ProcessDeath(NamedTuple):
    """The end of a worker process that its parent has collected, and that left its lease behind."""

    pid: int
    worker_id: str
    end: ProcessEnd


class DeathReports:
    """Ends the lease of each worker that is reported dead, in a thread of its own.

    Nothing waits for the threads. They import what they need: most supervisors never do.
    ``connect`` returns a client for one thread, to be closed.
    """

    def __init__(self, connect: Callable[[], LeaseClient]) -> None:
        self._connect = connect
        self._threads: list[threading.Thread] = []

    def report(self, death: ProcessDeath) -> None:
        """Begin to report a death, if the worker was that very process."""
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        thread = threading.Thread(target=self._report, args=[death], name="astrum-death")
        thread.daemon = True
        self._threads.append(thread)
        thread.start()

    async def finish(self, within_s: float) -> None:
        """Wait for the reports under way, not longer than that."""
        deadline = time.monotonic() + within_s
        for thread in self._threads:
            await asyncio.to_thread(thread.join, max(deadline - time.monotonic(), 0.0))

    def _report(self, death: ProcessDeath) -> None:
        from astrum.protocol.records import pid_of

        if pid_of(death.worker_id) != death.pid:
            return
        try:
            client = self._connect()
            try:
                _end_lease(client, death)
            finally:
                client.close()
        except AstrumError as error:
            logger.info(
                "the death of worker %s could not be reported to the server: %s; its attempts run "
                "again when its lease ends",
                *(death.worker_id, error),
            )


def _end_lease(client: LeaseClient, death: ProcessDeath) -> None:
    """End the lease; try again for a while if the server does not answer."""
    give_up_at = time.monotonic() + GIVE_UP_S
    while True:
        try:
            if client.end_lease(death.worker_id, death.end):
                logger.info(
                    "worker %s was reported dead, so that others run what it held", death.worker_id
                )
            else:
                logger.debug("worker %s, which is dead, had left already", death.worker_id)
            return
        except StoreError:
            if time.monotonic() + RETRY_S > give_up_at:
                raise
        time.sleep(RETRY_S)
