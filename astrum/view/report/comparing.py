"""Two runs compared: which tasks took longer or shorter, and what of it moved the end of the run.

Tasks are matched by their ids. The children of a mapped task are one row, under its name, since
child 3 of one run and of another have different elements.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from astrum.view.report.columns import RunColumns
from astrum.view.report.task_rows import RunRows, Step, TaskRow

LEAST_SHARE, LEAST_MS = 0.1, 20
"""A time has changed if it differs by more than this share of what it was, and by more ms."""


@dataclass(frozen=True, slots=True)
class Change:
    """A number before and after; ``counts`` if the difference is more than noise."""

    before: int
    after: int
    counts: bool

    @property
    def difference(self) -> int:
        """By how much it is more than before."""
        return self.after - self.before


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskChange:
    """What changed of one task, or of all children of a mapped task together; times are ms.

    ``run_ms`` and ``queued_ms`` are those of all its attempts. ``effect_ms`` is by how much the
    change moved the end of the run, if all other tasks took as long as they did.
    """

    name: str
    is_mapped: bool
    tasks: Change
    state_before: str
    state_after: str
    run_ms: Change
    queued_ms: Change
    attempts: Change
    effect_ms: int

    @property
    def counts(self) -> bool:
        """Whether anything of it has changed by more than noise."""
        is_other = self.state_before != self.state_after
        parts = (self.tasks, self.run_ms, self.queued_ms, self.attempts)
        return is_other or any(part.counts for part in parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class OnlyTask:
    """A task, or a mapped task with its children, that only one of the runs has."""

    name: str
    tasks: int
    run_ms: int
    effect_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedRun:
    """One of two runs that are compared."""

    run_id: str
    namespace: str
    state: str
    tasks: int
    path: Sequence[Step]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A run, ``after``, compared with another one, ``before``.

    ``changed`` are the tasks of both that changed, ``new`` those of ``after`` alone, ``gone`` those
    of ``before`` alone, each sorted by the effect on the end. ``alike`` counts those that did not
    change. Of the least changes of big runs the effect is not known, and 0.
    """

    before: ComparedRun
    after: ComparedRun
    duration_ms: Change
    changed: Sequence[TaskChange]
    alike: int
    new: Sequence[OnlyTask]
    gone: Sequence[OnlyTask]


def compared(before: RunColumns, after: RunColumns) -> Comparison:
    """Compare a run with another one by their columns."""
    old, new = RunRows(before), RunRows(after)
    both = [(old.rows[name], row) for name, row in new.rows.items() if name in old.rows]
    added = {name: row.mean_ms for name, row in new.rows.items() if name not in old.rows}
    gone = {name: row.mean_ms for name, row in old.rows.items() if name not in new.rows}
    grown = {now.name: now.mean_ms - was.mean_ms for was, now in both}
    effects = new.effects({**grown, **added})
    saved = old.effects(gone)
    pairs = (_change(was, now, effects.get(now.name, 0)) for was, now in both)
    changed = sorted((row for row in pairs if row.counts), key=_by_effect)
    return Comparison(
        before=_run(before, old),
        after=_run(after, new),
        duration_ms=_time(before["run"]["duration_ms"], after["run"]["duration_ms"]),
        changed=changed,
        alike=len(both) - len(changed),
        new=_only((new.rows[name] for name in added), effects, 1),
        gone=_only((old.rows[name] for name in gone), saved, -1),
    )


def _run(columns: RunColumns, rows: RunRows) -> ComparedRun:
    run = columns["run"]
    return ComparedRun(
        run_id=run["run_id"],
        namespace=run["namespace"],
        state=run["state"],
        tasks=run["total_tasks"],
        path=rows.path(),
    )


def _change(before: TaskRow, after: TaskRow, effect_ms: int) -> TaskChange:
    return TaskChange(
        name=after.name,
        is_mapped=after.is_mapped,
        tasks=_number(len(before.members), len(after.members)),
        state_before=before.state,
        state_after=after.state,
        run_ms=_time(before.run_ms, after.run_ms),
        queued_ms=_time(before.queued_ms, after.queued_ms),
        attempts=_number(before.attempts, after.attempts),
        effect_ms=effect_ms,
    )


def _by_effect(row: TaskChange) -> tuple[int, int, str]:
    return -abs(row.effect_ms), -abs(row.run_ms.difference), row.name


def _only(rows: Iterable[TaskRow], effects: Mapping[str, int], sign: int) -> list[OnlyTask]:
    found = [
        OnlyTask(
            name=row.name,
            tasks=len(row.members),
            run_ms=row.run_ms,
            effect_ms=sign * effects.get(row.name, 0),
        )
        for row in rows
    ]
    return sorted(found, key=lambda one: (-abs(one.effect_ms), -one.run_ms, one.name))


def _time(before: int, after: int) -> Change:
    return Change(before, after, abs(after - before) > max(LEAST_SHARE * before, LEAST_MS))


def _number(before: int, after: int) -> Change:
    return Change(before, after, before != after)
