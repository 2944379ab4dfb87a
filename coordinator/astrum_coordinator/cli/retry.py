"""The command ``retry``: run again what did not succeed in a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from astrum.runtime.cli.commands import say
from astrum.runtime.cli.options import ServerOptions, option, server_options
from astrum_coordinator.cli.arguments import run_argument
from astrum_coordinator.cli.asking import ask_about
from astrum_coordinator.cli.completion import task_names
from astrum_coordinator.cli.options import json_option, log_option, require_redis
from astrum_coordinator.cli.printing import print_json

if TYPE_CHECKING:
    from astrum_coordinator.app import Coordinator
    from astrum_coordinator.asking.retrying import Retry

_NAMED = 8


@click.command(short_help="Run again what did not succeed.")
@run_argument
@click.argument("tasks", nargs=-1, metavar="[TASK...]", shell_complete=task_names)
@option("--now", is_flag=True, help="Of a run under way: cut delays before next attempts short.")
@option("--attach", is_flag=True, help="Wait for the end, and have its exit code.")
@server_options
@json_option
@log_option
@click.pass_context
def retry(
    ctx: click.Context,
    /,
    run_id: str,
    tasks: tuple[str, ...],
    now: bool,
    attach: bool,
    server: ServerOptions,
    as_json: bool,
) -> None:
    """Open RUN again, which failed or was cancelled, and run only what did not succeed.

    With TASK only these tasks run, with what they need and what needs them. Of a completed run the
    tasks must be named: they run again, with all that needs them. The code is that of the
    workers, the inputs are those of the run. A serving coordinator leads the run, or `resume`.

    \b
    Example: astrum-coordinator retry 20260131-235959-a1b2c3d4
             astrum-coordinator retry bill-A-17 send_invoice --attach
    """
    from dataclasses import asdict

    from astrum.errors import listed
    from astrum_coordinator.cli.submit import tell_end

    async def question(coordinator: Coordinator, found: str) -> Retry:
        return await coordinator.retry(found, tasks, now=now)

    done = ask_about(server, run_id, question)
    if as_json:
        print_json(asdict(done))
    else:
        count = f"{len(done.tasks)} task{'s' * (len(done.tasks) != 1)}"
        how = "run again" if done.reopened else "wait no longer for their next attempt"
        say(f"run {done.run_id}: {count} {how}: {listed(done.tasks, _NAMED)}")
    if attach:
        ctx.exit(tell_end(require_redis(server), done.run_id))
