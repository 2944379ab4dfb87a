"""Takes what tasks log and print into the logs of their attempts."""

from __future__ import annotations

import io
import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
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
        self._above_root = _AboveRoot(self)
        self._apart: list[logging.Logger] = []

    def start(self) -> None:
        """Get all records that reach the root logger, and those of each logger that does not."""
        self._above_root.begin()
        self._apart = _loggers_apart()
        for logger in self._apart:
            logger.addHandler(self)

    def stop(self) -> None:
        """Get no records any more."""
        self._above_root.end()
        for logger in self._apart:
            logger.removeHandler(self)

    def handle(self, record: logging.LogRecord) -> bool:
        """Add the record without the lock of handlers: each log has its own.

        A record that no other handler gets is shown as Python shows it without any handler.
        """
        context = CURRENT.get(None)
        if context is not None and not _is_own(record.name):
            self._add(context, record)
        last = logging.lastResort
        if last is not None and record.levelno >= last.level and not _is_heard(record.name):
            last.handle(record)
        return True

    def emit(self, record: logging.LogRecord) -> None:
        """Do as `handle`."""
        self.handle(record)

    def _add(self, context: AttemptContext, record: logging.LogRecord) -> None:
        text = message_of(record).rstrip("\n")  # that of a warning ends with its line
        if record.exc_info or record.stack_info:
            text = f"{text}\n{traceback_of(record)}"
        log_of(context).add(record.created, record.levelno, record.name, text)


class _AboveRoot(logging.Logger):
    """Stands as the parent of the root logger, and has the capture as its handler.

    The root logger itself gets none: `logging.basicConfig` does nothing where it has one, and what
    a task sets up has to work as without Astrum.
    """

    def __init__(self, capture: LogCapture) -> None:
        super().__init__("above root")
        self.addHandler(capture)

    def begin(self) -> None:
        """Take the place."""
        self.parent, logging.root.parent = logging.root.parent, self

    def end(self) -> None:
        """Leave it, unless another has taken it."""
        if logging.root.parent is self:
            logging.root.parent = self.parent


def _is_own(name: str) -> bool:
    """Return whether a logger is Astrum's: what it says is about attempts, not of their code."""
    return name.startswith("astrum") and name[6:7] in ("", ".")


def _is_heard(name: str) -> bool:
    """Return whether records of a logger get to a handler that captures nothing."""
    logger = logging.Logger.manager.loggerDict.get(name)
    one: logging.Logger | None = logger if isinstance(logger, logging.Logger) else logging.root
    while one is not None:
        if any(type(handler) is not LogCapture for handler in one.handlers):
            return True
        one = one.parent if one.propagate else None
    return False


class PrintCapture(io.TextIOBase):
    """Stands for standard output; what a task prints is in the log of its attempt too."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """That of standard output."""
        return str(self.stream.encoding)

    @property
    def errors(self) -> str | None:  # type: ignore[override]
        """That of standard output."""
        return getattr(self.stream, "errors", None)

    def writable(self) -> bool:
        """Return true."""
        return True

    def isatty(self) -> bool:
        """Return what standard output says."""
        return bool(self.stream.isatty())

    def fileno(self) -> int:
        """Return the descriptor of standard output."""
        return int(self.stream.fileno())

    def write(self, text: str) -> int:
        """Write text to standard output, and to the log of the attempt that prints it."""
        context = CURRENT.get(None)
        if context is not None and context.keeps_prints and type(text) is str:
            log_of(context).print(text)
        written = self.stream.write(text)
        return len(text) if written is None else int(written)  # many stand-ins return nothing

    def flush(self) -> None:
        """Write what standard output has buffered."""
        self.stream.flush()


def capture_logs() -> LogCapture:
    """Begin to capture what all loggers say, and return the capture.

    Call it once the user's modules are imported. Astrum's own messages are not captured.
    """
    capture = LogCapture()
    capture.start()
    return capture


def _loggers_apart() -> list[logging.Logger]:
    """Return the loggers whose records do not reach the root logger, but Astrum's."""
    known = list(logging.Logger.manager.loggerDict.values())
    loggers = [one for one in known if isinstance(one, logging.Logger)]
    return [one for one in loggers if not one.propagate and not _is_own(one.name)]


def capture_prints() -> PrintCapture:
    """Put the capture in the place of standard output, and return it.

    A handler that the user's modules made for standard output keeps the stream that was there, so
    that its lines are not captured twice.
    """
    capture = PrintCapture(sys.stdout)
    sys.stdout = capture
    return capture


class _SharedCapture:
    """What several runs in this process capture at the same time, once for all of them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._users_of_prints = 0
        self._logs: LogCapture | None = None
        self._prints: PrintCapture | None = None

    @contextmanager
    def logs(self) -> Iterator[None]:
        """Capture logs in the block, unless the process does so all the time."""
        with self._lock:
            self._users += 1
            if not isinstance(logging.root.parent, _AboveRoot):
                self._logs = capture_logs()
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                if not self._users and self._logs is not None:
                    self._logs.stop()
                    self._logs = None

    @contextmanager
    def prints(self) -> Iterator[None]:
        """Capture prints in the block; what another stands for standard output by then stays."""
        with self._lock:
            self._users_of_prints += 1
            if not isinstance(sys.stdout, PrintCapture):
                self._prints = capture_prints()
        try:
            yield
        finally:
            with self._lock:
                self._users_of_prints -= 1
                if not self._users_of_prints and self._prints is not None:
                    if sys.stdout is self._prints:
                        sys.stdout = self._prints.stream
                    self._prints = None


_SHARED = _SharedCapture()


@contextmanager
def capturing(*, logs: bool, prints: bool) -> Iterator[None]:
    """Capture what attempts log and print in the block, also if other runs do so meanwhile."""
    with ExitStack() as stack:
        if logs:
            stack.enter_context(_SHARED.logs())
        if prints:
            stack.enter_context(_SHARED.prints())
        yield
