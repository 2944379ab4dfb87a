"""The streams that a worker reads, in the order in which it claims from them."""

from __future__ import annotations

from collections.abc import Sequence

from astrum.protocol.streams import Stream


def streams_of_lane(lane: str, queues: Sequence[str]) -> list[Stream]:
    """Return the streams of a lane, those of the earlier queues first.

    >>> streams_of_lane("async", ["high", "low"])
    [Stream(queue='high', lane='async', offer=''), Stream(queue='low', lane='async', offer='')]
    """
    return [Stream(queue, lane) for queue in queues]
