"""Ends commands: exit codes, and errors as sentences instead of tracebacks."""

from __future__ import annotations

import signal
from difflib import get_close_matches
from types import FrameType
from typing import Any, NoReturn

import click

from astrum.runtime.command_line import SteadyCommand
from astrum.runtime.standard_streams import let_go_of_stdout, say_line
from astrum.runtime.visible_text import visible_text
from astrum_coordinator.cli.printing import OutputFailed


class Commands(SteadyCommand, click.Group):
    """A group of commands that prints an `AstrumError` as a message."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; an `AstrumError` becomes a message and an exit code."""
        signal.signal(signal.SIGTERM, _terminated)
        try:
            return super().invoke(ctx)
        except (KeyboardInterrupt, Exception) as error:
            code = exit_code(error)
            if code is None:
                raise
            say(describe(error))
            let_go_of_stdout()
            ctx.exit(code)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; for a misspelt one, suggest the nearest."""
        known = get_close_matches(args[0], self.commands, n=1) if args else []
        if known and args[0] not in self.commands:
            ctx.fail(f"no such command {args[0]!r}; did you mean {known[0]!r}?")
        if args and args[0].partition(":")[0].endswith(".py"):
            ctx.fail(f"no such command {args[0]!r}; did you mean 'run {args[0]}'?")
        return super().resolve_command(ctx, args)


def _terminated(number: int, frame: FrameType | None) -> NoReturn:
    """Exit in order with the code for the signal; commands with more to do handle it themselves."""
    from astrum.runtime.exit_codes import after_signal

    raise SystemExit(after_signal(number))


def exit_code(error: BaseException) -> int | None:
    """Return the exit code of an error that is printed as a sentence, else `None`."""
    from astrum.runtime.exit_codes import ExitCode, exit_code_of

    is_output = isinstance(error, OutputFailed)
    return ExitCode.NOT_HANDED_OVER if is_output else exit_code_of(error)


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


def say(line: str) -> None:
    """Write a line for people, to standard error, with control characters as escapes."""
    say_line(visible_text(line))
