"""``submit``: store a run for whichever coordinator serves the pool."""

from __future__ import annotations

import asyncio
from typing import Any

import click

from astrum_coordinator.cli.flows import Selection, load_flow, selection_options
from astrum_coordinator.cli.options import (
    log_option,
    option,
    prefix_option,
    redis_option,
    require_redis,
    run_id_option,
)
from astrum_coordinator.cli.output import reserved_stdout


@click.command(short_help="Store a run for a serving coordinator.")
@selection_options
@redis_option
@prefix_option
@run_id_option
@option("--timeout", type=click.FloatRange(min=0, min_open=True), help="Seconds for the whole run.")
@log_option
def submit(
    redis_url: str | None,
    prefix: str | None,
    run_id: str | None,
    timeout: float | None,
    **rest: Any,
) -> None:
    """Plan MODULE, store the run and print its id; a serving coordinator leads it.

    The same --run-id with the same plan is the same run, so repeating a submit is safe.
    """
    settings = require_redis(redis_url, prefix)
    with reserved_stdout() as stdout:
        flow = load_flow(Selection(**rest), fingerprints=True)

        async def store() -> str:
            from astrum_coordinator.app import Coordinator

            async with Coordinator(settings) as coordinator:
                return await coordinator.submit_flow(flow, run_id=run_id, timeout_s=timeout)

        click.echo(asyncio.run(store()), file=stdout)
