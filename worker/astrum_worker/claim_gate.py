"""The reasons for which a worker claims no attempts at the moment."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import Enum


class Reason(Enum):
    """A reason why this worker claims nothing at the moment."""

    DRAINING = "draining"
    NO_LEASE = "no_lease"
    UNREGISTERED = "unregistered"
    EXCLUSIVE = "exclusive"
    BACKLOG = "backlog"
    REPLACED = "replaced"


class ClaimGate:
    """Closed while there is any reason not to claim."""

    def __init__(self) -> None:
        self._reasons: set[Reason] = set()
        self._opened = asyncio.Event()
        self._opened.set()
        self._on_close: list[Callable[[], object]] = []
        self._before_claim: list[Callable[[], object]] = []

    def on_close(self, call: Callable[[], object]) -> None:
        """Call ``call`` each time a reason is added."""
        self._on_close.append(call)

    def before_claim(self, call: Callable[[], object]) -> None:
        """Call ``call`` before each claim; it may close the gate."""
        self._before_claim.append(call)

    @property
    def is_open(self) -> bool:
        """True if claiming is allowed."""
        return not self._reasons

    def lets_claim(self) -> bool:
        """Check again whether claiming is allowed; to be called right before a claim."""
        for call in self._before_claim:
            call()
        return self.is_open

    @property
    def reasons(self) -> list[str]:
        """The reasons why claiming is not allowed, as words for the status."""
        return sorted(reason.value for reason in self._reasons)

    def close(self, reason: Reason) -> None:
        """Forbid claiming until `open` is called for the same reason."""
        if reason not in self._reasons:
            self._reasons.add(reason)
            self._opened.clear()
            for call in self._on_close:
                call()

    def open(self, reason: Reason) -> None:
        """Remove a reason; others may remain."""
        self._reasons.discard(reason)
        if not self._reasons:
            self._opened.set()

    async def wait_open(self) -> None:
        """Wait until claiming is allowed."""
        await self._opened.wait()
