"""The log of a command, on standard error."""

from __future__ import annotations

import logging
import sys
from contextlib import suppress
from typing import Any

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
FORMAT_WITH_PID = "%(asctime)s %(levelname)s %(name)s[%(process)d]: %(message)s"


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


def log_to_stderr(level: str, form: str = FORMAT) -> None:
    """Log Astrum's messages to standard error; the user's own logging is not changed."""
    logger = logging.getLogger("astrum")
    logger.setLevel(level.upper())
    logger.propagate = False
    if not any(isinstance(handler, SteadyLogHandler) for handler in logger.handlers):
        logger.addHandler(SteadyLogHandler(form))
