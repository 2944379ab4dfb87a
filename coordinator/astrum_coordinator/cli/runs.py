"""The command ``runs``: list the latest runs and their states."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from astrum_coordinator.cli.asking import ask
from astrum_coordinator.cli.endings import say
from astrum_coordinator.cli.options import (
    json_option,
    log_option,
    option,
    prefix_option,
    redis_option,
)
from astrum_coordinator.cli.printing import print_json, print_table

if TYPE_CHECKING:
    from rich.table import Table

    from astrum.redis.records import RunInfo
    from astrum_coordinator.app import Coordinator

COLUMNS = ("Run", "State", "Namespace", "Tasks", "Created", "Took", "Leader")


@click.command(short_help="List the latest runs.")
@redis_option
@prefix_option
@json_option
@option(
    "--limit", type=click.IntRange(min=1), default=50, show_default=True, help="Most runs to list."
)
@log_option
def runs(redis_url: str | None, prefix: str | None, as_json: bool, limit: int) -> None:
    """List the latest runs of a server."""

    async def question(coordinator: Coordinator) -> tuple[list[RunInfo], int]:
        return await coordinator.runs(limit), len(await coordinator.workers())

    found, workers = ask(redis_url, prefix, question)
    if as_json:
        from astrum_coordinator.display.report_view import to_json

        print_json([to_json(facts) for facts in found])
    else:
        print_table(runs_table(found), "no runs" if not found else "")
        if not workers and any(facts.is_open for facts in found):
            say("no live worker: open runs wait; start one with astrum-worker MODULE")


def runs_table(found: list[RunInfo]) -> Table:
    """Return one row per run."""
    from rich.text import Text

    from astrum_coordinator.display.report_view import (
        STATUS_STYLE,
        duration_text,
        plain_table,
        time_text,
    )

    table = plain_table(*COLUMNS)
    table.columns[0].no_wrap = True
    for facts in found:
        state = open_state(facts)
        took = max(facts.ended_at - facts.created_at, 0.0) if facts.ended_at else None
        table.add_row(
            Text(facts.run_id),
            Text(state, STATUS_STYLE.get(state, "")),
            Text(facts.facts.get("namespace", "")),
            Text(facts.facts.get("tasks", "")),
            Text(time_text(facts.created_at)),
            Text(duration_text(took) if took is not None else "-"),
            Text(facts.owner if facts.is_open and facts.lease_s > 0 else "-"),
        )
    return table


def open_state(facts: RunInfo) -> str:
    """Return a run's state for people: an open run is led, or waits for a leader."""
    if not facts.is_open:
        return facts.state
    return "running" if facts.lease_s > 0 else "pending"
