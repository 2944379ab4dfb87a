"""The command ``forget``: delete ended runs with all that belongs to them."""

from __future__ import annotations

import click

from astrum.runtime.cli.commands import say
from astrum.runtime.cli.options import ServerOptions, server_options
from astrum.runtime.exit_codes import ExitCode
from astrum_coordinator.cli.asking import ask
from astrum_coordinator.cli.confirmation import is_confirmed, yes_option
from astrum_coordinator.cli.options import json_option, log_option
from astrum_coordinator.cli.printing import print_json


@click.command(short_help="Delete ended runs with their results.")
@click.argument("run_ids", nargs=-1, required=True, metavar="RUN...")
@yes_option
@server_options
@json_option
@log_option
@click.pass_context
def forget(
    ctx: click.Context,
    /,
    run_ids: tuple[str, ...],
    yes: bool,
    server: ServerOptions,
    as_json: bool,
) -> None:
    """Delete each RUN that has ended: its results, its chronicle and all its keys, at once.

    An open run is refused, and then nothing is deleted: `cancel` it first.

    \b
    Example: astrum-coordinator forget 20260131-235959-a1b2c3d4
    """
    if not is_confirmed(f"Delete {', '.join(run_ids)} with all results?", yes):
        ctx.exit(ExitCode.FAILED)
    gone = ask(server, lambda coordinator: coordinator.forget(*run_ids))
    if as_json:
        from astrum_coordinator.display.json_values import to_json

        print_json([to_json(info) for info in gone])
        return
    for info in gone:
        say(f"run {info.run_id} is forgotten")
