"""The critical path of a run: the chain of attempts and waits that led to its end.

It is found backwards: from the attempt that ended last to what its task waited for longest, and so
on to the beginning. So its segments follow each other without a gap. All times are integer ms.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from astrum.view.report.needs import Needs, Span

MAX_GAINS = 10
MAX_SEGMENTS = 2_000
NO_ONE = -1


class PathAttempt(NamedTuple):
    """One attempt that has ended; ``number`` counts from 1 within its task."""

    task: int
    number: int
    queued_at: int
    claimed_at: int
    started_at: int
    ended_at: int
    is_lost: bool = False


class Segment(NamedTuple):
    """A part of the path; ``kind`` is "queued", "transfer", "run", "back-off", "lost" or "idle".

    It is "several" for many short ones together (`shortened`). ``task`` is -1 where no attempt is
    to blame, before the first one and after the last.
    """

    kind: str
    task: int
    attempt: int
    begin: int
    end: int


def shortened(path: Sequence[Segment], most: int = MAX_SEGMENTS) -> list[Segment]:
    """Return a path of at most about twice so many segments; short ones in a row become one.

    The chain of a run may have 100,000 tasks, which no one looks at one by one.
    """
    if len(path) <= most:
        return list(path)
    least = (path[-1].end - path[0].begin) / most
    found: list[Segment] = []
    short: list[Segment] = []
    for segment in path:
        if segment.end - segment.begin >= least:
            found += _joined(short)
            found.append(segment)
            short = []
            continue
        short.append(segment)
        if segment.end - short[0].begin >= least:
            found += _joined(short)
            short = []
    return found + _joined(short)


def _joined(segments: Sequence[Segment]) -> list[Segment]:
    if len(segments) < 2:
        return list(segments)
    return [Segment("several", NO_ONE, 0, segments[0].begin, segments[-1].end)]


class Gain(NamedTuple):
    """By how much the run would have ended sooner if a task had taken half the time."""

    task: int
    saves_ms: int


class CriticalPath:
    """Finds the path of a run that took ``duration`` ms.

    ``attempts`` are in the order in which they ended. Each task needs only tasks of lower
    ``levels``.
    """

    def __init__(
        self,
        attempts: Sequence[PathAttempt],
        needs: Sequence[Needs],
        levels: Sequence[int],
        duration: int,
    ) -> None:
        self._needs = needs
        self._duration = duration
        self._order = sorted(range(len(needs)), key=levels.__getitem__)
        self._attempts: dict[int, list[PathAttempt]] = {}
        for attempt in attempts:
            self._attempts.setdefault(attempt.task, []).append(attempt)
        self._ends = self._known_ends()

    def segments(self) -> list[Segment]:
        """Return the path from 0 to the run's end, in order; empty for a run of 0 ms."""
        last = max(self._attempts, key=self._ends.__getitem__, default=None)
        found: list[Segment] = []
        cursor = self._duration
        if last is not None and self._ends[last] < cursor:
            found.append(Segment("idle", NO_ONE, 0, self._ends[last], cursor))
            cursor = self._ends[last]
        while last is not None:
            for segment in self._of_task(last, cursor):
                found.append(segment)
                cursor = segment.begin
            before = self._last_needed(last)
            begin = 0 if before is None else min(self._ends[before], cursor)
            if begin < cursor:
                waiting = NO_ONE if before is None else last
                found.append(Segment("idle", waiting, 0, begin, cursor))
                cursor = begin
            last = before
        if cursor > 0:
            found.append(Segment("idle", NO_ONE, 0, 0, cursor))
        return found[::-1]

    def _of_task(self, task: int, cursor: int) -> list[Segment]:
        """Return the segments of a task's attempts before a time, the last one first."""
        found = []
        for attempt in reversed(self._attempts.get(task, ())):
            for kind, begin in (
                ("back-off", attempt.ended_at),
                ("lost" if attempt.is_lost else "run", attempt.started_at),
                ("transfer", attempt.claimed_at),
                ("queued", attempt.queued_at),
            ):
                if max(begin, 0) < cursor:
                    found.append(Segment(kind, task, attempt.number, max(begin, 0), cursor))
                    cursor = max(begin, 0)
        return found

    def _last_needed(self, task: int) -> int | None:
        """Return the task that this one waited for longest, as far as any of them ran."""
        best, latest = None, 0
        for need in self._needs[task]:
            if isinstance(need, Span):
                span = range(need.first, need.first + need.size)
                one = max(span, key=self._ends.__getitem__)
            else:
                one = need
            if self._ends[one] > latest:
                best, latest = one, self._ends[one]
        return best

    def gains(self, segments: Sequence[Segment], limit: int = MAX_GAINS) -> list[Gain]:
        """Return what halving the tasks would save that run longest on the path, most first.

        The rest of the run is taken to be as it was: each task begins as long after the last task
        that it needs as it did.
        """
        took: dict[int, int] = {}
        for segment in segments:
            if segment.kind == "run":
                took[segment.task] = took.get(segment.task, 0) + segment.end - segment.begin
        longest = sorted(took, key=lambda task: (-took[task], task))[:limit]
        gains = [Gain(task, self.saved_by({task: took[task] // 2})) for task in longest]
        return sorted(
            (gain for gain in gains if gain.saves_ms > 0), key=lambda gain: -gain.saves_ms
        )

    def saved_by(self, shorter: Mapping[int, int]) -> int:
        """Return by how many ms the last task would have ended sooner if some took so much less.

        A negative number of ms is by how much a task would have taken more.
        """
        return max(self._ends, default=0) - max(self._all_ends(shorter), default=0)

    def _known_ends(self) -> list[int]:
        """Return when each task ended; one without attempts did when the last one before it did."""
        ends = [0] * len(self._needs)
        latest: dict[Span, int] = {}
        for task in self._order:
            own = self._attempts.get(task)
            if own is not None:
                ends[task] = min(max(own[-1].ended_at, 0), self._duration)
                continue
            for need in self._needs[task]:
                if not isinstance(need, Span):
                    ends[task] = max(ends[task], ends[need])
                    continue
                if need not in latest:
                    latest[need] = max(ends[need.first : need.first + need.size], default=0)
                ends[task] = max(ends[task], latest[need])
        return ends

    def _all_ends(self, shorter: Mapping[int, int]) -> list[int]:
        """Return when each task would end if some were shorter by so many ms."""
        known, ends = self._ends, list(self._ends)
        latest: dict[Span, tuple[int, int]] = {}
        for task in self._order:
            was, now = 0, 0
            for need in self._needs[task]:
                if isinstance(need, Span):
                    pair = latest.get(need)
                    if pair is None:
                        part = slice(need.first, need.first + need.size)
                        tops = (max(known[part], default=0), max(ends[part], default=0))
                        pair = latest[need] = tops
                else:
                    pair = known[need], ends[need]
                was, now = max(was, pair[0]), max(now, pair[1])
            if task in self._attempts:
                ends[task] = known[task] - min(was, known[task]) + min(now, known[task])
                ends[task] -= shorter.get(task, 0)
            else:
                ends[task] = now
        return ends
