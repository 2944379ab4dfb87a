"""The commands ``publish``, ``flows`` and ``unpublish``: what services may start by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from astrum.runtime.cli.commands import say
from astrum.runtime.cli.options import ServerOptions, server_options
from astrum_coordinator.cli.asking import ask
from astrum_coordinator.cli.flows import FlowChoice, flow_options, load_flow
from astrum_coordinator.cli.options import json_option, log_option, require_redis
from astrum_coordinator.cli.output import reserved_stdout
from astrum_coordinator.cli.printing import print_json, print_table, print_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from astrum.protocol.published_flows import PublishedFlow

COLUMNS = ("Flow", "Targets", "Published", "By", "Modules")


@click.command(short_help="Publish a flow, for services to start by name.")
@flow_options
@server_options
@log_option
def publish(server: ServerOptions, **rest: Any) -> None:
    """Plan MODULE and publish the flow under the name of its namespace, which is printed.

    Clients can start it then without its code. It takes the place of an earlier one of that name;
    runs that exist go on as they are. Workers must serve the same modules.

    \b
    Example: astrum-coordinator publish billing.py
    """
    require_redis(server)
    with reserved_stdout() as stdout:
        flow = load_flow(FlowChoice(**rest), fingerprints=True)
        published = ask(server, lambda coordinator: coordinator.publish(flow))
        print_text(published.name, stdout)


@click.command(short_help="List the published flows.")
@server_options
@json_option
@log_option
def flows(server: ServerOptions, as_json: bool) -> None:
    """List the flows that clients can start by name, with the tasks whose results they give."""
    found = ask(server, lambda coordinator: coordinator.flows())
    if as_json:
        print_json([one._asdict() | {"targets": list(one.targets)} for one in found])
    else:
        hint = "no flows: `astrum-coordinator publish MODULE` publishes one"
        print_table(flows_table(found), "" if found else hint)


@click.command(short_help="Remove a published flow.")
@click.argument("name", metavar="FLOW")
@server_options
@log_option
def unpublish(server: ServerOptions, name: str) -> None:
    """Remove FLOW from the published ones: clients cannot start it by name any more.

    Its runs go on. Publish it again at any time.
    """
    ask(server, lambda coordinator: coordinator.unpublish(name))
    say(f"flow {name} is not published any more")


def flows_table(found: Sequence[PublishedFlow]) -> Table:
    """Return one row per flow."""
    from astrum_coordinator.display.report_view import plain_table, time_text
    from astrum_coordinator.display.texts import Text

    table = plain_table(*COLUMNS)
    for one in found:
        at = time_text(one.published_at)
        table.add_row(*map(Text, (one.name, ", ".join(one.targets), at, one.by, one.modules)))
    return table
