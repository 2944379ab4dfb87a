"""The command ``release``: say what becomes of a task that is held."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from astrum.runtime.cli.commands import say
from astrum.runtime.cli.options import ServerOptions, option, server_options
from astrum_coordinator.cli.arguments import run_argument, task_argument
from astrum_coordinator.cli.asking import ask_about
from astrum_coordinator.cli.options import json_option, log_option
from astrum_coordinator.cli.printing import print_json

if TYPE_CHECKING:
    from astrum_coordinator.app import Coordinator
    from astrum_coordinator.asking.releasing import How, Release

_BECAME = {"retry": "runs again", "fail": "has failed", "succeed": "has succeeded"}


@click.command(short_help="Say what becomes of a task that is held.")
@run_argument
@task_argument
@option("--retry", is_flag=True, help="It runs again: it had no effects, or may have them twice.")
@option("--fail", is_flag=True, help="It has failed; its on_failure= says what that means.")
@option("--succeed", metavar="JSON", help="It has succeeded, with this result: null, 3, '[1, 2]'.")
@server_options
@json_option
@log_option
def release(
    run_id: str,
    task: str,
    retry: bool,
    fail: bool,
    succeed: str | None,
    server: ServerOptions,
    as_json: bool,
) -> None:
    """Say what becomes of TASK of RUN, which is held since its worker was lost (on_lost="hold").

    Whether the task had its effects is to be found out by a person first. The result given with
    --succeed is not checked against the type that the task declares. A child is named as `show`
    names it: 'send[3]'.

    \b
    Example: astrum-coordinator release bill-A-17 send_invoice --retry
             astrum-coordinator release nightly 'pay[3]' --succeed '{"receipt": 17}'
    """
    from dataclasses import asdict

    how, value = _chosen(retry, fail, succeed)

    async def question(coordinator: Coordinator, found: str) -> Release:
        return await coordinator.release(found, task, how, value)

    done = ask_about(server, run_id, question)
    if as_json:
        print_json(asdict(done))
    else:
        say(f"run {done.run_id}: task {done.task!r} {_BECAME[done.how]}")


def _chosen(retry: bool, fail: bool, succeed: str | None) -> tuple[How, Any]:
    if retry + fail + (succeed is not None) != 1:
        raise click.UsageError("say what becomes of the task: --retry, --fail or --succeed JSON")
    if succeed is None:
        return ("retry" if retry else "fail"), None
    try:
        return "succeed", json.loads(succeed)
    except (ValueError, RecursionError) as error:
        raise click.BadParameter(
            f"{succeed!r} is not JSON ({error}): quote a string as '\"text\"', and write null for "
            "no result",
            param_hint="--succeed",
        ) from None
