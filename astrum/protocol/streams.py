"""The name of a stream of dispatched attempts, and the weights by which runs share a stream."""

from __future__ import annotations

from typing import NamedTuple

from astrum.planning.priorities import HIGHEST

LOWEST_RANK = 9


class Stream(NamedTuple):
    """One stream of dispatched attempts.

    ``offer`` is the offer of the workers that read the stream, for runs with the version policy
    "exact" ``<offer>.<code>``. ``urgent``: it carries the attempts with a priority above 0, and
    workers read it before the others.
    """

    queue: str
    lane: str
    offer: str = ""
    urgent: bool = False

    @property
    def is_rare(self) -> bool:
        """True if hardly any pool uses such a stream, so that workers read it only once it exists.

        >>> Stream("q", "async", "0ff3r").is_rare, Stream("q", "async", "0ff3r.c0d3").is_rare
        (False, True)
        """
        return self.urgent or "." in self.offer

    def rank(self, priority: int) -> int:
        """Return by how much a priority is below the best of this stream, from 0 to 9.

        >>> Stream("q", "async").rank(-2), Stream("q", "async", urgent=True).rank(9)
        (2, 0)
        """
        best = HIGHEST if self.urgent else 0
        return min(max(best - priority, 0), LOWEST_RANK)


def weight_of(rank: int) -> int:
    """Return the weight of a run in a stream: one priority more doubles it.

    >>> weight_of(0), weight_of(1), weight_of(9)
    (512, 256, 1)
    """
    return 1 << (LOWEST_RANK - rank)
