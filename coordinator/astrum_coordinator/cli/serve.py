"""The commands ``serve`` and ``resume``: lead runs that exist already."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import click

from astrum.runtime.cli.commands import say
from astrum.runtime.cli.options import Duration, ServerOptions, option, server_options
from astrum.runtime.exit_codes import ExitCode, after_stop
from astrum_coordinator.cli import output
from astrum_coordinator.cli.arguments import run_argument
from astrum_coordinator.cli.asking import find_run, patient_coordinator
from astrum_coordinator.cli.http_answers import http_option, listening
from astrum_coordinator.cli.options import (
    json_option,
    log_option,
    require_redis,
    result_ttl_option,
    service_log_option,
    set_up_log,
    unserved_option,
    versions_option,
)
from astrum_coordinator.cli.shown_run import shown

if TYPE_CHECKING:
    from astrum.machine import ExecutionReport
    from astrum.redis.settings import RedisSettings
    from astrum.runtime.service_manager import ServiceManager
    from astrum_coordinator.app import Coordinator
    from astrum_coordinator.cli.interrupts import Interrupts
    from astrum_coordinator.display.progress import RunProgress


class HistoryLife(Duration):
    """A duration, or ``none``, which becomes 0."""

    advice = "write 30d, 12h or none"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the seconds."""
        from astrum_coordinator.config import check_history

        seconds = 0.0 if value == "none" else super().convert(value, param, ctx)
        try:
            check_history(seconds)
        except ValueError:
            self.fail(f"{value!r} is longer than 3650d", param, ctx)
        return seconds


history_option = option(
    "--history",
    "history_s",
    type=HistoryLife(),
    metavar="DURATION|none",
    help="How long the chronicles of ended runs are kept, for `show` and `export`: 12h, 30d.  "
    "[default: 30d]",
)


@click.command(short_help="Lead every run that has no leader.")
@server_options
@versions_option
@unserved_option
@result_ttl_option
@history_option
@http_option
@service_log_option
@click.pass_context
def serve(
    ctx: click.Context,
    /,
    server: ServerOptions,
    http_address: tuple[str, int] | None,
    **chosen: Any,
) -> None:
    """Lead every run that has no leader, until stopped; needs none of the runs' code.

    --versions, --unserved-limit and --result-ttl are for runs that were submitted without them.
    --history is for the runs that end here.
    With --http it also answers GET /live, /ready, /metrics (for Prometheus) and /status, and for
    autoscalers /queues, with what `queues --json` prints.

    On SIGTERM or Ctrl-C it stops leading its runs, and another coordinator may lead them.
    """
    from astrum.runtime.service_manager import take_service_manager
    from astrum_coordinator.cli.interrupts import Interrupts

    settings = require_redis(server)
    set_up_log(ctx, "info")
    interrupts = Interrupts()
    config = {name: value for name, value in chosen.items() if value is not None}
    coordinator = patient_coordinator(settings, **config)
    manager = take_service_manager()
    interrupts.run(lambda one: _serve(settings, coordinator, http_address, manager, one))
    ctx.exit(after_stop(interrupts.received))


async def _serve(
    settings: RedisSettings,
    opening: Coordinator,
    http_address: tuple[str, int] | None,
    manager: ServiceManager,
    interrupts: Interrupts,
) -> None:
    try:
        async with opening as coordinator:
            line = f"serving {settings.masked_url}, prefix {settings.prefix!r}"
            say(line)
            async with listening(coordinator, http_address), reported(manager, line):
                await coordinator.serve()
    except asyncio.CancelledError:
        if not interrupts.received:
            raise


@asynccontextmanager
async def reported(manager: ServiceManager, line: str) -> AsyncIterator[None]:
    """Tell the service manager that this process serves while entered, then that it stops."""
    from astrum.runtime.service_manager import READY, STOPPING

    manager.tell_status(line, READY)
    watching = asyncio.create_task(_say_alive(manager))
    try:
        yield
    finally:
        watching.cancel()
        manager.tell_status("stopping", STOPPING)


async def _say_alive(manager: ServiceManager) -> None:
    while manager.every_s is not None:
        manager.tell_alive()
        await asyncio.sleep(manager.every_s)


@click.command(short_help="Lead an existing run to its end.")
@run_argument
@server_options
@json_option
@option("-q", "--quiet", is_flag=True, help="Say nothing unless the run fails.")
@log_option
@click.pass_context
def resume(
    ctx: click.Context,
    run_id: str,
    server: ServerOptions,
    as_json: bool,
    quiet: bool,
) -> None:
    """Lead RUN to its end, also after another coordinator led it, and print how it ended.

    While another coordinator leads it, this one follows it. Ctrl-C stops leading the run without
    cancelling it.
    """
    from astrum_coordinator.cli.interrupts import Interrupts
    from astrum_coordinator.cli.run import end_code
    from astrum_coordinator.display.progress import RunProgress

    settings = require_redis(server)
    run_id = find_run(server, run_id)
    progress, interrupts = RunProgress(), Interrupts()
    with output.stdout_for(as_json) as stdout:
        report = interrupts.run(lambda i: _resume(settings, run_id, progress, quiet, i))
        if report is None:
            say(f"stopped leading run {run_id}; `resume` or `cancel` it, or leave it to `serve`")
            ctx.exit(interrupts.exit_code)
        output.tell(report, progress, quiet)
        is_delivered = output.deliver(report, None, stdout if as_json else None)
    code = end_code(report, interrupts)
    ctx.exit(code if is_delivered else code or ExitCode.NOT_HANDED_OVER)


async def _resume(
    settings: RedisSettings,
    run_id: str,
    progress: RunProgress,
    quiet: bool,
    interrupts: Interrupts,
) -> ExecutionReport | None:
    try:
        async with (
            patient_coordinator(settings) as coordinator,
            shown(coordinator, run_id, progress, quiet),
        ):
            return await coordinator.resume(run_id, observer=progress)
    except asyncio.CancelledError:
        if not interrupts.received:
            raise
        return None
