"""The log of a command as JSON: one object on each line of standard error."""

from __future__ import annotations

import io
import json
import logging
import os
import socket
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from astrum.runtime.log_records import message_of, traceback_of
from astrum.runtime.whole_lines import BegunLines

CONTEXT_NAMES = (
    *("run_id", "namespace", "task_id", "attempt", "worker_id"),
    *("trace_id", "span_id"),
)
"""The attributes of a record that say which attempt it belongs to."""
STRAY = "stderr"
"""The logger of lines that no logger wrote."""
_ABSENT = (None, "", "-")
_LONGEST_REPR = 2_000
_STANDARD = {
    *vars(logging.makeLogRecord({})),
    *CONTEXT_NAMES,
    *("message", "asctime", "taskName"),
}


class JsonFormatter(logging.Formatter):
    """Makes one line of JSON of a record, whatever it holds.

    ``facts`` are on every line that does not say otherwise: the host, the process, the worker.
    """

    def __init__(self) -> None:
        super().__init__()
        self.facts: dict[str, Any] = {"host": socket.gethostname(), "pid": os.getpid()}

    def format(self, record: logging.LogRecord) -> str:
        """Return the line without its line end."""
        at = datetime.fromtimestamp(record.created, UTC)
        line: dict[str, Any] = {
            "ts": at.isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": message_of(record),
        }
        line |= self.facts
        if record.process:  # another one after a fork
            line["pid"] = record.process
        for name in CONTEXT_NAMES:
            value = getattr(record, name, None)
            if value not in _ABSENT:
                line[name] = value
        if record.exc_info and record.exc_info[0] is not None:
            line["exception"] = _exception(record)
        elif record.stack_info:
            line["stack"] = record.stack_info
        extra = {name: value for name, value in vars(record).items() if name not in _STANDARD}
        if extra:
            line["extra"] = extra
        return _dumped(line)


def _exception(record: logging.LogRecord) -> dict[str, str]:
    assert record.exc_info
    kind, error, _ = record.exc_info
    assert kind is not None
    name = kind.__qualname__
    module = kind.__module__
    try:
        message = str(error)
    except Exception:  # the user's code
        message = ""
    return {
        "type": name if module == "builtins" else f"{module}.{name}",
        "message": message,
        "stacktrace": traceback_of(record),
    }


def _dumped(line: dict[str, Any]) -> str:
    # All but ASCII is escaped: no character of a message can end the line or change its direction.
    try:
        return json.dumps(line, default=_shown, allow_nan=False)
    except (ValueError, TypeError, RecursionError):  # a circle, an odd key, not a number
        plain = {name: _plain(value) for name, value in line.items()}
        return json.dumps(plain, default=_shown, allow_nan=False)


def _plain(value: Any) -> Any:
    if type(value) is dict:
        return {str(name): _shown(part) for name, part in value.items()}
    return value if type(value) in (str, int, bool) else _shown(value)


def _shown(value: object) -> str:
    try:
        text = value if type(value) is str else repr(value)
    except Exception:  # the user's code
        text = f"<{type(value).__name__} that cannot be shown>"
    return text if len(text) <= _LONGEST_REPR else f"{text[:_LONGEST_REPR]}…"


class JsonStream(io.TextIOBase):
    """Stands for standard error, and makes a line of JSON of each line that is written to it.

    ``raw`` takes lines that are JSON already. ``handler`` formats the others, and adds what its
    filters know.
    """

    def __init__(self, raw: Any, handler: logging.Handler) -> None:
        self.raw = raw
        self._handler = handler
        self._begun = BegunLines()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """That of standard error."""
        return str(self.raw.encoding)

    @property
    def errors(self) -> str:  # type: ignore[override]
        """What becomes of characters that the encoding lacks."""
        return "backslashreplace"

    def writable(self) -> bool:
        """Return true."""
        return True

    def isatty(self) -> bool:
        """Return false: nothing may be redrawn."""
        return False

    def fileno(self) -> int:
        """Return the descriptor of standard error."""
        return int(self.raw.fileno())

    def write(self, text: str) -> int:
        """Write text; a line appears when its thread has written the line end."""
        lines, end, rest = text.rpartition("\n")
        if end:
            for line in (self._begun.take() + lines).split("\n"):
                self._write_line(line)
        if rest:
            self._begun.add(rest)
        return len(text)

    def flush(self) -> None:
        """Write what is buffered below."""
        with suppress(OSError, ValueError):
            self.raw.flush()

    def end_lines(self) -> None:
        """Write the last line of each thread, if it has no end yet."""
        for line in self._begun.take_all():
            self._write_line(line)

    def pass_on(self, line: str) -> None:
        """Write the line of another process; JSON is written unchanged."""
        if is_json_line(line):
            self.raw.write(line + "\n")
        else:
            self.write(line + "\n")

    def _write_line(self, line: str) -> None:
        if not line.strip():
            return
        is_error = line.startswith(("error:", "Error:"))
        record = logging.makeLogRecord(
            {
                "name": STRAY,
                "msg": line.rstrip("\r"),
                "levelno": logging.ERROR if is_error else logging.INFO,
                "levelname": "ERROR" if is_error else "INFO",
                "created": time.time(),
            }
        )
        self._handler.filter(record)
        self.raw.write(self._handler.format(record) + "\n")


def is_json_line(line: str) -> bool:
    """Return whether a line is a JSON object.

    >>> is_json_line('{"message": "x"}'), is_json_line("{x}"), is_json_line("")
    (True, False, False)
    """
    if not line.startswith("{"):
        return False
    try:
        json.loads(line)
    except ValueError:
        return False
    return True
