"""The command ``retry``: run again what did not succeed in a run."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from astrum.runtime.cli.commands import say
from astrum.runtime.cli.options import ServerOptions, option, server_options
from astrum.runtime.exit_codes import ExitCode
from astrum_coordinator.cli.asking import ask, ask_about
from astrum_coordinator.cli.completion import run_names, task_names
from astrum_coordinator.cli.confirmation import is_confirmed, yes_option
from astrum_coordinator.cli.options import json_option, log_option, require_redis
from astrum_coordinator.cli.printing import print_json
from astrum_coordinator.cli.run_filters import Only, chosen_runs, run_filter_options, runs_text

if TYPE_CHECKING:
    from astrum.view.run_list import RunFilter
    from astrum_coordinator.app import Coordinator
    from astrum_coordinator.asking.retrying import Retry

UNSUCCESSFUL = Only("failed or cancelled", lambda info: info.state in ("failed", "cancelled"))
_NAMED = 8


@click.command(short_help="Run again what did not succeed.")
@click.argument("run_id", required=False, metavar="[RUN]", shell_complete=run_names)
@click.argument("tasks", nargs=-1, metavar="[TASK...]", shell_complete=task_names)
@option("--now", is_flag=True, help="Of a run under way: cut delays before next attempts short.")
@option("--attach", is_flag=True, help="Wait for the end, and have its exit code.")
@run_filter_options("retry")
@yes_option
@server_options
@json_option
@log_option
@click.pass_context
def retry(
    ctx: click.Context,
    /,
    run_id: str | None,
    tasks: tuple[str, ...],
    now: bool,
    attach: bool,
    chosen: RunFilter,
    yes: bool,
    server: ServerOptions,
    as_json: bool,
) -> None:
    """Open RUN again, which failed or was cancelled, and run only what did not succeed.

    With TASK only these tasks run, with what they need and what needs them. Of a completed run the
    tasks must be named: they run again, with all that needs them. The code is that of the
    workers, the inputs are those of the run. A serving coordinator leads the run, or `resume`.

    In place of RUN the options choose failed and cancelled runs: --state, --label, --namespace,
    --since, --older. Then the command asks first, on a terminal. Exit code 1 if any is refused.

    \b
    Example: astrum-coordinator retry 20260131-235959-a1b2c3d4
             astrum-coordinator retry bill-A-17 send_invoice --attach
             astrum-coordinator retry --state failed --label team=data --since 2h
    """
    if run_id is None or not chosen.is_empty:
        if now or attach:
            raise click.UsageError("--now and --attach are about one run: name it")
        names = () if run_id is None else (run_id,)
        ctx.exit(_retry_all(server, chosen_runs(server, names, chosen, UNSUCCESSFUL), yes, as_json))

    async def question(coordinator: Coordinator, found: str) -> Retry:
        return await coordinator.retry(found, tasks, now=now)

    done = ask_about(server, run_id, question)
    if as_json:
        print_json(asdict(done))
    else:
        say(_text(done))
    if attach:
        from astrum_coordinator.cli.submit import tell_end

        ctx.exit(tell_end(require_redis(server), done.run_id))


def _retry_all(
    server: ServerOptions, run_ids: tuple[str, ...], yes: bool, as_json: bool
) -> ExitCode:
    """Try runs again, each for itself; return the exit code."""
    from astrum.errors import RetryRefusedError

    question = f"Run again what did not succeed in {runs_text(run_ids)}?"
    if run_ids and not is_confirmed(question, yes, "nothing runs again"):
        return ExitCode.FAILED
    left, done, refused = list(run_ids), [], []

    async def retry_each(coordinator: Coordinator) -> None:
        while left:  # what was done is not done again if the server has to be asked twice
            try:
                done.append(await coordinator.retry(left[0]))
            except RetryRefusedError as error:
                refused.append(str(error))
            del left[0]

    if run_ids:
        ask(server, retry_each)
    for line in refused:
        say(f"error: {line}")
    if as_json:
        print_json([asdict(one) for one in done])
    else:
        for one in done:
            say(_text(one))
    return ExitCode.FAILED if refused else ExitCode.DONE


def _text(done: Retry) -> str:
    from astrum.errors import listed
    from astrum_coordinator.display.report_view import count_text

    how = "run again" if done.reopened else "wait no longer for their next attempt"
    count = count_text(len(done.tasks), "task")
    return f"run {done.run_id}: {count} {how}: {listed(done.tasks, _NAMED)}"
