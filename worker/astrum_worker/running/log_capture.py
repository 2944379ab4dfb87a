"""Takes what tasks log and print into the logs of their attempts."""

from __future__ import annotations

import io
import logging
import sys
import threading
from typing import Any

from astrum.execution.attempt import CURRENT, AttemptContext
from astrum.execution.captured_log import CapturedLog
from astrum.runtime.log_records import message_of, traceback_of

_MAKING = threading.Lock()


def log_of(context: AttemptContext) -> CapturedLog:
    """Return the log of an attempt, which its first line makes."""
    if context.log is None:
        with _MAKING:  # two threads of one task may log their first lines at the same time
            if context.log is None:
                context.log = CapturedLog()
    return context.log


class LogCapture(logging.Handler):
    """Adds each record from ``INFO`` on to the log of the attempt that it comes from."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)

    def handle(self, record: logging.LogRecord) -> bool:
        """Add the record without the lock of handlers: each log has its own."""
        context = CURRENT.get(None)
        if context is not None:
            self._add(context, record)
        return True

    def emit(self, record: logging.LogRecord) -> None:
        """Do as `handle`."""
        self.handle(record)

    def _add(self, context: AttemptContext, record: logging.LogRecord) -> None:
        text = message_of(record).rstrip("\n")  # that of a warning ends with its line
        if record.exc_info or record.stack_info:
            text = f"{text}\n{traceback_of(record)}"
        log_of(context).add(record.created, record.levelno, record.name, text)


class PrintCapture(io.TextIOBase):
    """Stands for standard output; what a task prints is in the log of its attempt too."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """That of standard output."""
        return str(self._stream.encoding)

    def writable(self) -> bool:
        """Return true."""
        return True

    def isatty(self) -> bool:
        """Return what standard output says."""
        return bool(self._stream.isatty())

    def fileno(self) -> int:
        """Return the descriptor of standard output."""
        return int(self._stream.fileno())

    def write(self, text: str) -> int:
        """Write text to standard output, and to the log of the attempt that prints it."""
        context = CURRENT.get(None)
        if context is not None and type(text) is str:
            log_of(context).print(text)
        return int(self._stream.write(text))

    def flush(self) -> None:
        """Write what standard output has buffered."""
        self._stream.flush()


def capture_logs() -> LogCapture:
    """Add the capture to the root logger, and to each logger that does not reach it.

    Call it once the user's modules are imported. Astrum's own messages are not captured.
    """
    capture = LogCapture()
    logging.getLogger().addHandler(capture)
    for name, logger in list(logging.Logger.manager.loggerDict.items()):
        is_own = name.partition(".")[0] == "astrum"
        if isinstance(logger, logging.Logger) and not logger.propagate and not is_own:
            logger.addHandler(capture)
    return capture


def capture_prints() -> None:
    """Put the capture in the place of standard output.

    A handler that the user's modules made for standard output keeps the stream that was there, so
    that its lines are not captured twice.
    """
    sys.stdout = PrintCapture(sys.stdout)
