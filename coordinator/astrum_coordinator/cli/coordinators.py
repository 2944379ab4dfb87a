"""The command ``coordinators``: who leads runs, and what each holds ready."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from astrum.runtime.cli.options import ServerOptions, server_options
from astrum_coordinator.cli.asking import ask
from astrum_coordinator.cli.options import json_option, log_option
from astrum_coordinator.cli.printing import print_json, print_table

if TYPE_CHECKING:
    from astrum.protocol.records import CoordinatorInfo
    from astrum.protocol.status import CoordinatorStatus
    from astrum_coordinator.display.texts import NotedTable

COLUMNS = ("Coordinator", "Host", "Pid", "Version", "Leads", "Held ready", "Seen")


@click.command(short_help="List the coordinators.")
@server_options
@json_option
@log_option
def coordinators(server: ServerOptions, as_json: bool) -> None:
    """List the coordinators of a server that lead runs or serve, and what they hold ready.

    Tasks that are held ready wait for nothing but capacity; they are in no queue yet. `--json`
    has them for each run, with its capacity, why its tasks are not served and how long they may
    wait, why the server refuses them, and how many ends have no valid signature.
    """
    found = ask(server, lambda coordinator: coordinator.coordinators())
    if as_json:
        from astrum_coordinator.display.json_values import to_json

        print_json([to_json(info) for info in found])
    else:
        print_table(coordinators_table(found), "" if found else "no coordinator leads or serves")


def coordinators_table(found: list[CoordinatorInfo]) -> NotedTable:
    """Return one row per coordinator."""
    from astrum.runtime.durations import duration_text
    from astrum_coordinator.display.texts import NotedTable, Text

    table = NotedTable(*COLUMNS)
    for info in found:
        count = info.status.led_count
        ready = ", ".join(f"{queue} {n:,}" for queue, n in sorted(info.status.ready.items()))
        cells = (
            info.owner,
            info.details.get("host", ""),
            info.details.get("pid", ""),
            info.details.get("version", ""),
            f"{count:,} run{'' if count == 1 else 's'}",
            ready or "-",
            f"{duration_text(info.age_s)} ago",
        )
        table.add_row(*map(Text, cells), notes=[trouble_text(info.status)])
    return table


def trouble_text(status: CoordinatorStatus) -> str:
    """Return what keeps the runs of a coordinator from going on, "" if nothing does."""
    for run in status.leaderships:
        if run.unserved:
            return f"run {run.run_id}: {run.unserved}"
        if run.refused:
            return f"run {run.run_id}: {run.refused}"
        if run.is_in_doubt:
            return f"run {run.run_id} is being read again"
    return ""
