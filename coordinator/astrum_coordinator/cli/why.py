"""The command ``why``: why a run, or a task of it, is as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from astrum.runtime.cli.options import ServerOptions, server_options
from astrum.runtime.exit_codes import ExitCode
from astrum_coordinator.cli.arguments import run_argument
from astrum_coordinator.cli.asking import ask_about
from astrum_coordinator.cli.completion import task_names
from astrum_coordinator.cli.options import json_option, log_option
from astrum_coordinator.cli.printing import print_json, print_view

if TYPE_CHECKING:
    from astrum.view import Explanation
    from astrum_coordinator.app import Coordinator


@click.command(short_help="Say why a run, or a task of it, is as it is.")
@run_argument
@click.argument("task", required=False, metavar="[TASK]", shell_complete=task_names)
@server_options
@json_option
@log_option
@click.pass_context
def why(
    ctx: click.Context,
    run_id: str,
    task: str | None,
    server: ServerOptions,
    as_json: bool,
) -> None:
    """Say what RUN, or TASK of it, waits for, or how it ended; and what to type about it.

    Of a run all tasks that have not ended are counted by the reason for that; of a run that is
    over, those that did not succeed. A task that waits for others is followed to those that hold it
    up. A child is named as `show` names it: 'parse[3]'.

    The exit code is 3 if a person must act before it goes on, else 0: it goes on, or it is over.
    --json has a stable code for each reason.

    \b
    Example: astrum-coordinator why @last
             astrum-coordinator why nightly 'parse[3]' --json
    """
    from astrum_coordinator.display.why_view import explanation_to_json, why_text

    async def question(coordinator: Coordinator, found: str) -> Explanation:
        return await coordinator.why(found, task)

    reason = ask_about(server, run_id, question)
    if as_json:
        print_json(explanation_to_json(reason))
    else:
        print_view(why_text(reason))
    ctx.exit(ExitCode.PERSON_NEEDED if reason.needs_person else ExitCode.DONE)
