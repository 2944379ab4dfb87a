"""The command ``show``: how a run ended, or the state of each of its tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from astrum.runtime.cli.options import ServerOptions, option, server_options
from astrum_coordinator.cli.asking import ask_about
from astrum_coordinator.cli.options import json_option, log_option
from astrum_coordinator.cli.printing import print_json, print_table

if TYPE_CHECKING:
    from astrum.view import RunSnapshot
    from astrum_coordinator.app import Coordinator


@click.command(short_help="Show how a run ended, or how far it is.")
@click.argument("run_id", metavar="RUN")
@click.argument("task", required=False, metavar="[TASK]")
@server_options
@option("--all", "everything", is_flag=True, help="All tasks, errors and tracebacks.")
@option("--failed", is_flag=True, help="Only tasks that failed or are tried again.")
@option(
    "--task",
    "task_id",
    envvar="ASTRUM_SHOW_TASK",
    metavar="ID",
    help="Only this task, with all its attempts and its result.",
)
@json_option
@log_option
def show(
    run_id: str,
    task: str | None,
    server: ServerOptions,
    everything: bool,
    failed: bool,
    task_id: str | None,
    as_json: bool,
) -> None:
    """Show how RUN ended, or how far it is: its tasks, their errors and tracebacks.

    A task that has not ended waits for others, is ready, queued, running, retrying, paused, held,
    or unserved (no live worker would run it); the last column says why, where and since when.
    Children have one row together, with their counts, and rows of their own if they failed; --all
    shows all. With TASK only this task or child is shown: 'parse', 'parse[3]'.

    --json prints the same object as run --json; while the run is open it also has
    "unfinished_tasks". Results are read for --json and --task only.
    """
    from astrum_coordinator.display.show_view import Chosen, snapshot_to_json, snapshot_view

    if None not in (task, task_id):
        raise click.UsageError("TASK and --task both name a task: give one of them")
    task_id = task or task_id
    chosen = Chosen(task_id, failed, everything)
    results: bool | str = as_json and not failed if task_id is None else task_id

    async def question(coordinator: Coordinator, found: str) -> RunSnapshot:
        return await coordinator.snapshot(found, results=results)

    snapshot = ask_about(server, run_id, question)
    if as_json:
        print_json(snapshot_to_json(snapshot, chosen))
    else:
        print_table(snapshot_view(snapshot, chosen))
