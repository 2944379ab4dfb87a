"""A flag: this worker may hold claims that it does not know of."""

from __future__ import annotations

import asyncio


class Doubt:
    """Raised when a claim's reply may have been lost, until the server's list was compared.

    ``event`` is set while there is something to compare: it makes the next pass start at once.
    """

    def __init__(self) -> None:
        self.event = asyncio.Event()
        self._is_raised = False

    def note(self) -> None:
        """Raise it."""
        self._is_raised = True
        self.event.set()

    def take(self) -> bool:
        """Return whether it was raised since the last time."""
        was_raised, self._is_raised = self._is_raised, False
        return was_raised
