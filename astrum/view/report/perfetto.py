"""A run as a trace for Perfetto (ui.perfetto.dev) and other readers of Chrome's trace format.

Each worker is a process, each of its rows a thread. An arrow leads to an attempt from each task
that it needed, of many children from the one that ended last.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from astrum.view.report.columns import RunColumns

_US = 1000


def perfetto_trace(columns: RunColumns) -> dict[str, Any]:
    """Return the trace as a map for JSON; attempts without a worker are left out."""
    trace = _Trace(columns)
    return {
        "displayTimeUnit": "ms",
        "otherData": {"run_id": columns["run"]["run_id"], "version": columns["version"]},
        "traceEvents": [*trace.workers(), *trace.attempts(), *trace.arrows()],
    }


class _Trace:
    """Makes the events of one trace."""

    def __init__(self, columns: RunColumns) -> None:
        self._columns = columns
        self._strings = columns["strings"]
        self._names = [self._strings[name] for name in columns["tasks"]["name"]]
        names = ("task", "number", "outcome", "worker", "lane", "failure")
        times = ("queued_at", "claimed_at", "started_at", "ended_at")
        attempts = columns["attempts"]
        self._rows = list(zip(*(attempts[name] for name in (*names, *times)), strict=True))
        self._end = columns["run"]["duration_ms"]
        self._last = self._last_attempts()

    def _last_attempts(self) -> dict[int, int]:
        """Return the attempt with which each task ended, if a worker ran it."""
        return {row[0]: number for number, row in enumerate(self._rows) if row[3] >= 0}

    def workers(self) -> Iterator[dict[str, Any]]:
        """The names of processes and threads."""
        workers = self._columns["workers"]
        for worker, (name, lanes) in enumerate(zip(workers["id"], workers["lanes"], strict=True)):
            yield _named("process_name", worker, 0, self._strings[name])
            for lane in range(lanes):
                yield _named("thread_name", worker, lane, f"slot {lane + 1}")

    def attempts(self) -> Iterator[dict[str, Any]]:
        """A bar for each attempt, and one in it for the transfer of its arguments."""
        outcomes, failures = self._columns["outcomes"], self._columns["failures"]
        for (
            task,
            number,
            outcome,
            worker,
            lane,
            failure,
            queued,
            claimed,
            started,
            ended,
        ) in self._rows:
            if worker < 0 or claimed is None:
                continue
            end = self._end if ended is None else ended
            args = {"attempt": number, "outcome": outcomes[outcome], "queued_ms": claimed - queued}
            if failure >= 0:
                args["error"] = f"{failures[failure]['type']}: {failures[failure]['message']}"
            name = self._names[task]
            yield _bar(name, outcomes[outcome], worker, lane, (claimed, end), args)
            if started is not None and started > claimed:
                yield _bar("transfer", "transfer", worker, lane, (claimed, min(started, end)), {})

    def arrows(self) -> Iterator[dict[str, Any]]:
        """A pair of events for each arrow."""
        number = 0
        for task, attempt in self._last.items():
            for need in self._columns["tasks"]["needs"][task]:
                source = self._last_of(need)
                if source is None:
                    continue
                number += 1
                yield self._point("s", number, self._rows[source], self._rows[source][9])
                yield self._point("f", number, self._rows[attempt], self._rows[attempt][7])

    def _last_of(self, need: Any) -> int | None:
        """Return the attempt of a need that ended last, `None` if none ran."""
        if isinstance(need, int):
            tasks = range(need, need + 1)
        else:
            tasks = range(need["r"][0], need["r"][0] + need["r"][1])
        ran = [self._last[task] for task in tasks if task in self._last]
        return max(ran, key=lambda attempt: self._rows[attempt][9] or 0, default=None)

    def _point(self, phase: str, number: int, row: Any, at: int | None) -> dict[str, Any]:
        place = {
            "pid": row[3] + 1,
            "tid": row[4] + 1,
            "ts": (self._end if at is None else at) * _US,
        }
        extra = {"bp": "e"} if phase == "f" else {}
        return {"ph": phase, "id": number, "name": "needs", "cat": "needs", **place, **extra}


def _named(kind: str, worker: int, lane: int, name: str) -> dict[str, Any]:
    place = {"pid": worker + 1, "tid": lane + 1}
    return {"ph": "M", "name": kind, **place, "args": {"name": name}}


def _bar(
    name: str, category: str, worker: int, lane: int, times: tuple[int, int], args: dict[str, Any]
) -> dict[str, Any]:
    begin, end = times
    place = {"pid": worker + 1, "tid": lane + 1, "ts": begin * _US, "dur": (end - begin) * _US}
    return {"ph": "X", "name": name, "cat": category, **place, "args": args}
