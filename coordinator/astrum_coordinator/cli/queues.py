"""The command ``queues``: how much waits in each queue, and how many workers serve it."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import click

from astrum.runtime.cli.options import ServerOptions, server_options
from astrum_coordinator.cli.asking import ask
from astrum_coordinator.cli.completion import queue_names
from astrum_coordinator.cli.options import json_option, log_option
from astrum_coordinator.cli.pause import how_to_end
from astrum_coordinator.cli.printing import print_json, print_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from astrum.view import QueueState
    from astrum_coordinator.display.texts import NotedTable

COLUMNS = ("Queue", "Held ready", "Waiting", "Running", "Oldest waiting", "Workers")


@click.command(short_help="Show what is queued, and which workers serve it.")
@click.argument("names", nargs=-1, metavar="[QUEUE]...", shell_complete=queue_names)
@server_options
@json_option
@log_option
def queues(names: tuple[str, ...], server: ServerOptions, as_json: bool) -> None:
    """Show for each QUEUE (default: all) what waits, what runs, and how many workers serve it.

    Lists the queues that were used recently and those that live workers listen to. Tasks that
    are held ready are with their coordinator, because of a limit, and join the queue later.
    --json adds both up ("backlog"), and what runs ("demand"): an autoscaler divides by that.
    """
    found = chosen(ask(server, lambda coordinator: coordinator.queues()), names)
    if as_json:
        from astrum_coordinator.display.json_values import to_json

        print_json([to_json(one) for one in found])
    else:
        print_table(queues_table(found), "" if found else "no queues: nothing was sent recently")


def chosen(found: Sequence[QueueState], names: Sequence[str]) -> list[QueueState]:
    """Return the queues of these names; raises ``click.UsageError`` for one that is not there."""
    from astrum.errors import nearest

    known = [one.queue for one in found]
    for name in names:
        if name not in known:
            raise click.UsageError(
                f"no queue {name!r}{nearest(name, known)}: nothing was sent to it recently and no "
                "live worker listens to it"
            )
    return [one for one in found if not names or one.queue in names]


def queues_table(found: Sequence[QueueState]) -> NotedTable:
    """Return one row per queue."""
    from astrum.runtime.durations import duration_text
    from astrum_coordinator.display.texts import NotedTable, Text

    table = NotedTable(*COLUMNS)
    for one in found:
        oldest = one.oldest_waiting_s
        cells = (
            one.queue,
            f"{one.held_ready:,}",
            f"{one.waiting:,}",
            f"{one.running:,}",
            "-" if oldest is None else duration_text(oldest),
            f"{len(one.workers):,}",
        )
        table.add_row(*map(Text, cells), notes=[note_text(one)])
    return table


def note_text(one: QueueState) -> str:
    """Return what keeps a queue from going on, "" if nothing does."""
    if one.paused:
        return f"{one.paused}; {how_to_end('queue', one.queue)}"
    if one.backlog and not one.workers:
        return f"no live worker listens: start one with --queue {shlex.quote(one.queue)}"
    return ""
