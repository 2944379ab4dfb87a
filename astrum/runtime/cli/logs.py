"""The log of a command, on standard error: lines of text, or lines of JSON."""

from __future__ import annotations

import atexit
import logging
import sys
from contextlib import suppress
from typing import Any

from astrum.runtime.cli.json_logs import JsonFormatter, JsonStream
from astrum.runtime.visible_text import visible_text

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
FORMAT_WITH_PID = "%(asctime)s %(levelname)s %(name)s[%(process)d]: %(message)s"


class TextFormatter(logging.Formatter):
    """Makes lines for people, with control characters as escapes.

    A line of a user's logger begins with the task that it comes from, if that is known.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, and further ones for a traceback."""
        return visible_text(super().format(record))

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Return the first line."""
        if record.name.startswith("astrum.") or getattr(record, "run_id", "-") in ("", "-"):
            return super().formatMessage(record)
        told, record.message = record.message, f"{_attempt_text(record)}: {record.message}"
        try:
            return super().formatMessage(record)
        finally:
            record.message = told


def _attempt_text(record: logging.LogRecord) -> str:
    values = vars(record)
    task_id, attempt = values.get("task_id", "-"), values.get("attempt", "-")
    return f"run {values['run_id']}, task {task_id!r}, attempt {attempt}"


class SteadyLogHandler(logging.StreamHandler[Any]):
    """Logs to the present standard error, which a live view may replace for a time.

    A record that cannot be written is dropped silently.
    """

    def __init__(self, formatter: logging.Formatter) -> None:
        logging.Handler.__init__(self)
        self.setFormatter(formatter)

    @property
    def stream(self) -> Any:
        """The present standard error."""
        present = sys.stderr
        return present.raw if isinstance(present, JsonStream) else present

    @stream.setter
    def stream(self, value: Any) -> None:
        """Ignore it: there is only one stream to write to."""

    def flush(self) -> None:
        """Write the stream's buffer if possible."""
        with suppress(OSError, ValueError):
            super().flush()

    def handleError(self, record: logging.LogRecord) -> None:
        """Drop the record: logging must not break the work."""


def log_to_stderr(level: str, form: str = FORMAT, *, as_json: bool = False) -> SteadyLogHandler:
    """Log Astrum's messages to standard error; the user's own logging is not changed.

    With ``as_json`` every line there is a JSON object, also those that no logger writes. Returns
    the handler. Called again, it changes the level and the form.
    """
    logger = logging.getLogger("astrum")
    logger.setLevel(level.upper())
    logger.propagate = False
    handler = own_handler()
    if handler is None:
        handler = SteadyLogHandler(TextFormatter(form))
        logger.addHandler(handler)
    if as_json and not isinstance(handler.formatter, JsonFormatter):
        handler.setFormatter(JsonFormatter())
        sys.stderr = JsonStream(sys.stderr, handler)
        atexit.register(sys.stderr.end_lines)
    return handler


def own_handler() -> SteadyLogHandler | None:
    """Return the handler of Astrum's log, `None` before `log_to_stderr`."""
    handlers = logging.getLogger("astrum").handlers
    return next((one for one in handlers if isinstance(one, SteadyLogHandler)), None)


def add_fact(name: str, value: Any) -> None:
    """Have a fact on each line of JSON from now on, for example the id of the worker."""
    handler = own_handler()
    if handler is not None and isinstance(handler.formatter, JsonFormatter):
        handler.formatter.facts[name] = value


class _OnlyUnhandled(logging.Filter):
    """Passes on the records of loggers for which the user has set up no handler."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether no other handler has the record."""
        logger = logging.Logger.manager.loggerDict.get(record.name)
        while isinstance(logger, logging.Logger) and logger is not logging.root:
            if any(type(handler) is not logging.NullHandler for handler in logger.handlers):
                return False
            logger = logger.parent
        return True


def log_for_users(context: logging.Filter, *, least: int = logging.CRITICAL) -> None:
    """Log what the user's loggers say as Astrum's own log, if nothing else does.

    ``context`` is the filter that puts the attempt on each record. A root logger that has no
    handler gets one with the level of Astrum's log; loggers without a level of their own then make
    records from ``least`` on, for handlers that keep more. Call it once the user's modules are
    imported: if they have set up logging, only Astrum's own handler gets the filter.
    """
    own = own_handler()
    if own is None:
        return
    own.addFilter(context)
    root = logging.getLogger()
    if root.handlers or own.formatter is None:
        return
    level = logging.getLogger("astrum").level
    handler = SteadyLogHandler(own.formatter)
    handler.addFilter(_OnlyUnhandled())
    handler.addFilter(context)
    handler.setLevel(level)
    root.addHandler(handler)
    if root.level == logging.WARNING:  # the default of Python: no code has set it
        root.setLevel(min(level, least))
