"""The command ``submit``: store a run, for a serving coordinator to lead."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import click

from astrum.runtime.cli.options import Duration, ServerOptions, option, server_options
from astrum_coordinator.cli.asking import patient_coordinator
from astrum_coordinator.cli.attach import attach_option, check_attach, has_ended
from astrum_coordinator.cli.flows import FlowChoice, flow_options, load_flow
from astrum_coordinator.cli.inputs import InputArguments, checked, checked_in_part, inputs_options
from astrum_coordinator.cli.options import (
    label_option,
    log_option,
    priority_option,
    require_redis,
    result_ttl_option,
    run_id_option,
    unserved_option,
    versions_option,
)
from astrum_coordinator.cli.output import reserved_stdout
from astrum_coordinator.cli.printing import print_text
from astrum_coordinator.cli.start_options import start_options
from astrum_coordinator.cli.taking_over import FromArguments, from_options
from astrum_coordinator.cli.wait import say_wait

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from astrum.redis.settings import RedisSettings


PAST = "does not wait: its time has passed"


@click.command(short_help="Store a run for a serving coordinator.")
@flow_options
@server_options
@inputs_options
@from_options
@run_id_option
@start_options
@attach_option
@label_option
@priority_option
@versions_option
@unserved_option
@option("--timeout", type=Duration(), help="How long the whole run may take: 90, 15m, 2h.")
@result_ttl_option
@log_option
@click.pass_context
def submit(
    ctx: click.Context,
    /,
    server: ServerOptions,
    run_id: str | None,
    attach: bool,
    timeout: float | None,
    result_ttl_s: float | None,
    labels: dict[str, str],
    priority: int,
    versions: str | None,
    unserved_limit_s: float | None,
    at: datetime | timedelta | None,
    given: InputArguments,
    from_run: FromArguments | None,
    **rest: Any,
) -> None:
    """Plan MODULE, store the run and print its id; a serving coordinator leads it.

    The same --run-id with the same flow and inputs is the same run, so repeating a submit is safe
    while it is open. If the run has ended, the command ends with exit code 2. With --attach the
    command waits for the end, prints how the run ended, and has its exit code.

    With --at or --delay the run waits until its time, by the server's clock, and costs nothing
    meanwhile; no process has to run then but `serve`.

    --from RUN starts a new run, for example with fixed code: what RUN has succeeded in and would
    give the same results again does not run.
    """
    from astrum_coordinator.submission import traceparent_of_environment

    check_attach(attach, run_id)
    settings = require_redis(server)
    with reserved_stdout() as stdout:
        flow = load_flow(FlowChoice(**rest), fingerprints=True)
        # What is missing may come from the earlier run.
        inputs = (checked_in_part if from_run else checked)(flow, given)

        async def store() -> str:
            async with patient_coordinator(settings) as coordinator:
                await has_ended(coordinator, run_id, attach)
                stored = await coordinator.submit_flow(
                    flow,
                    inputs=inputs.values,
                    run_id=run_id,
                    timeout_s=timeout,
                    result_ttl_s=result_ttl_s,
                    labels=labels,
                    priority=priority,
                    traceparent=traceparent_of_environment(),
                    versions=versions or "",
                    unserved_limit_s=unserved_limit_s,
                    at=at,
                    from_run=from_run and await from_run.wish(coordinator),
                )
                if at is not None:
                    await say_wait(coordinator, stored, PAST)
                return stored

        stored = asyncio.run(store())
        print_text(stored, stdout)
        if attach:
            ctx.exit(tell_end(settings, stored))


def tell_end(settings: RedisSettings, run_id: str) -> int:
    """Wait for the run's end, print how it ended, and return the exit code.

    On a terminal the run is shown meanwhile.
    """
    from astrum_coordinator.cli import output
    from astrum_coordinator.cli.wait import see_end

    watch = output.has_terminal()
    report, code, progress = see_end(settings, run_id, None, with_results=False, watch=watch)
    if report is not None:
        output.tell(report, progress, False)
    return code
