"""How often the connections of a process to its server failed, and were opened again."""

from __future__ import annotations

from collections import Counter

from astrum.errors import (
    StoreConfigurationError,
    StoreError,
    StoreRefusesWritesError,
    StoreUnavailableError,
)
from astrum.runtime.metrics import Readings, counter

_KINDS: tuple[tuple[type[StoreError], str], ...] = (
    (StoreRefusesWritesError, "refuses_writes"),
    (StoreUnavailableError, "unavailable"),
    (StoreConfigurationError, "configuration"),
)
STORE_ERRORS = counter("astrum_store_errors_total", "Commands to the server that failed.", "kind")
RECONNECTS = counter(
    "astrum_store_reconnects_total", "Connections to the server that were opened again."
)
METRICS = (STORE_ERRORS, RECONNECTS)
OTHER_KIND = "other"
ERROR_KINDS = (*(name for _, name in _KINDS), OTHER_KIND)


def kind_of_error(error: StoreError) -> str:
    """Return one of the `ERROR_KINDS`.

    >>> kind_of_error(StoreUnavailableError("gone"))
    'unavailable'
    """
    return next((name for kind, name in _KINDS if isinstance(error, kind)), OTHER_KIND)


class ConnectionCounts:
    """Counts failed commands by kind, and connections that replaced another one."""

    def __init__(self) -> None:
        self.errors: Counter[str] = Counter(dict.fromkeys(ERROR_KINDS, 0))
        self.reconnects = 0

    def note_error(self, error: StoreError) -> None:
        """Count a command that failed."""
        self.errors[kind_of_error(error)] += 1

    def readings(self) -> Readings:
        """Return both counts."""
        return {
            STORE_ERRORS: {(kind,): self.errors[kind] for kind in ERROR_KINDS},
            RECONNECTS: {(): self.reconnects},
        }
