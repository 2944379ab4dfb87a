"""Counts of waiting and running attempts per queue, from streams and live workers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from astrum.protocol.pauses import NO_PAUSES, PauseKind, Pauses, PauseTarget
from astrum.protocol.records import StreamSize
from astrum.protocol.streams import Stream


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueState:
    """One queue at one moment.

    ``waiting`` attempts wait for a worker, the oldest for ``oldest_waiting_s`` (`None`: none
    waits); ``running`` are with one. ``workers`` are the live workers that listen to the queue.
    ``held_ready`` tasks wait for nothing but capacity and are with their coordinators, in no
    stream yet. ``backlog`` is both together: what the queue has and no worker has begun, some
    seconds old. ``demand`` is the backlog and what runs: the number that an autoscaler divides.
    Of a paused queue it is only what runs, and what other pauses hold back does not count.
    ``paused`` says who paused the queue and why, "" if it is not paused.
    ``lanes`` has the same counts by kind of slot: "async", "thread", "exclusive".
    """

    queue: str
    waiting: int
    running: int
    oldest_waiting_s: float | None
    workers: tuple[str, ...]
    lanes: Mapping[str, StreamSize]
    held_ready: int = 0
    backlog: int = 0
    demand: int = 0
    paused: str = ""


def queue_states(
    sizes: Mapping[Stream, StreamSize],
    listens: Mapping[str, Collection[str]],
    held: Iterable[Mapping[str, int]] = (),
    pauses: Pauses = NO_PAUSES,
    paused: Iterable[Mapping[str, int]] = (),
) -> list[QueueState]:
    """Return every queue that was used recently, is to be used or has a live worker, by name.

    ``listens`` has the queues that each live worker listens to, ``held`` what each coordinator
    holds ready by queue, ``pauses`` what operators have paused. ``paused`` has how much of what
    each coordinator holds is held back by pauses.
    """
    ready: Counter[str] = Counter()
    for counts in held:
        ready.update(counts)
    idle: Counter[str] = Counter()
    for counts in paused:
        idle.update(counts)
    names = {stream.queue for stream in sizes} | {q for queues in listens.values() for q in queues}
    names |= {pause.target.name for pause in pauses if pause.target.kind is PauseKind.QUEUE}
    found = [_queue_state(name, sizes, listens) for name in sorted(names | ready.keys())]
    return [_completed(one, ready[one.queue], idle[one.queue], pauses) for one in found]


def _completed(one: QueueState, held_ready: int, idle: int, pauses: Pauses) -> QueueState:
    pause = pauses.get(PauseTarget(PauseKind.QUEUE, one.queue))
    backlog = one.waiting + held_ready
    return replace(
        one,
        held_ready=held_ready,
        backlog=backlog,
        demand=one.running + (max(backlog - idle, 0) if pause is None else 0),
        paused="" if pause is None else str(pause),
    )


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
