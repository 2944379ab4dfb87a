"""The output of ``compare``: what changed from one run to another, sorted by its effect."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from astrum.runtime.durations import duration_text
from astrum.runtime.visible_text import visible_name
from astrum.view.report.comparing import LEAST_MS, LEAST_SHARE, Change, ComparedRun, Comparison
from astrum_coordinator.display.json_values import to_json
from astrum_coordinator.display.report_view import (
    STATUS_STYLE,
    count_text,
    plain_table,
    state_text,
)

if TYPE_CHECKING:
    from rich.console import RenderableType

    from astrum.view.report.comparing import OnlyTask, TaskChange
    from astrum.view.report.task_rows import Step

CHANGE_COLUMNS = ("Effect", "Task", "Run", "Queued", "Attempts", "State")
MAX_ROWS = 30
MAX_STEPS = 12
_NAMED = 8


def comparison_to_json(found: Comparison) -> dict[str, Any]:
    """Return a comparison as `docs/schemas/compare.json` describes it."""
    return {"format": "astrum.compare/1", **to_json(found)}


def comparison_view(found: Comparison, *, everything: bool = False) -> RenderableType:
    """Return a comparison for a terminal or a pipe; by default the most important rows alone."""
    from rich.console import Group

    from astrum_coordinator.display.texts import Text

    limit = len(found.changed) if everything else MAX_ROWS
    rows, left_out = found.changed[:limit], len(found.changed[limit:])
    parts: list[RenderableType] = [Text(head_text(found), "bold")]
    parts += [_table(rows)] if rows else []
    lines = [f"... and {left_out:,} more changed; --all shows them"] if left_out else []
    lines += [_only_text("new", found.new), _only_text("gone", found.gone), _alike_text(found)]
    for name, run in (("before", found.before), ("now", found.after)):
        lines += [f"critical path {name}: {path_text(run)}"] if run.path else []
    parts += [Text(line) for line in lines if line]
    return Group(*parts)


def head_text(found: Comparison) -> str:
    """Return the one line that says by how much the run as a whole changed."""
    before, after, took = found.before, found.after, found.duration_ms
    by = duration_text(abs(took.difference) / 1000)
    share = f" ({_percent(abs(took.difference) / took.before)})" if took.before else ""
    if not took.counts:
        how = f"about as long as run {before.run_id} ({_ms(took.before)})"
    else:
        how = (
            f"{by}{share} {'longer' if took.difference > 0 else 'shorter'} than run {before.run_id}"
        )
    text = f"run {after.run_id} took {_ms(took.after)}, {how}"
    if before.state != after.state:
        text += (
            f"; it {state_text(after.state)}, and run {before.run_id} {state_text(before.state)}"
        )
    if before.namespace != after.namespace:
        text += f"; these are runs of two flows, {after.namespace!r} and {before.namespace!r}"
    return visible_name(text)


def path_text(run: ComparedRun) -> str:
    """Return the critical path of a run in one line, the longest steps of it."""
    longest = sorted(range(len(run.path)), key=lambda place: -run.path[place].ms)[:MAX_STEPS]
    kept = sorted(longest)
    texts = [_step_text(run.path[place]) for place in kept]
    if len(kept) < len(run.path):
        texts.append(f"and {count_text(len(run.path) - len(kept), 'shorter step')}")
    return " -> ".join(texts)


def _step_text(step: Step) -> str:
    return f"{visible_name(step.name) or 'idle'} {_ms(step.ms)}"


def _table(rows: Iterable[TaskChange]) -> RenderableType:
    from astrum_coordinator.display.texts import Text

    table = plain_table(*CHANGE_COLUMNS)
    for row in rows:
        effect, *cells, state = change_cells(row)
        style = "red" if row.effect_ms > 0 else "green" if row.effect_ms < 0 else ""
        told = Text(state, STATUS_STYLE.get(row.state_after, ""))
        table.add_row(Text(effect, style), *map(Text, cells), told)
    return table


def change_cells(row: TaskChange) -> tuple[str, ...]:
    """Return the cells of one task under `CHANGE_COLUMNS`."""
    before, after = row.state_before, row.state_after
    return (
        _effect(row.effect_ms),
        _name(row),
        _times(row.run_ms),
        _times(row.queued_ms),
        _numbers(row.attempts),
        after if before == after else f"{before} -> {after}",
    )


def _name(row: TaskChange) -> str:
    return f"{row.name} x {_numbers(row.tasks)}" if row.is_mapped else row.name


def _effect(ms: int) -> str:
    return f"{'+' if ms > 0 else '-'}{_ms(abs(ms))}" if ms else "-"


def _times(change: Change) -> str:
    return f"{_ms(change.before)} -> {_ms(change.after)}" if change.counts else _ms(change.after)


def _numbers(change: Change) -> str:
    now = f"{change.after:,}"
    return f"{change.before:,} -> {now}" if change.counts else now


def _percent(share: float) -> str:
    return f"{100 * share:,.0f} %"


def _ms(ms: int) -> str:
    return duration_text(ms / 1000)


def _only_text(what: str, tasks: Sequence[OnlyTask]) -> str:
    texts = [
        visible_name(one.name) + (f" ({_effect(one.effect_ms)})" if one.effect_ms else "")
        for one in tasks[:_NAMED]
    ]
    if len(tasks) > _NAMED:
        texts.append(f"and {len(tasks) - _NAMED:,} more")
    return f"{what}: {', '.join(texts)}" if texts else ""


def _alike_text(found: Comparison) -> str:
    if not found.alike:
        return ""
    bound = f"{_percent(LEAST_SHARE)} or {LEAST_MS} ms"
    return f"as before, within {bound}: {count_text(found.alike, 'task')}"
