"""Where the time of a run went, and what happened to attempts that did not simply end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from astrum.machine.events import Outcome
from astrum.view.report.attempt_columns import RUNNING, AttemptColumns

_NOT_BEGUN = (Outcome.HANDED_BACK, Outcome.NEVER_BEGAN)


def totals_of(attempts: AttemptColumns, lanes: Sequence[int], duration: int) -> dict[str, int]:
    """Return the ms of all attempts together by what they did, and those of empty rows.

    ``lanes`` has the number of rows of each worker. A worker counts as idle in a row from the
    beginning of the run to its end, whenever it ran nothing there.
    """
    run = transfer = queued = lost = busy = 0
    for row in attempts.rows:
        if row.queued_at is None or row.claimed_at is None or row.started_at is None:
            continue
        end = duration if row.ended_at is None else row.ended_at
        queued += row.claimed_at - row.queued_at
        if row.worker >= 0:
            busy += max(end - row.claimed_at, 0)
        if row.outcome == Outcome.LOST:
            lost += end - row.claimed_at
            continue
        transfer += row.started_at - row.claimed_at
        run += max(end - row.started_at, 0)
    return {
        "run_ms": run,
        "transfer_ms": transfer,
        "queued_ms": queued,
        "idle_ms": max(sum(lanes) * duration - busy, 0),
        "lost_ms": lost,
    }


def audit_of(attempts: AttemptColumns, late_ends: int) -> dict[str, Any]:
    """Return which tasks began more than once, what was lost and handed back, and late ends."""
    begun: Counter[int] = Counter()
    handed_back: Counter[int] = Counter()
    losses: list[list[int | None]] = []
    for row in attempts.rows:
        begun[row.task] += row.outcome not in _NOT_BEGUN and row.worker >= 0
        handed_back[row.task] += row.outcome == Outcome.HANDED_BACK
        if row.outcome == Outcome.LOST:
            losses.append([row.task, row.number, row.worker, row.ended_at])
    return {
        "twice": [[task, count] for task, count in begun.items() if count > 1],
        "losses": losses,
        "handed_back": [[task, count] for task, count in handed_back.items() if count],
        "late_ends": late_ends,
    }


assert RUNNING not in tuple(Outcome)
