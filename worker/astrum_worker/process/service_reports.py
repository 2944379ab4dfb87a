"""What a supervisor tells the service manager that started it."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from astrum.runtime.service_manager import READY, STOPPING, ServiceManager

if TYPE_CHECKING:
    from astrum.runtime.health import HealthSource

logger = logging.getLogger("astrum.worker")


class ServiceReports:
    """Says that the service is ready once each of its ``count`` processes has served."""

    def __init__(self, manager: ServiceManager, count: int) -> None:
        self._manager = manager
        self._count = count
        self._serving: set[int] = set()
        self._is_ready = False
        self._is_stopping = False

    def note_served(self, place: int) -> None:
        """Note that the process at a place serves."""
        self._serving.add(place)
        self._tell()

    def note_end(self, place: int) -> None:
        """Note that the process at a place has ended."""
        self._serving.discard(place)
        self._tell()

    def note_stop(self) -> None:
        """Note that all processes drain."""
        self._is_stopping = True
        self._tell()

    async def watch(self, health: HealthSource) -> None:
        """Say that the service is alive for as long as all its processes are, until cancelled.

        If one is not, nothing is said, and the service manager ends all and starts them again.
        """
        while self._manager.every_s is not None:
            if reasons := await health.live():
                logger.error("the service manager gets no sign of life: %s", "; ".join(reasons))
            else:
                self._manager.tell_alive()
            await asyncio.sleep(self._manager.every_s)

    def _tell(self) -> None:
        if self._is_stopping:
            self._manager.tell_status("draining", STOPPING)
            return
        becomes_ready = not self._is_ready and len(self._serving) == self._count
        self._is_ready |= becomes_ready
        text = f"{len(self._serving)} of {self._count} processes serve"
        self._manager.tell_status(text, *([READY] if becomes_ready else []))
