"""The command ``forget``: delete ended runs with all that belongs to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from astrum.runtime.cli.commands import say
from astrum.runtime.cli.options import ServerOptions, server_options
from astrum.runtime.exit_codes import ExitCode
from astrum_coordinator.cli.arguments import runs_argument
from astrum_coordinator.cli.asking import ask
from astrum_coordinator.cli.confirmation import is_confirmed, yes_option
from astrum_coordinator.cli.options import json_option, log_option
from astrum_coordinator.cli.printing import print_json
from astrum_coordinator.cli.run_filters import Only, chosen_runs, run_filter_options, runs_text
from astrum_coordinator.cli.runs import record_to_json

if TYPE_CHECKING:
    from astrum.view.run_list import RunFilter

ENDED = Only("ended", lambda info: not info.is_open)


@click.command(short_help="Delete ended runs with their results.")
@runs_argument
@run_filter_options("forget")
@yes_option
@server_options
@json_option
@log_option
@click.pass_context
def forget(
    ctx: click.Context,
    /,
    names: tuple[str, ...],
    chosen: RunFilter,
    yes: bool,
    server: ServerOptions,
    as_json: bool,
) -> None:
    """Delete each RUN that has ended: its results, its chronicle and all its keys, at once.

    An open run is refused, and then nothing is deleted: `cancel` it first. In place of RUN the
    options choose ended runs: --state, --label, --namespace, --since, --older.

    \b
    Example: astrum-coordinator forget 20260131-235959-a1b2c3d4
             astrum-coordinator forget --state cancelled --older 1d
    """
    run_ids = chosen_runs(server, names, chosen, ENDED)
    named = ", ".join(run_ids) if names else runs_text(run_ids)
    if run_ids and not is_confirmed(f"Delete {named} with all results?", yes):
        ctx.exit(ExitCode.FAILED)
    gone = ask(server, lambda coordinator: coordinator.forget(*run_ids)) if run_ids else []
    if as_json:
        print_json([record_to_json(info) for info in gone])
        return
    for info in gone:
        say(f"run {info.run_id} is forgotten")
