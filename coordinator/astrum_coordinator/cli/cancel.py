"""The command ``cancel``: ask for the end of runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from astrum.runtime.cli.commands import say
from astrum.runtime.cli.options import ServerOptions, option, server_options
from astrum.runtime.exit_codes import ExitCode
from astrum_coordinator.cli.arguments import runs_argument
from astrum_coordinator.cli.asking import ask
from astrum_coordinator.cli.confirmation import is_confirmed, yes_option
from astrum_coordinator.cli.options import json_option, log_option
from astrum_coordinator.cli.printing import print_json
from astrum_coordinator.cli.run_filters import Only, chosen_runs, run_filter_options, runs_text

if TYPE_CHECKING:
    from astrum.view.run_list import RunFilter
    from astrum_coordinator.app import Coordinator

OPEN = Only("open", lambda info: info.is_open)


@click.command(short_help="Ask for the end of runs.")
@runs_argument
@run_filter_options("cancel")
@server_options
@option("--reason", default="", help="Kept in the run's report.")
@option("--now", is_flag=True, help="No task cleans up; those that do so are ended.")
@yes_option
@json_option
@log_option
@click.pass_context
def cancel(
    ctx: click.Context,
    /,
    names: tuple[str, ...],
    chosen: RunFilter,
    server: ServerOptions,
    reason: str,
    now: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Ask for the end of each RUN; the coordinator that leads it, now or next, cancels it.

    In place of RUN the options choose open runs: --state, --label, --namespace, --since, --older.
    Then the command asks first, on a terminal.

    Tasks with always=True clean up then, for cleanup_s seconds at most; --now ends that at
    once, also in a run that is stopping already. Exit code 1 if a run was over already.

    \b
    Example: astrum-coordinator cancel @last --reason "wrong day"
             astrum-coordinator cancel --state pending --label team=data
    """
    run_ids = chosen_runs(server, names, chosen, OPEN)
    if run_ids and not names:
        question = f"Cancel {runs_text(run_ids)}?"
        if not is_confirmed(question, yes, "nothing was cancelled"):
            ctx.exit(ExitCode.FAILED)

    async def cancel_all(coordinator: Coordinator) -> dict[str, bool]:
        return {one: await coordinator.cancel(one, reason, now=now) for one in run_ids}

    asked = ask(server, cancel_all) if run_ids else {}
    if as_json:
        print_json([{"run_id": one, "is_asked": is_asked} for one, is_asked in asked.items()])
    else:
        for one, is_asked in asked.items():
            say(f"run {one}: cancellation asked for" if is_asked else f"run {one} is over already")
    if not all(asked.values()):
        ctx.exit(ExitCode.FAILED)
