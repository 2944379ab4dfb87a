"""The name of a stream of dispatched attempts: queue, lane and offer."""

from __future__ import annotations

from typing import NamedTuple


class Stream(NamedTuple):
    """One stream of dispatched attempts.

    ``offer`` is the offer of the workers that read the stream, for runs with the version policy
    "exact" ``<offer>.<code>``.
    """

    queue: str
    lane: str
    offer: str = ""
