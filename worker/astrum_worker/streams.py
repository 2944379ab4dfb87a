"""The streams that a worker reads, in the order in which it claims from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from astrum.protocol.streams import Stream

_Item = TypeVar("_Item")

MANY_STREAMS = 50
"""More in a lane are announced with their cost."""


def offers_read(offers: Mapping[str, str], codes: Mapping[str, str]) -> list[tuple[str, ...]]:
    """Return for each namespace the offers that its streams name, from its offer and its code.

    The first has the runs that take any code with this offer, the second those that take this
    code alone.

    >>> offers_read({"billing": "0ff3r", "new": "0ther"}, {"billing": "c0d3"})
    [('0ff3r', '0ff3r.c0d3'), ('0ther',)]
    """
    return [
        (offer, f"{offer}.{codes[namespace]}") if codes.get(namespace) else (offer,)
        for namespace, offer in offers.items()
    ]


def streams_of_lane(
    lane: str,
    queues: Sequence[str],
    offers: Sequence[Sequence[str]],
    turn: int = 0,
    *,
    urgent: bool = False,
) -> list[Stream]:
    """Return the streams of a lane: those of the earlier queues first, in each one by namespace.

    ``offers`` are those of each namespace. Which namespace comes first changes with ``turn``, and
    after a round of all namespaces which of its streams does: one that always came first would be
    served alone while it has enough for the worker.

    >>> [f"{s.queue}/{s.offer}" for s in streams_of_lane("async", ["high", "low"], ["a", "b"], 1)]
    ['high/b', 'high/a', 'low/b', 'low/a']
    >>> [s.offer for s in streams_of_lane("async", ["high"], [("a", "a.code")], 1)]
    ['a.code', 'a']
    """
    rounds, first = divmod(turn, max(1, len(offers)))
    return [
        Stream(queue, lane, offer, urgent)
        for queue in queues
        for namespace in _rotated(offers, first)
        for offer in _rotated(namespace, rounds)
    ]


def turns_of(offers: Sequence[Sequence[str]]) -> int:
    """Return the number of turns after which the order of `streams_of_lane` repeats.

    >>> turns_of([("a", "a.code"), ("b", "b.code")]), turns_of([])
    (4, 1)
    """
    return max(1, len(offers) * max(map(len, offers), default=1))


def _rotated(items: Sequence[_Item], by: int) -> Sequence[_Item]:
    first = by % len(items) if items else 0
    return [*items[first:], *items[:first]]


def cost_of_streams(count: int) -> str:
    """Return what it costs to read so many streams in a lane, "" if they are not many.

    >>> cost_of_streams(50), cost_of_streams(60).partition(":")[0]
    ('', 'this worker reads 60 streams in each lane')
    """
    if count <= MANY_STREAMS:
        return ""
    return (
        f"this worker reads {count} streams in each lane: two for each namespace and "
        "queue. Each claim asks the server for all of them, which takes it about "
        f"{count} microseconds; workers with fewer modules or fewer queues cost it less"
    )
