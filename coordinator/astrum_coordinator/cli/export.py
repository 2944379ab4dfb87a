"""The command ``export``: write what happened in a run to a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from astrum.runtime.cli.commands import say
from astrum.runtime.cli.options import ServerOptions, option, server_options
from astrum.runtime.exit_codes import ExitCode
from astrum_coordinator.cli import output
from astrum_coordinator.cli.arguments import run_argument
from astrum_coordinator.cli.asking import ask_about
from astrum_coordinator.cli.compare import columns_of
from astrum_coordinator.cli.completion import run_names
from astrum_coordinator.cli.options import log_option
from astrum_coordinator.cli.printing import print_text

if TYPE_CHECKING:
    from astrum.view.report.columns import RunColumns

FORMATS = ("html", "json", "csv", "perfetto")


@click.command(short_help="Write a run to a file: HTML, JSON, CSV or Perfetto.")
@run_argument
@option(
    "-o",
    "--output",
    "target",
    type=click.Path(path_type=Path),
    callback=output.checked_report_path,
    metavar="FILE",
    help="The file to write.  [default: standard output]",
)
@option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    help="What to write.  [default: by the ending of FILE; json on standard output]",
)
@option(
    "--compare",
    "other",
    metavar="OTHER",
    shell_complete=run_names,
    help="With what changed since OTHER, a run or FILE.json; in a page only.",
)
@option("--with-values", is_flag=True, help="With the inputs of the run, but secret ones.")
@option("--redact", is_flag=True, help="Without messages, tracebacks, logs and inputs.")
@server_options
@log_option
@click.pass_context
def export(
    ctx: click.Context,
    /,
    run_id: str,
    target: Path | None,
    form: str | None,
    other: str | None,
    with_values: bool,
    redact: bool,
    server: ServerOptions,
) -> None:
    """Write what happened in RUN to a file that needs no server to be read.

    html is one page, with timeline, graph, failures and critical path, that makes no request; json
    has the same as columns (docs/schemas/run-1.json); csv has a row for each attempt; perfetto is a
    trace for ui.perfetto.dev. FILE ends with .html, .json, .csv or .trace.json, or give --format.

    RUN is an id, the beginning of one, @last or @failed. No results of tasks are written. Of a run
    whose results have expired the chronicle is, which `serve --history` keeps for 30 days.

    \b
    Example: astrum-coordinator export @last -o run.html
    """
    if with_values and redact:
        raise click.UsageError("--redact leaves out what --with-values asks for: give one of them")
    chosen = form or ("json" if target is None else required_format(target))
    if other is not None and chosen != "html":
        raise click.UsageError(
            "--compare is a part of the page: give -o FILE.html; `compare RUN OTHER --json` prints "
            "what changed as JSON"
        )
    wishes = {"with_values": with_values, "redact": redact}
    columns = ask_about(server, run_id, lambda one, found: one.export(found, **wishes))
    from astrum_coordinator.display.exports import exported

    text = exported(columns, chosen, None if other is None else columns_of(server, other))
    if target is None:
        print_text(text.removesuffix("\n"))
    elif not write_export(text, target):
        ctx.exit(ExitCode.NOT_HANDED_OVER)


def is_exported(columns: RunColumns | None, path: Path, folder: Path | None) -> bool:
    """Write the columns of a run to a file; ``False`` if there are none, or it cannot be written.

    An error is printed then. The path is relative to ``folder``, by default to the current one.
    """
    from astrum_coordinator.display.exports import exported

    if columns is None:
        say(f"error: {path} is not written: there is nothing to export")
        return False
    target = path if folder is None else folder / path
    return write_export(exported(columns, required_format(path)), target)


def checked_export_path(
    ctx: click.Context, param: click.Parameter, value: Path | None
) -> Path | None:
    """Refuse a file that could not be written, or whose ending means no format."""
    path = output.checked_report_path(ctx, param, value)
    if path is not None:
        required_format(path)
    return path


export_option = option(
    "-o",
    "--export",
    type=click.Path(path_type=Path),
    callback=checked_export_path,
    metavar="FILE",
    help="Also write a report of the run: FILE.html, .json, .csv or .trace.json.",
)


def required_format(path: Path) -> str:
    """Return the format that the ending of a file means; raises ``click.UsageError`` for others."""
    from astrum_coordinator.display.exports import format_of

    form = format_of(path)
    if form is None:
        raise click.UsageError(
            f"{path} does not say what to write: end it with .html, .json, .csv or .trace.json, "
            "or give --format"
        )
    return form


def write_export(text: str, path: Path) -> bool:
    """Write an export; prints an error and returns ``False`` if it cannot be written."""
    try:
        output.write_safely(path, lambda file: print_text(text.removesuffix("\n"), file))
    except OSError as error:
        say(f"error: {path} cannot be written: {error.strerror or error}")
        return False
    return True
