"""The command ``show``: how a run ended, or the state of each of its tasks."""

from __future__ import annotations

import click

from astrum.runtime.cli.options import ServerOptions, option, server_options
from astrum_coordinator.cli.asking import ask
from astrum_coordinator.cli.options import json_option, log_option
from astrum_coordinator.cli.printing import print_json, print_table


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
@option("--log", "wants_log", is_flag=True, help="What an attempt of TASK logged: the latest.")
@option("--follow", is_flag=True, help="With --log: also what comes, until the task has ended.")
@option("--attempt", type=click.IntRange(min=1), metavar="N", help="This attempt of TASK.")
@json_option
@log_option
def show(
    run_id: str,
    task: str | None,
    server: ServerOptions,
    everything: bool,
    failed: bool,
    task_id: str | None,
    wants_log: bool,
    follow: bool,
    attempt: int | None,
    as_json: bool,
) -> None:
    """Show how RUN ended, or how far it is: its tasks, their errors and tracebacks.

    A task that has not ended waits for others, is ready, queued, running, retrying, paused, held,
    or unserved (no live worker would run it); the last column says why, where and since when.
    Children have one row together, with their counts, and rows of their own if they failed; --all
    shows all. With TASK only this task or child is shown: 'parse', 'parse[3]'.

    --log prints what the latest attempt of TASK logged, or --attempt N of it; workers store that
    of attempts which fail, or of all with --task-logs all. --follow goes on until it has ended.

    --json prints the same object as run --json; while the run is open it also has
    "unfinished_tasks". Results are read for --json and --task only.
    """
    from astrum_coordinator.cli.task_log import show_log
    from astrum_coordinator.display.show_view import Chosen, snapshot_to_json, snapshot_view

    if None not in (task, task_id):
        raise click.UsageError("TASK and --task both name a task: give one of them")
    task_id = task or task_id
    if wants_log or follow:
        show_log(server, run_id, task_id, attempt, follow=follow, as_json=as_json)
        return
    chosen = Chosen(task_id, failed, everything)
    results: bool | str = as_json and not failed if task_id is None else task_id
    snapshot = ask(server, lambda coordinator: coordinator.snapshot(run_id, results=results))
    if as_json:
        print_json(snapshot_to_json(snapshot, chosen))
    else:
        print_table(snapshot_view(snapshot, chosen))
