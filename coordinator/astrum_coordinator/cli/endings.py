"""How a command ends: exit codes, and errors as sentences instead of tracebacks."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from difflib import get_close_matches
from typing import Any

import click


class Commands(click.Group):
    """A group that says what went wrong where an `AstrumError` comes up."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; an `AstrumError` becomes a message and an exit code."""
        try:
            return super().invoke(ctx)
        except (KeyboardInterrupt, Exception) as error:
            from astrum.exit_codes import exit_code_of

            code = exit_code_of(error)
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


def describe(error: BaseException) -> str:
    """Return the error for people; of a module that fails to load, the user's own traceback."""
    from astrum.errors import FlowImportError

    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
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
