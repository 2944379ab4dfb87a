"""The streams of each claim of a lane, in the order in which it takes from them."""

from __future__ import annotations

from collections.abc import Sequence

from astrum.protocol.streams import Stream
from astrum_worker.context import WorkerContext

ORDINARY_FIRST_EVERY = 16
"""One claim of so many begins with the streams of ordinary attempts, so that they never starve."""


class ClaimOrder:
    """Gives the streams of one claim after another: those of urgent attempts first, mostly."""

    def __init__(self, context: WorkerContext, lane: str) -> None:
        self._context = context
        self._lane = lane
        self._known = context.rare_streams.known
        self._claims = 0
        self._sort()

    def next(self) -> Sequence[Stream]:
        """Return the streams of the next claim."""
        if self._context.rare_streams.known is not self._known:
            self._sort()
        claim, self._claims = self._claims, self._claims + 1
        rounds, place = divmod(claim, ORDINARY_FIRST_EVERY)
        # Each of the two orders has turns of its own: else one namespace might always be the first
        # among the ordinary streams of these claims.
        if place == ORDINARY_FIRST_EVERY - 1:
            return self._ordinary_first[rounds % len(self._ordinary_first)]
        return self._urgent_first[claim % len(self._urgent_first)]

    def _sort(self) -> None:
        context, turns = self._context, range(self._context.turns)
        self._known = context.rare_streams.known
        self._urgent_first = [context.streams(self._lane, turn) for turn in turns]
        self._ordinary_first = [
            context.streams(self._lane, turn, ordinary_first=True) for turn in turns
        ]
