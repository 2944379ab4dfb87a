"""What a worker measures of its attempts, for `/metrics`.

The event loop writes, and the thread that answers a scrape reads: both only ever see whole numbers
and dicts that grow, and a value that is a moment old does no harm. An attempt costs one look-up by
task, one by stream, and five numbers.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence

from astrum.machine.events import Outcome
from astrum.protocol.messages import Record
from astrum.protocol.streams import Stream
from astrum.redis import Claim, Verdict
from astrum.runtime.metrics import (
    BYTES,
    MOST_NAMES,
    SECONDS,
    Metric,
    NameLimit,
    Readings,
    Value,
    counter,
    histogram,
    no_values,
)

ATTEMPTS = counter(
    "astrum_attempts_total",
    "Attempts that ended here, by how.",
    *("namespace", "task", "outcome"),
)
ATTEMPT_SECONDS = histogram(
    "astrum_attempt_seconds",
    "How long the code of attempts ran.",
    SECONDS,
    *("namespace", "task"),
)
QUEUE_SECONDS = histogram(
    "astrum_attempt_queue_seconds",
    "From the dispatch of an attempt until it had a slot of a worker.",
    SECONDS,
    *("queue", "lane"),
)
TRANSFER_SECONDS = histogram(
    "astrum_attempt_transfer_seconds",
    "How long the arguments of attempts were fetched and decoded.",
    SECONDS,
)
CLAIMS = counter("astrum_claims_total", "Attempts that this worker took.", "queue", "lane")
SETTLES = counter(
    "astrum_settles_total",
    "Ends of attempts that the server answered for: recorded, known, or too late.",
    "verdict",
)
PAYLOAD_BYTES = histogram(
    "astrum_payload_bytes",
    "The sizes of task messages that came in and of results that went out.",
    BYTES,
    "direction",
)

_OUTCOMES = tuple(outcome.name.lower() for outcome in Outcome)
_RAN = tuple(
    outcome in (Outcome.SUCCEEDED, Outcome.FAILED, Outcome.TIMED_OUT, Outcome.SKIPPED)
    for outcome in Outcome
)
_VERDICTS = {
    Verdict.SETTLED: "settled",
    Verdict.REPEATED: "repeated",
    Verdict.FENCED: "fenced",
}
# Integers are found faster among integers, and most are in the first bucket.
_MS = tuple(round(bound * 1000) for bound in SECONDS)
_SIZES = tuple(map(round, BYTES))
_FIRST_S, _FIRST_MS, _FIRST_SIZE = SECONDS[0], _MS[0], _SIZES[0]


class _TaskNumbers:
    """The ends of the attempts of one task by outcome, and how long its code ran."""

    __slots__ = ("ended", "took_s")

    def __init__(self) -> None:
        self.ended = [0] * len(Outcome)
        self.took_s = no_values(SECONDS)


class _StreamNumbers:
    """What was claimed from one queue and lane, and how many ms it had waited there."""

    __slots__ = ("claimed", "queued_ms")

    def __init__(self) -> None:
        self.claimed = 0
        self.queued_ms = _no_counts(_MS)


class AttemptMetrics:
    """Counts claims and ends of attempts.

    ``tasks`` is how many tasks have numbers of their own; with 0 there are only those of
    namespaces. ``stream_of`` reads the key of a stream.
    """

    def __init__(self, tasks: int, stream_of: Callable[[str], Stream]) -> None:
        self._has_tasks = tasks > 0
        self._names = NameLimit(tasks or MOST_NAMES)
        self._stream_of = stream_of
        # Each name leads to its own numbers, or to those of all names that came too late.
        self._tasks: dict[tuple[str, str], _TaskNumbers] = {}
        self._told_tasks: dict[tuple[str, ...], _TaskNumbers] = {}
        self._streams: dict[str, _StreamNumbers] = {}
        self._told_streams: dict[tuple[str, ...], _StreamNumbers] = {}
        self._transfer_ms = _no_counts(_MS)
        self._received = _no_counts(_SIZES)
        self._sent = _no_counts(_SIZES)
        self._verdicts = dict.fromkeys(_VERDICTS, 0)

    # --- on the way of each attempt ----------------------------------------------------------

    def note_claim(self, claim: Claim) -> None:
        """Count an attempt that this worker took."""
        numbers = self._streams.get(claim.stream) or self._new_stream(claim.stream)
        numbers.claimed += 1
        size, values = len(claim.data), self._received
        values[bisect_left(_SIZES, size) if size > _FIRST_SIZE else 0] += 1
        values[-1] += size

    def note_end(self, namespace: str, task_id: str, stream: str, end: Record, size: int) -> None:
        """Count the end of an attempt; the times of ``end`` are on the server's clock.

        ``stream`` is the key from which it was claimed, ``size`` the bytes of its result.
        """
        name = namespace, task_id
        numbers = self._tasks.get(name) or self._new_task(name)
        outcome = end.outcome
        numbers.ended[outcome] += 1
        if not (_RAN[outcome] and end.started_at):
            return
        took_s = end.ended_at - end.started_at
        long = numbers.took_s
        long[bisect_left(SECONDS, took_s) if took_s > _FIRST_S else 0] += 1
        long[-1] += took_s
        values = (self._streams.get(stream) or self._new_stream(stream)).queued_ms
        took_ms = end.queued_ms
        values[bisect_left(_MS, took_ms) if took_ms > _FIRST_MS else 0] += 1
        values[-1] += took_ms
        values = self._transfer_ms
        took_ms = end.prepared_ms
        values[bisect_left(_MS, took_ms) if took_ms > _FIRST_MS else 0] += 1
        values[-1] += took_ms
        if size:
            values = self._sent
            values[bisect_left(_SIZES, size) if size > _FIRST_SIZE else 0] += 1
            values[-1] += size

    def note_dropped(self, namespace: str, task_id: str) -> None:
        """Count an attempt that ended here because others have settled it."""
        name = namespace, task_id
        numbers = self._tasks.get(name) or self._new_task(name)
        numbers.ended[Outcome.CANCELLED] += 1

    def note_verdicts(self, verdicts: Sequence[Verdict]) -> None:
        """Count what the server answered to a batch of ends."""
        for verdict in _VERDICTS:
            self._verdicts[verdict] += verdicts.count(verdict)

    # --- the first time only -----------------------------------------------------------------

    def _new_task(self, name: tuple[str, str]) -> _TaskNumbers:
        told = self._names.of(name if self._has_tasks else (name[0], ""))
        numbers = self._told_tasks.setdefault(told, _TaskNumbers())
        self._tasks[name] = numbers  # no more names than the worker serves tasks
        return numbers

    def _new_stream(self, key: str) -> _StreamNumbers:
        stream = self._stream_of(key)
        told = stream.queue, stream.lane
        numbers = self._told_streams.setdefault(told, _StreamNumbers())
        self._streams[key] = numbers
        return numbers

    # --- for a scrape ------------------------------------------------------------------------

    def readings(self) -> Readings:
        """Return all values; safe to call from another thread."""
        tasks = list(self._told_tasks.items())
        streams = list(self._told_streams.items())
        return {
            ATTEMPTS: {
                (*name, outcome): count
                for name, numbers in tasks
                for outcome, count in zip(_OUTCOMES, numbers.ended, strict=True)
                if count
            },
            ATTEMPT_SECONDS: {
                name: tuple(numbers.took_s) for name, numbers in tasks if _has_any(numbers.took_s)
            },
            QUEUE_SECONDS: {
                name: _in_seconds(numbers.queued_ms)
                for name, numbers in streams
                if _has_any(numbers.queued_ms)
            },
            TRANSFER_SECONDS: {(): _in_seconds(self._transfer_ms)},
            CLAIMS: {name: numbers.claimed for name, numbers in streams},
            SETTLES: {(name,): self._verdicts[kind] for kind, name in _VERDICTS.items()},
            PAYLOAD_BYTES: {("in",): tuple(self._received), ("out",): tuple(self._sent)},
        }


METRICS: tuple[Metric, ...] = (
    *(ATTEMPTS, ATTEMPT_SECONDS, QUEUE_SECONDS, TRANSFER_SECONDS),
    *(CLAIMS, SETTLES, PAYLOAD_BYTES),
)


def _no_counts(bounds: Sequence[int]) -> list[int]:
    """Return a histogram without values, whose sum is an integer too."""
    return [0] * (len(bounds) + 2)


def _has_any(value: Sequence[float]) -> bool:
    return any(value[:-1])


def _in_seconds(value_ms: Sequence[float]) -> Value:
    *counts, sum_ms = value_ms
    return (*counts, sum_ms / 1000)
