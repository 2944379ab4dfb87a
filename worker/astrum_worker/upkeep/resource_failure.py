"""Ends this worker in order because a resource cannot be opened, or broke while it was open."""

from __future__ import annotations

import logging
from collections.abc import Callable

from astrum.errors import ResourceError
from astrum.runtime.exit_codes import ExitCode
from astrum_worker.claim_gate import ClaimGate, Reason
from astrum_worker.supervisor_link import say_fails

logger = logging.getLogger("astrum.worker")


class ResourceFailure:
    """Stops claiming at once, and ends the worker with exit code 1 by ``stop``."""

    def __init__(self, gate: ClaimGate, stop: Callable[[int], None]) -> None:
        self._gate = gate
        self._stop = stop

    def end(self, error: ResourceError) -> None:
        """Begin to end the worker because of this error."""
        logger.error(
            "%s; this worker ends with exit code 1, and the attempts that need the resource are "
            "handed back for other workers",
            error,
            exc_info=error.__cause__,
        )
        say_fails()
        self._gate.close(Reason.DRAINING)
        self._stop(ExitCode.FAILED)
