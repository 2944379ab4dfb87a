"""A flag: this worker may hold claims that it does not know of."""

from __future__ import annotations

import asyncio


class Doubt:
    """Set when a claim's reply may have been lost, until the server's list has been compared.

    ``event`` is set while there is something to compare; the next pass then starts at once.
    """

    def __init__(self) -> None:
        self.event = asyncio.Event()
        self._is_raised = False

    def note(self) -> None:
        """Set the flag."""
        self._is_raised = True
        self.event.set()

    def take(self) -> bool:
        """Clear the flag and return whether it was set."""
        was_raised, self._is_raised = self._is_raised, False
        return was_raised
