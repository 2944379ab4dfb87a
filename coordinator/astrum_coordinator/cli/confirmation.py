"""Asks a person before something is deleted or ended; programs are not asked."""

from __future__ import annotations

import sys

import click

from astrum.runtime.cli.commands import say
from astrum.runtime.cli.options import option

yes_option = option("--yes", is_flag=True, help="Do not ask on a terminal.")


def is_confirmed(question: str, yes: bool, otherwise: str = "nothing was deleted") -> bool:
    """Return whether to go on: asks if a person is there, unless ``yes``.

    If not, it says ``otherwise``.
    """
    if yes or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return True
    try:
        if click.confirm(question, err=True):
            return True
    except click.Abort as abort:  # click would end both with exit code 1
        if isinstance(abort.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from None
    say(otherwise)
    return False
