"""Ends this worker in order because an operator asked for it."""

from __future__ import annotations

import logging
from collections.abc import Callable

from astrum.protocol.drains import DrainRequest
from astrum.runtime.exit_codes import ExitCode
from astrum_worker.supervisor_link import say_drains

logger = logging.getLogger("astrum.worker")


class Drain:
    """Calls ``stop`` with the exit code once, and tells the supervisor whether to replace it."""

    def __init__(self, stop: Callable[[int], None]) -> None:
        self._stop = stop
        self._has_begun = False

    def begin(self, request: DrainRequest) -> None:
        """Begin to drain; a request that is read again changes nothing."""
        if self._has_begun:
            return
        self._has_begun = True
        then = "a new process takes its place" if request.replace else "none takes its place"
        logger.info("this worker drains, as %s asked; %s", request.by or "an operator", then)
        say_drains(is_replaced=request.replace)
        self._stop(ExitCode.DONE)
