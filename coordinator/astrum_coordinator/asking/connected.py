"""What the parts of a coordinator that ask and order have in common: its store."""

from __future__ import annotations

from abc import ABC, abstractmethod

from astrum_coordinator.context import CoordinatorContext
from astrum_coordinator.stored_runs import StoredRuns


class Connected(ABC):
    """A part of a coordinator that reads and writes the store."""

    @property
    @abstractmethod
    def _context(self) -> CoordinatorContext:
        """The store and what belongs to it."""

    @property
    @abstractmethod
    def _stored(self) -> StoredRuns:
        """The reader of plans and headers."""
