"""The commands ``pause`` and ``unpause``: hold back what is new, and let it go on."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from astrum.runtime.cli.commands import say
from astrum.runtime.cli.options import ServerOptions, option, server_options
from astrum.runtime.exit_codes import ExitCode
from astrum_coordinator.cli.asking import ask
from astrum_coordinator.cli.completion import queue_names
from astrum_coordinator.cli.options import json_option, log_option
from astrum_coordinator.cli.printing import print_json, print_table

if TYPE_CHECKING:
    from rich.table import Table

    from astrum.protocol.pauses import Pauses, PauseTarget
    from astrum_coordinator.app import Coordinator

COLUMNS = ("Paused", "Name", "By", "Since", "Reason")
_SAID = 5


class Named(NamedTuple):
    """What the options of a command line name."""

    queues: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()

    def targets(self) -> list[PauseTarget]:
        """Return what is named."""
        from astrum_coordinator.asking.operations import pause_targets

        return pause_targets(*self) if any(self) else []


def _targets(verb: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declare the options that name queues, namespaces and tasks.

    They have variables of their own: ``ASTRUM_QUEUE`` is meant for workers.
    """

    def declare(command: Callable[..., Any]) -> Callable[..., Any]:
        for name, metavar in (("task", "NAMESPACE/TASK"), ("namespace", "NAME"), ("queue", "NAME")):
            command = option(
                f"--{name}",
                f"{name}s",
                multiple=True,
                envvar=f"ASTRUM_{verb.upper()}_{name.upper()}",
                metavar=metavar,
                help=f"A {name} to {verb}. Repeatable.",
                shell_complete=queue_names if name == "queue" else None,
            )(command)
        return command

    return declare


@click.command(short_help="Let nothing new of a queue, namespace or task begin.")
@_targets("pause")
@option("--reason", default="", help="Shown wherever the pause is shown.")
@option(
    "--anyway",
    envvar="ASTRUM_PAUSE_ANYWAY",
    is_flag=True,
    help="Also what no live worker and no open run has: it may come.",
)
@option(
    "--list", "only_list", envvar="ASTRUM_PAUSE_LIST", is_flag=True, help="Show what is paused."
)
@server_options
@json_option
@log_option
def pause(
    server: ServerOptions,
    reason: str,
    anyway: bool,
    only_list: bool,
    as_json: bool,
    **targets: tuple[str, ...],
) -> None:
    """Dispatch nothing new of the named queues, namespaces and tasks until `unpause`.

    What runs goes on to its end, and retries wait. Prints all pauses that there are then.

    \b
    Example: astrum-coordinator pause --queue cpu --task etl/load --reason "disk is full"
    Then:    astrum-coordinator pause --list
    """
    named = Named(**targets)
    if not only_list and not any(named):
        raise click.UsageError(
            "pause what? Give --queue, --namespace or --task; --list shows what is paused"
        )

    async def question(coordinator: Coordinator) -> Pauses:
        if only_list:
            return await coordinator.paused()
        return await coordinator.pause(**named._asdict(), reason=reason, anyway=anyway)

    _print(ask(server, question), as_json)


@click.command(short_help="End pauses.")
@_targets("unpause")
@option("--all", "everything", envvar="ASTRUM_UNPAUSE_ALL", is_flag=True, help="End all pauses.")
@server_options
@json_option
@log_option
@click.pass_context
def unpause(
    ctx: click.Context,
    /,
    server: ServerOptions,
    everything: bool,
    as_json: bool,
    **targets: tuple[str, ...],
) -> None:
    """Dispatch again what was paused; prints the pauses that are left.

    Exit code 1 if one of the named was not paused; the others are not paused any more.

    \b
    Example: astrum-coordinator unpause --queue cpu
    """
    named = Named(**targets)
    if everything == any(named):
        raise click.UsageError("unpause what? Give --queue, --namespace or --task, or --all")

    async def question(coordinator: Coordinator) -> tuple[Pauses, Pauses]:
        before = await coordinator.paused()
        asked = names_of(before) if everything else named
        if any(asked):
            await coordinator.unpause(**asked._asdict())
        return before, await coordinator.paused()

    before, left = ask(server, question)
    _print(left, as_json)
    missed = [str(target) for target in named.targets() if before.get(target) is None]
    for target in missed:
        say(f"{target} was not paused")
    ctx.exit(ExitCode.FAILED if missed else ExitCode.DONE)


def names_of(pauses: Pauses) -> Named:
    """Return the names of all that is paused."""
    found: dict[str, list[str]] = {name: [] for name in Named._fields}
    for one in pauses:
        found[f"{one.target.kind}s"].append(one.target.name)
    return Named(**{name: tuple(names) for name, names in found.items()})


def _print(pauses: Pauses, as_json: bool) -> None:
    if as_json:
        print_json(pauses_to_json(pauses))
    else:
        print_table(pauses_table(pauses), "" if pauses else "nothing is paused")


def pauses_to_json(pauses: Pauses) -> list[dict[str, Any]]:
    """Return one object per pause."""
    return [
        {
            "kind": str(one.target.kind),
            "name": one.target.name,
            "by": one.by,
            "at": one.at,
            "reason": one.reason,
        }
        for one in pauses
    ]


def pauses_table(pauses: Pauses) -> Table:
    """Return one row per pause."""
    from astrum_coordinator.display.report_view import plain_table, time_text
    from astrum_coordinator.display.texts import Text

    table = plain_table(*COLUMNS)
    for one in pauses:
        cells = (str(one.target.kind), one.target.name, one.by, time_text(one.at), one.reason)
        table.add_row(*map(Text, cells))
    return table


def how_to_end(kind: str, name: str) -> str:
    """Return what ends a pause, as one would type it."""
    return f"`unpause --{kind} {shlex.quote(name)}` ends that"


def say_paused(pauses: Pauses) -> None:
    """Say below a table what is paused, since it explains why nothing begins."""
    for one in list(pauses)[:_SAID]:
        say(f"{one}; {how_to_end(one.target.kind, one.target.name)}")
    if len(pauses) > _SAID:
        say(f"and {len(pauses) - _SAID:,} more are paused: see `pause --list`")
