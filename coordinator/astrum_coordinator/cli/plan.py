"""The command ``plan``: show the tasks of a flow, their order, and where parameters come from."""

from __future__ import annotations

from typing import Any

import click

from astrum.runtime.cli.commands import say
from astrum.runtime.cli.options import option
from astrum.runtime.exit_codes import ExitCode
from astrum_coordinator.cli.flows import FlowChoice, flow_options, load_flow
from astrum_coordinator.cli.inputs import InputArguments, inputs_options, read_inputs
from astrum_coordinator.cli.options import log_option
from astrum_coordinator.cli.output import reserved_stdout
from astrum_coordinator.cli.printing import print_json, print_text, print_view

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
@log_option
@click.pass_context
def plan(ctx: click.Context, /, form: str, given: InputArguments, **rest: Any) -> None:
    """Show the plan of MODULE without running it: stages, dependencies, inputs, data transport.

    With --input and --inputs it shows the values as well. What is wrong with them follows
    the plan, and the exit code is 2.
    """
    # What the modules print during their import is not part of the plan.
    with reserved_stdout() as stdout:
        flow = load_flow(FlowChoice(**rest), fingerprints=False)
        found = read_inputs(flow, given)
        from astrum_coordinator.display import plan_view

        if form == "json":
            print_json(plan_view.plan_to_json(flow, found.values), stdout, indent=2)
        elif form == "table":
            print_view(plan_view.plan_view(flow, found.values), stdout)
        else:
            draw = plan_view.mermaid if form == "mermaid" else plan_view.dot
            print_text(draw(flow, found.values), stdout)
    for mistake in found.mistakes:
        say(mistake)
    if found.mistakes and given != InputArguments():
        ctx.exit(ExitCode.WRONG_USAGE)
