"""Commands whose outputs may break, and whose errors become messages and exit codes."""

from __future__ import annotations

import atexit
import errno
import io
import signal
import sys
from typing import Any

import click

from astrum.errors import FlowImportError, ResourceError
from astrum.runtime.cli.signals import SIGNALS
from astrum.runtime.exit_codes import ExitCode, exit_code_of
from astrum.runtime.standard_streams import (
    fill_closed_descriptors,
    let_go_of_stdout,
    make_steady,
    say_line,
)
from astrum.runtime.visible_text import visible_text

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
"""The context settings of every command."""


class SteadyCommand(click.Command):
    """A command that continues if its outputs break, or are closed when it starts.

    Standard error is steady (`astrum.runtime.standard_streams`), and with ``steady_stdout`` so is
    standard output. An output that cannot encode a character gets its number instead. ``process``
    is the name of this process in messages.
    """

    steady_stdout = False
    process = "process"

    def main(self, *args: Any, **extra: Any) -> Any:
        """Prepare the outputs before anything is opened or printed, then run."""
        fill_closed_descriptors()
        make_steady("stderr")
        if self.steady_stdout:
            make_steady("stdout")
        elif isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="backslashreplace")
        atexit.register(_ignore_signals)  # as the last step: those registered later come first
        atexit.register(_end_stdout)
        return super().main(*args, **extra)

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        """Read the command line; a broken output ends the help text without a traceback."""
        try:
            return super().make_context(*args, **extra)
        except OSError as error:
            raise click.exceptions.Exit(_end_stdout(error)) from None
        except KeyboardInterrupt as error:  # click would end it with exit code 1
            say(describe(error, self.process))
            raise click.exceptions.Exit(ExitCode.INTERRUPTED) from None

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; an error with an exit code becomes a message and that code."""
        try:
            return super().invoke(ctx)
        except (KeyboardInterrupt, Exception) as error:
            code = self.exit_code(error)
            if code is None:
                raise
            say(describe(error, self.process))
            let_go_of_stdout()
            ctx.exit(code)

    def exit_code(self, error: BaseException) -> int | None:
        """Return the exit code of an error that is printed as a message, otherwise `None`."""
        return exit_code_of(error)


def _ignore_signals() -> None:
    """Keep the exit code, which is decided: Python ends by any signal in its own last steps."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _end_stdout(error: OSError | None = None) -> int:
    """Write the rest of standard output and report an error; return an exit code.

    It is not an error if the reader has closed its end.
    """
    error = let_go_of_stdout() or error
    if error is None or error.errno == errno.EPIPE:
        return ExitCode.DONE
    say_line(f"error: the output cannot be written: {error.strerror}")
    return ExitCode.NOT_HANDED_OVER


def describe(error: BaseException, process: str) -> str:
    """Return the error for people; of a user's code, with its own traceback."""
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    text = f"error: {error}"
    if isinstance(error, OSError):
        text = f"error: {error.filename or 'the output'} cannot be written: {error.strerror}"
    if isinstance(error, ResourceError) and error.user_traceback:
        return f"{error.user_traceback.rstrip()}\n\n{text}"
    if isinstance(error, FlowImportError) and error.user_traceback:
        text = f"{error.user_traceback.rstrip()}\n\n{text} (in this process, the {process})"
    return text


def say(line: str) -> None:
    """Write a line for people, to standard error, with control characters as escapes."""
    say_line(visible_text(line))
