"""The group of all commands: how each is found, and how it ends."""

from __future__ import annotations

import signal
from difflib import get_close_matches
from types import FrameType
from typing import Any, NoReturn

import click

from astrum.runtime.cli.commands import SteadyCommand
from astrum.runtime.exit_codes import ExitCode, after_signal
from astrum_coordinator.cli.printing import OutputFailed


class Commands(SteadyCommand, click.Group):
    """The group of the coordinator's commands, which ends in order on SIGTERM."""

    process = "coordinator"

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; commands with more to do on SIGTERM handle it themselves."""
        signal.signal(signal.SIGTERM, _terminated)
        return super().invoke(ctx)

    def exit_code(self, error: BaseException) -> int | None:
        """Return the exit code of an error that is printed as a message, otherwise `None`."""
        is_output = isinstance(error, OutputFailed)
        return ExitCode.NOT_HANDED_OVER if is_output else super().exit_code(error)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; for a misspelt one, suggest the nearest."""
        if args and args[0].partition(":")[0].endswith(".py"):
            ctx.fail(f"no such command {args[0]!r}; did you mean 'run {args[0]}'?")
        known = get_close_matches(args[0], self.commands, n=1) if args else []
        if known and args[0] not in self.commands:
            ctx.fail(f"no such command {args[0]!r}; did you mean {known[0]!r}?")
        return super().resolve_command(ctx, args)


def _terminated(number: int, frame: FrameType | None) -> NoReturn:
    """Exit in order with the code for the signal."""
    raise SystemExit(after_signal(number))
