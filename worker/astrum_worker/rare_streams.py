"""The streams that hardly any pool uses, as far as they are in use."""

from __future__ import annotations

from collections.abc import Iterable

from astrum.protocol.streams import Stream


class RareStreams:
    """Those of exact runs, which only workers with this very code read, and of urgent attempts.

    A read over several times as many streams takes longer for every attempt, so one is read only
    once it exists. A leader says when it begins to use one, and others are found at the server.
    """

    def __init__(self) -> None:
        self.known: frozenset[Stream] = frozenset()

    def add(self, streams: Iterable[Stream]) -> bool:
        """Read these streams from now on; return whether any of them is new."""
        known = self.known.union(streams)
        is_new = len(known) > len(self.known)
        if is_new:
            self.known = known  # a new object, by which `ClaimOrder` sees the change
        return is_new
