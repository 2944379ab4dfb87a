"""The option ``--attach``: follow a run that exists already instead of refusing its id."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from astrum.runtime.cli.commands import say
from astrum.runtime.cli.options import option

if TYPE_CHECKING:
    from astrum_coordinator.app import Coordinator


attach_option = option(
    "--attach",
    is_flag=True,
    help="With --run-id: wait for its end, also if that run exists already; if it is over, give "
    "its report.",
)


def check_attach(attach: bool, run_id: str | None, *, local: bool = False) -> None:
    """Raise ``click.UsageError`` for ``--attach`` where there is no run to attach to."""
    if attach and local:
        raise click.UsageError("--local uses no server, so there is no run to --attach to")
    if attach and run_id is None:
        raise click.UsageError("--attach is about one run: name it by --run-id")


async def has_ended(coordinator: Coordinator, run_id: str | None, attach: bool) -> bool:
    """Return whether the run has ended; raises `RunEndedError` if it has, without ``attach``.

    Says so if a run with this id has ended, and only its chronicle is left.
    """
    from astrum.errors import RunEndedError
    from astrum_coordinator.display.report_view import state_text

    info = None if run_id is None else await coordinator.run_info(run_id)
    if info is None and run_id is not None and await coordinator.has_chronicle(run_id):
        say(
            f"an earlier run {run_id} has ended, and only its chronicle is left: this is a new "
            "run, and its chronicle will replace that one"
        )
    if info is None or info.is_open:
        return False
    if not attach:
        raise RunEndedError(
            f"run {run_id} {state_text(info.state)} already, so nothing was started: take another "
            f"--run-id, or add --attach for its report"
        )
    return True
