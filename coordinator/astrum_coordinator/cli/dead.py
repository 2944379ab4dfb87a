"""The command ``dead``: lists, shows and clears dead letters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from astrum.runtime.cli.commands import say
from astrum.runtime.cli.options import ServerOptions, option, server_options
from astrum.runtime.exit_codes import ExitCode
from astrum_coordinator.cli.asking import ask
from astrum_coordinator.cli.confirmation import is_confirmed, yes_option
from astrum_coordinator.cli.options import json_option, log_option
from astrum_coordinator.cli.printing import print_json, print_table, print_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from astrum.view import DeadLetterView

COLUMNS = ("Letter", "Since", "Stream", "Run", "Task", "Bytes", "Reason")
_NONE = "no dead letters: everything in the queues could be read"


@click.command(short_help="List, show or clear dead letters.")
@click.argument("letters", nargs=-1, metavar="[LETTER]...")
@option("--clear", envvar="ASTRUM_DEAD_CLEAR", is_flag=True, help="Delete them.")
@yes_option
@server_options
@json_option
@log_option
@click.pass_context
def dead(
    ctx: click.Context,
    /,
    letters: tuple[str, ...],
    clear: bool,
    yes: bool,
    server: ServerOptions,
    as_json: bool,
) -> None:
    """List the dead letters: entries of queues that no process could read. With LETTER, show it.

    An entry becomes a dead letter if its bytes are damaged, or from a program that is not Astrum.
    The latest 1,000 are kept, for a week. --clear deletes those that are named, else all.

    \b
    Example: astrum-coordinator dead 1764380000000-0
    """
    found = ask(server, lambda coordinator: coordinator.dead_letters(*letters))
    if clear:
        what = "1 dead letter" if len(found) == 1 else f"{len(found):,} dead letters"
        if found and not is_confirmed(f"Delete {what}?", yes):
            ctx.exit(ExitCode.FAILED)
        ids = [one.letter_id for one in found]
        if ids:
            ask(server, lambda coordinator: coordinator.clear_dead_letters(*ids))
        say(f"{what} deleted" if found else _NONE)
    if as_json:
        from astrum_coordinator.display.json_values import to_json

        print_json([to_json(one) for one in found])
    elif letters and not clear:
        for one in found:
            print_text(letter_text(one))
    elif not clear:
        print_table(letters_table(found), "" if found else _NONE)


def letters_table(found: Sequence[DeadLetterView]) -> Table:
    """Return one row per dead letter."""
    from astrum_coordinator.display.report_view import plain_table, time_text
    from astrum_coordinator.display.texts import Text

    table = plain_table(*COLUMNS)
    table.columns[0].no_wrap = True
    for one in found:
        cells = (
            one.letter_id,
            time_text(one.at),
            one.stream,
            one.run_id or "-",
            task_text(one),
            f"{one.size:,}",
            one.reason,
        )
        table.add_row(*map(Text, cells))
    return table


def task_text(one: DeadLetterView) -> str:
    """Return which task and attempt a letter was for, as far as it is known."""
    if one.task is None:
        return "-"
    name = f"{one.namespace}/{one.task_id}" if one.task_id else f"number {one.task}"
    return f"{name}, attempt {one.attempt}"


def letter_text(one: DeadLetterView) -> str:
    """Return all that is known of a letter, one fact per line."""
    from astrum.runtime.visible_text import visible_name
    from astrum_coordinator.display.report_view import time_text

    shown = (len(one.hex) + 1) // 3
    rest = f" (the first {shown} of {one.size:,})" if shown < one.size else ""
    facts = {
        "letter": one.letter_id,
        "set aside": time_text(one.at),
        "from": f"{one.stream}, entry {one.entry}",
        "reason": one.reason,
        "run": one.run_id or "not readable",
        "task": task_text(one),
        "signed": "yes" if one.is_signed else "no",
        "message": one.unreadable or "whole",
        "bytes": f"{one.hex or 'none'}{rest}",
    }
    return "\n".join(f"{name + ':':<11}{visible_name(fact)}" for name, fact in facts.items())
