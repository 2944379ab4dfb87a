"""The command ``show``: how a run ended, or the state of each of its tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from astrum.runtime.cli.options import ServerOptions, option, server_options
from astrum_coordinator.cli.arguments import run_argument
from astrum_coordinator.cli.asking import ask, find_run
from astrum_coordinator.cli.completion import task_names
from astrum_coordinator.cli.options import json_option, log_option
from astrum_coordinator.cli.printing import print_json, print_table

if TYPE_CHECKING:
    from astrum.view import RunSnapshot
    from astrum_coordinator.display.show_view import Chosen


@click.command(short_help="Show how a run ended, or how far it is.")
@run_argument
@click.argument("task", required=False, metavar="[TASK]", shell_complete=task_names)
@server_options
@option("--all", "everything", is_flag=True, help="All tasks, errors and tracebacks.")
@option("--failed", is_flag=True, help="Only tasks that failed or are tried again.")
@option(
    "--task",
    "task_id",
    envvar="ASTRUM_SHOW_TASK",
    metavar="ID",
    shell_complete=task_names,
    help="Only this task, with all its attempts and its result.",
)
@option(
    "--attempt",
    envvar="ASTRUM_SHOW_ATTEMPT",
    type=click.IntRange(min=1),
    help="With TASK: only the attempt with this number.",
)
@option("--results", is_flag=True, help="The results of all tasks too, shortened.")
@option(
    "--watch",
    envvar="ASTRUM_SHOW_WATCH",
    is_flag=True,
    help="Show how far the run is until it is over. With --json: one object per line.",
)
@option(
    "--log",
    "wants_log",
    envvar="ASTRUM_SHOW_LOG",
    is_flag=True,
    help="What an attempt of TASK logged, the latest or --attempt N.",
)
@option(
    "--follow",
    envvar="ASTRUM_SHOW_FOLLOW",
    is_flag=True,
    help="What TASK has logged and what comes, until it has ended.",
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
    attempt: int | None,
    results: bool,
    watch: bool,
    wants_log: bool,
    follow: bool,
    as_json: bool,
) -> None:
    """Show how RUN ended, or how far it is: its tasks, their errors and tracebacks.

    RUN is an id, the beginning of one, @last or @failed.

    A task that has not ended waits for others, is ready, queued, running, retrying, paused, held,
    or unserved (no live worker would run it); the last column says why, where and since when.
    Children have one row together, with their counts, and rows of their own if they failed; --all
    shows all. With TASK only this task or child is shown: 'parse', 'parse[3]'. Of each attempt it
    says how long it was queued, how long its arguments took to come, and how long it ran.

    --log prints what the latest attempt of TASK logged, or --attempt N of it; workers store that
    of attempts which fail, or of all with --task-logs all. --follow goes on until it has ended.

    --json prints the same object as run --json; while the run is open it also has
    "unfinished_tasks". Results are read for --json, --results and TASK only.

    \b
    Example: astrum-coordinator show @last --watch
             astrum-coordinator show @failed load --attempt 2
    """
    chosen = _chosen(task, task_id, attempt)._replace(failed=failed, everything=everything)
    if wants_log or follow:
        from astrum_coordinator.cli.task_log import show_log

        show_log(server, run_id, chosen, follow=follow or watch, as_json=as_json)
        return
    run_id = find_run(server, run_id)
    if watch:
        from astrum_coordinator.cli.watch_run import watch_run

        watch_run(server, run_id, as_json=as_json)
    if not (watch and as_json):  # then the last line has said how it ended
        _answer(server, run_id, chosen, results=results, as_json=as_json)


def _chosen(task: str | None, task_id: str | None, attempt: int | None) -> Chosen:
    from astrum_coordinator.display.show_view import Chosen

    if None not in (task, task_id):
        raise click.UsageError("TASK and --task both name a task: give one of them")
    if attempt is not None and (task or task_id) is None:
        raise click.UsageError("--attempt is about one task: name it after RUN")
    return Chosen(task or task_id, attempt=attempt)


def _answer(
    server: ServerOptions, run_id: str, chosen: Chosen, *, results: bool, as_json: bool
) -> None:
    from astrum_coordinator.display.show_view import snapshot_to_json, snapshot_view

    which = chosen.task_id or results or (as_json and not chosen.failed)
    snapshot = ask(server, lambda coordinator: coordinator.snapshot(run_id, results=which))
    check_attempt(snapshot, chosen)
    if as_json:
        print_json(snapshot_to_json(snapshot, chosen))
    else:
        print_table(snapshot_view(snapshot, chosen))


def check_attempt(snapshot: RunSnapshot, chosen: Chosen) -> None:
    """Raise ``click.UsageError`` for an attempt that the task has not had."""
    from astrum_coordinator.display.report_view import count_text
    from astrum_coordinator.display.show_view import attempts_of, chosen_tasks

    if chosen.attempt is None:
        return
    tasks = chosen_tasks(snapshot, chosen)
    is_under_way = any(
        (one.task_id, one.attempt) == (chosen.task_id, chosen.attempt)
        for one in snapshot.unfinished
    )
    if is_under_way or any(attempts_of(stat, chosen) for stat in tasks):
        return
    child = next((child for stat in tasks for child in stat.children), None)
    if child is not None:
        raise click.UsageError(
            f"task {chosen.task_id!r} has no attempts, its children have: name one, such as "
            f"{child.task_name!r}"
        )
    known = sum(len(stat.attempt_statistics) for stat in tasks)
    raise click.UsageError(
        f"task {chosen.task_id!r} has had no attempt {chosen.attempt}: it has had "
        f"{count_text(known, 'attempt')}"
    )
