"""The common part of both commands: outputs that may break without breaking the command."""

from __future__ import annotations

import atexit
import errno
import io
import logging
import sys
from contextlib import suppress
from typing import Any

import click

from astrum.runtime.exit_codes import ExitCode
from astrum.runtime.standard_streams import (
    fill_closed_descriptors,
    let_go_of_stdout,
    make_steady,
    say_line,
)


class SteadyCommand(click.Command):
    """A command that continues if its outputs break, or are closed when it starts.

    Standard error is steady (`astrum.runtime.standard_streams`), and with ``steady_stdout`` so is
    standard output. An output that cannot encode a character gets its number instead.
    """

    steady_stdout = False

    def main(self, *args: Any, **extra: Any) -> Any:
        """Prepare the outputs before anything is opened or printed, then run."""
        fill_closed_descriptors()
        make_steady("stderr")
        if self.steady_stdout:
            make_steady("stdout")
        elif isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="backslashreplace")
        atexit.register(_end_stdout)
        return super().main(*args, **extra)

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        """Read the command line; a broken output ends the help text without a traceback."""
        try:
            return super().make_context(*args, **extra)
        except OSError as error:
            raise click.exceptions.Exit(_end_stdout(error)) from None


def _end_stdout(error: OSError | None = None) -> int:
    """Write the rest of standard output and report an error; return an exit code.

    It is not an error if the reader has closed its end.
    """
    error = let_go_of_stdout() or error
    if error is None or error.errno == errno.EPIPE:
        return ExitCode.DONE
    say_line(f"error: the output cannot be written: {error.strerror}")
    return ExitCode.NOT_HANDED_OVER


LEVELS = ("debug", "info", "warning", "error")
_OTHER_NAMES = {"warn": "warning", "critical": "error", "fatal": "error", "trace": "debug"}


class LogLevel(click.Choice[str]):
    """One of `LEVELS`, in any case; the names that other tools use for them are accepted too."""

    def __init__(self) -> None:
        super().__init__(LEVELS)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the level's own name."""
        name = str(value).strip().lower()
        return super().convert(_OTHER_NAMES.get(name, name), param, ctx)


class SteadyLogHandler(logging.StreamHandler[Any]):
    """Logs to the present standard error, which a live view may replace for a time.

    A record that cannot be written is dropped silently.
    """

    def __init__(self, form: str) -> None:
        logging.Handler.__init__(self)
        self.setFormatter(logging.Formatter(form))

    @property
    def stream(self) -> Any:
        """The present standard error."""
        return sys.stderr

    @stream.setter
    def stream(self, value: Any) -> None:
        """Ignore it: there is only one stream to write to."""

    def flush(self) -> None:
        """Write the stream's buffer if possible."""
        with suppress(OSError, ValueError):
            super().flush()

    def handleError(self, record: logging.LogRecord) -> None:
        """Drop the record: logging must not break the work."""


def log_to_stderr(level: str, form: str) -> None:
    """Log Astrum's messages to standard error; the user's own logging is not changed."""
    logger = logging.getLogger("astrum")
    logger.setLevel(level.upper())
    logger.propagate = False
    if not any(isinstance(handler, SteadyLogHandler) for handler in logger.handlers):
        logger.addHandler(SteadyLogHandler(form))
