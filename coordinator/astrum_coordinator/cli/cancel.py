"""The command ``cancel``: ask for a run's end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from astrum.runtime.cli.commands import say
from astrum.runtime.cli.options import ServerOptions, option, server_options
from astrum.runtime.exit_codes import ExitCode
from astrum_coordinator.cli.asking import ask_about
from astrum_coordinator.cli.options import log_option

if TYPE_CHECKING:
    from astrum_coordinator.app import Coordinator


@click.command(short_help="Ask for the end of a run.")
@click.argument("run_id", metavar="RUN")
@server_options
@option("--reason", default="", help="Kept in the run's report.")
@option("--now", is_flag=True, help="No task cleans up; those that do so are ended.")
@log_option
@click.pass_context
def cancel(ctx: click.Context, run_id: str, server: ServerOptions, reason: str, now: bool) -> None:
    """Ask for the end of RUN; the coordinator that leads it, now or next, cancels it.

    Its tasks with always=True clean up then, for cleanup_s seconds at most; --now ends that at
    once, also in a run that is stopping already. Exit code 1 if the run was over already.
    """

    async def question(coordinator: Coordinator, found: str) -> tuple[str, bool]:
        return found, await coordinator.cancel(found, reason, now=now)

    run_id, asked = ask_about(server, run_id, question)
    say(f"run {run_id}: cancellation asked for" if asked else f"run {run_id} is over already")
    if not asked:
        ctx.exit(ExitCode.FAILED)
