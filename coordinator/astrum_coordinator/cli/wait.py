"""The command ``wait``: wait for the end of a run that another process leads."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import TYPE_CHECKING, NamedTuple

import click

from astrum.runtime.cli.commands import say
from astrum.runtime.cli.options import Duration, ServerOptions, option, server_options
from astrum.runtime.exit_codes import ExitCode
from astrum_coordinator.cli import output
from astrum_coordinator.cli.arguments import run_argument
from astrum_coordinator.cli.asking import find_run, patient_coordinator
from astrum_coordinator.cli.options import json_option, log_option, require_redis

if TYPE_CHECKING:
    from astrum.machine import ExecutionReport
    from astrum.redis.settings import RedisSettings
    from astrum_coordinator.app import Coordinator
    from astrum_coordinator.cli.interrupts import Interrupts
    from astrum_coordinator.display.progress import RunProgress


@click.command(short_help="Wait for the end of a run.")
@run_argument
@server_options
@option("--timeout", type=Duration(), help="Wait for so long at most: 90, 15m, 2h.")
@json_option
@option(
    "--watch",
    envvar="ASTRUM_WAIT_WATCH",
    is_flag=True,
    help="Show how far the run is, also if standard error is not a terminal.",
)
@option("-q", "--quiet", is_flag=True, help="Say nothing unless the run fails.")
@log_option
@click.pass_context
def wait(
    ctx: click.Context,
    run_id: str,
    server: ServerOptions,
    timeout: float | None,
    as_json: bool,
    watch: bool,
    quiet: bool,
) -> None:
    """Wait for the end of RUN without leading it, and print how it ended.

    On a terminal it shows how far the run is, as `show --watch` does. Another process has to lead
    it: `serve`, or the `run` that started it. The exit code is 0 for a completed run, 1 for another
    end, and 1 if it is still open after --timeout.
    """
    if watch and quiet:
        raise click.UsageError("--watch shows the run, --quiet says nothing: give one of them")
    settings = require_redis(server)
    run_id = find_run(server, run_id)
    watch = watch or (output.has_terminal() and not quiet)
    with output.stdout_for(as_json) as stdout:
        report, code, progress = see_end(
            settings, run_id, timeout, with_results=as_json, watch=watch
        )
        if report is not None:
            output.tell(report, progress, quiet)
            if not output.deliver(report, None, stdout if as_json else None):
                code = code or ExitCode.NOT_HANDED_OVER
    ctx.exit(code)


async def say_wait(coordinator: Coordinator, run_id: str, otherwise: str = "") -> None:
    """Say until when a run waits for its time, or what else is the case."""
    from astrum_coordinator.display.report_view import wait_text

    info = await coordinator.run_info(run_id)
    waits_until = None if info is None else info.waits_until
    text = otherwise if waits_until is None else wait_text(waits_until)
    if text:
        say(f"run {run_id} {text}")


class SeenEnd(NamedTuple):
    """The report of a run that has ended, `None` if it has not; the exit code; what was shown."""

    report: ExecutionReport | None
    code: int
    progress: RunProgress | None = None


def see_end(
    settings: RedisSettings,
    run_id: str,
    timeout_s: float | None,
    *,
    with_results: bool,
    watch: bool = False,
) -> SeenEnd:
    """Wait for the end of a run; with ``watch`` show how far it is meanwhile."""
    from astrum_coordinator.cli.interrupts import Interrupts
    from astrum_coordinator.cli.run import end_code

    interrupts = Interrupts()
    progress: RunProgress | None = None

    async def work(interrupts: Interrupts) -> ExecutionReport | None:
        nonlocal progress
        try:
            async with patient_coordinator(settings) as coordinator:
                await say_wait(coordinator, run_id)
                progress = await _progress(coordinator, run_id) if watch else None
                async with _shown(coordinator, run_id, progress):
                    return await coordinator.wait(run_id, timeout_s=timeout_s, results=with_results)
        except asyncio.CancelledError:
            if not interrupts.received:
                raise
            return None

    try:
        report = interrupts.run(work)
    except TimeoutError:
        say(f"run {run_id} is still open after {timeout_s:g} s; show {run_id} says what it does")
        return SeenEnd(None, ExitCode.FAILED)
    if report is None:
        say(f"run {run_id} continues; this command waits for it no longer")
        return SeenEnd(None, interrupts.exit_code)
    return SeenEnd(report, end_code(report, interrupts), progress)


async def _progress(coordinator: Coordinator, run_id: str) -> RunProgress:
    from astrum_coordinator.cli.watch_run import progress_of

    return await progress_of(coordinator, run_id)


def _shown(
    coordinator: Coordinator, run_id: str, progress: RunProgress | None
) -> AbstractAsyncContextManager[None]:
    if progress is None:
        return nullcontext()
    from astrum_coordinator.cli.watch_run import followed

    return followed(coordinator, run_id, progress)
