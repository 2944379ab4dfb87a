"""Counts of waiting and running attempts per queue, from streams and live workers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from astrum.protocol.records import StreamSize
from astrum.protocol.streams import Stream


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueState:
    """One queue at one moment.

    ``waiting`` attempts wait for a worker, the oldest for ``oldest_waiting_s`` (`None`: none
    waits); ``running`` are with one. ``workers`` are the live workers that listen to the queue.
    ``held_ready`` tasks wait for nothing but capacity and are with their coordinators, in no
    stream yet: with ``waiting`` they are the whole backlog, some seconds old.
    ``lanes`` has the same counts by kind of slot: "async", "thread", "exclusive".
    """

    queue: str
    waiting: int
    running: int
    oldest_waiting_s: float | None
    workers: tuple[str, ...]
    lanes: Mapping[str, StreamSize]
    held_ready: int = 0


def queue_states(
    sizes: Mapping[Stream, StreamSize],
    listens: Mapping[str, Collection[str]],
    held: Iterable[Mapping[str, int]] = (),
) -> list[QueueState]:
    """Return every queue that was used recently, is to be used or has a live worker, by name.

    ``listens`` has the queues that each live worker listens to, ``held`` what each coordinator
    holds ready by queue.
    """
    ready: Counter[str] = Counter()
    for counts in held:
        ready.update(counts)
    names = {stream.queue for stream in sizes} | {q for queues in listens.values() for q in queues}
    found = [_queue_state(name, sizes, listens) for name in sorted(names | ready.keys())]
    return [replace(one, held_ready=ready[one.queue]) for one in found]


def _queue_state(
    name: str, sizes: Mapping[Stream, StreamSize], listens: Mapping[str, Collection[str]]
) -> QueueState:
    lanes: dict[str, StreamSize] = {}
    for stream, size in sizes.items():
        if stream.queue == name:
            lanes[stream.lane] = _sum(lanes.get(stream.lane), size)
    ages = [size.oldest_s for size in lanes.values() if size.oldest_s is not None]
    return QueueState(
        queue=name,
        waiting=sum(size.waiting for size in lanes.values()),
        running=sum(size.held for size in lanes.values()),
        oldest_waiting_s=max(ages, default=None),
        workers=tuple(sorted(who for who, queues in listens.items() if name in queues)),
        lanes=lanes,
    )


def _sum(known: StreamSize | None, size: StreamSize) -> StreamSize:
    """Return the size of several streams of one lane together."""
    if known is None:
        return size
    ages = [age_s for age_s in (known.oldest_s, size.oldest_s) if age_s is not None]
    waiting, held = known.waiting + size.waiting, known.held + size.held
    return StreamSize(waiting, held, max(ages, default=None))
