"""The command ``compare``: what changed from one run to another."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from astrum.runtime.cli.options import ServerOptions, option, server_options
from astrum_coordinator.cli.arguments import run_argument
from astrum_coordinator.cli.asking import ask_about
from astrum_coordinator.cli.completion import run_names
from astrum_coordinator.cli.options import json_option, log_option
from astrum_coordinator.cli.printing import print_json, print_view

if TYPE_CHECKING:
    from astrum.view.report.columns import RunColumns


@click.command(short_help="Say what changed from one run to another.")
@run_argument
@click.argument("other", metavar="OTHER", shell_complete=run_names)
@option("--all", "everything", is_flag=True, help="All tasks that changed, not only 30.")
@server_options
@json_option
@log_option
def compare(
    run_id: str, other: str, everything: bool, server: ServerOptions, as_json: bool
) -> None:
    """Say which tasks of RUN took longer or shorter than in OTHER, an earlier run of the flow.

    Each is a run, or a file FILE.json that `export` wrote. Tasks are matched by their ids, the
    children of a task together. A time counts as changed if it differs by more than 10 % and by
    more than 20 ms. Effect is by how much a change moved the end of the run.

    \b
    Example: astrum-coordinator compare @last nightly-0410
             astrum-coordinator compare @last last-week.json --json
    """
    from astrum.view.report.comparing import compared
    from astrum_coordinator.display.compare_view import comparison_to_json, comparison_view

    before, after = columns_of(server, other), columns_of(server, run_id)
    found = compared(before, after)
    if as_json:
        print_json(comparison_to_json(found))
    else:
        print_view(comparison_view(found, everything=everything))


def columns_of(server: ServerOptions, name: str) -> RunColumns:
    """Return the columns of a run, or those in an exported file, whose name ends with .json."""
    if not name.endswith(".json"):
        return ask_about(server, name, lambda one, found: one.export(found))
    from astrum.view.report.columns_check import checked_columns

    try:
        data = json.loads(Path(name).read_text(encoding="utf-8"))
    except OSError as error:
        raise click.UsageError(f"{name} cannot be read: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise click.UsageError(f"{name} is not an export of a run: {error}") from None
    return checked_columns(data, name)
