"""How a command ends: exit codes, and errors as sentences instead of tracebacks."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from difflib import get_close_matches
from typing import Any

import click

DONE, FAILED, WRONG_USAGE, INTERRUPTED = 0, 1, 2, 130
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Errors of a place that takes no more."""


class Commands(click.Group):
    """A group that says what went wrong where an `AstrumError` comes up."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; an `AstrumError` becomes a message and an exit code."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            say("interrupted")
            ctx.exit(INTERRUPTED)
        except Exception as error:
            code = exit_code(error)
            if code is None:
                raise
            say(describe(error))
            _empty_stdout()
            ctx.exit(code)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; for a misspelt one name the nearest."""
        known = get_close_matches(args[0], self.commands, n=1) if args else []
        if known and args[0] not in self.commands:
            ctx.fail(f"no such command {args[0]!r}; did you mean {known[0]!r}?")
        if args and args[0].partition(":")[0].endswith(".py"):
            ctx.fail(f"no such command {args[0]!r}; did you mean 'run {args[0]}'?")
        return super().resolve_command(ctx, args)


def exit_code(error: Exception) -> int | None:
    """Return the exit code of an error that the user can do something about, else `None`."""
    from astrum.errors import AstrumError, SchedulerError, StoreConfigurationError

    if isinstance(error, (SchedulerError, StoreConfigurationError)):
        return WRONG_USAGE
    is_full = isinstance(error, OSError) and error.errno in FULL
    return FAILED if is_full or isinstance(error, AstrumError) else None


def describe(error: Exception) -> str:
    """Return the error for people; of a module that fails to load, the user's own traceback."""
    from astrum.errors import FlowImportError

    text = f"error: {error}"
    if isinstance(error, OSError):
        text = f"error: {error.filename or 'the output'} cannot be written: {error.strerror}"
    if isinstance(error, FlowImportError) and error.user_traceback:
        text = f"{error.user_traceback.rstrip()}\n\n{text} (in this process, the coordinator)"
    return text


def _empty_stdout() -> None:
    """Let go of what standard output could not take: the interpreter would try again at its end."""
    with suppress(OSError, ValueError):  # it may be closed, or no file
        try:
            sys.stdout.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def say(line: str) -> None:
    """Write a line for people, to standard error."""
    click.echo(line, file=sys.stderr)
