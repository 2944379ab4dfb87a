"""The command ``drain``: let workers end in order."""

from __future__ import annotations

import click

from astrum.runtime.cli.commands import say
from astrum.runtime.cli.options import ServerOptions, option, server_options
from astrum_coordinator.cli.asking import ask
from astrum_coordinator.cli.completion import worker_names
from astrum_coordinator.cli.options import json_option, log_option
from astrum_coordinator.cli.printing import print_json
from astrum_coordinator.cli.workers import worker_to_json


@click.command(short_help="Let workers finish and end.")
@click.argument(
    "workers", nargs=-1, required=True, metavar="WORKER...", shell_complete=worker_names
)
@option(
    "--replace",
    envvar="ASTRUM_DRAIN_REPLACE",
    is_flag=True,
    help="Their supervisor starts a new process in the place of each.",
)
@server_options
@json_option
@log_option
def drain(workers: tuple[str, ...], replace: bool, server: ServerOptions, as_json: bool) -> None:
    """Let each WORKER finish what it runs, hand back the rest, and end with exit code 0.

    WORKER is an id as `workers` shows it, or the beginning of one. It begins at its next heartbeat,
    within a third of its --lease, and ends within its --grace. Its supervisor starts no other
    process, unless --replace is given.

    \b
    Example: astrum-coordinator drain host-b.4711
    """
    asked = ask(server, lambda coordinator: coordinator.drain(*workers, replace=replace))
    if as_json:
        print_json([worker_to_json(info) for info in asked])
        return
    for info in asked:
        count = len(info.status.running)
        attempts = "1 attempt" if count == 1 else f"{count:,} attempts"
        say(f"{info.worker_id} was asked to drain; it runs {attempts}")
