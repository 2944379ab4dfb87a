"""The command ``plan``: show the tasks of a flow, their order, and where parameters come from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, TYPE_CHECKING, Any

import click

from astrum.runtime.cli.commands import say
from astrum.runtime.cli.options import ServerOptions, option, server_options
from astrum.runtime.exit_codes import ExitCode
from astrum_coordinator.cli.asking import ask
from astrum_coordinator.cli.flows import FlowChoice, flow_options, load_flow
from astrum_coordinator.cli.inputs import (
    InputArguments,
    inputs_options,
    read_inputs,
    without_missing,
)
from astrum_coordinator.cli.options import log_option
from astrum_coordinator.cli.output import reserved_stdout
from astrum_coordinator.cli.printing import print_json, print_text, print_view
from astrum_coordinator.cli.taking_over import FromArguments, from_options, reason_table, to_json

if TYPE_CHECKING:
    from astrum.execution.invoke import Flow
    from astrum_coordinator.app import Coordinator
    from astrum_coordinator.asking.taking_over import TakeOver

FORMATS = ("table", "mermaid", "dot", "json")


@click.command(short_help="Show what would run, without running it.")
@flow_options
@option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    default="table",
    show_default=True,
    help="What to print.",
)
@inputs_options
@from_options
@server_options
@log_option
@click.pass_context
def plan(
    ctx: click.Context,
    /,
    form: str,
    given: InputArguments,
    from_run: FromArguments | None,
    server: ServerOptions,
    **rest: Any,
) -> None:
    """Show the plan of MODULE without running it: stages, dependencies, inputs, data transport.

    With --input and --inputs it shows the values as well. What is wrong with them follows
    the plan, and the exit code is 2.

    With --from RUN it shows what a new run would take over from RUN, and why the other tasks run.
    """
    # What the modules print during their import is not part of the plan.
    with reserved_stdout() as stdout:
        flow = load_flow(FlowChoice(**rest), fingerprints=from_run is not None)
        found = read_inputs(flow, given)
        taken = None
        if from_run is not None:
            taken = asked(server, flow, from_run, found.values)
            found = without_missing(flow, found, taken.inputs)._replace(values={**taken.values})
        show(form, flow, found.values, taken, stdout)
    for mistake in found.mistakes:
        say(mistake)
    if found.mistakes and given != InputArguments():
        ctx.exit(ExitCode.WRONG_USAGE)


def asked(
    server: ServerOptions, flow: Flow, from_run: FromArguments, inputs: Mapping[str, Any]
) -> TakeOver:
    """Return what a new run with these inputs would take over."""

    async def question(coordinator: Coordinator) -> TakeOver:
        wish = await from_run.wish(coordinator)
        return await coordinator.taken_over(flow, wish, inputs=inputs)

    return ask(server, question)


def show(
    form: str, flow: Flow, values: Mapping[str, Any], taken: TakeOver | None, stdout: IO[str]
) -> None:
    """Print the plan in one of the `FORMATS`."""
    from astrum_coordinator.display import plan_view

    if form == "json":
        data = plan_view.plan_to_json(flow, values)
        data |= {} if taken is None else {"from": to_json(taken)}
        print_json(data, stdout, indent=2)
    elif form == "table":
        print_view(plan_view.plan_view(flow, values), stdout)
        if taken is not None:
            print_view(reason_table(taken), stdout)
    else:
        draw = plan_view.mermaid if form == "mermaid" else plan_view.dot
        print_text(draw(flow, values), stdout)
