"""What an attempt logs while it runs, kept in memory within a limit."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque

from astrum.protocol.task_logs import (
    FIRST_BYTES,
    LATEST_BYTES,
    MAX_LINE_CHARACTERS,
    STDOUT,
    LogRows,
    encode_line,
)

LATEST_CHARACTERS = 200


class CapturedLog:
    """The first lines and the latest ones of an attempt; any thread may add some.

    ``count`` is the number of lines that were added. ``stored_count`` is what it was when the log
    was last stored, ``stored_at`` when that was, by the monotonic clock. ``latest`` is the
    beginning of the latest line.
    """

    __slots__ = (
        "_first",
        "_first_bytes",
        "_latest",
        "_latest_bytes",
        "_left_out",
        "_lock",
        "_printed",
        "count",
        "latest",
        "stored_at",
        "stored_count",
    )

    def __init__(self) -> None:
        self.count = 0
        self.latest = ""
        self.stored_count = 0
        self.stored_at = 0.0
        self._first: list[bytes] = []
        self._first_bytes = 0
        self._latest: deque[bytes] = deque()
        self._latest_bytes = 0
        self._left_out = 0
        self._printed = ""
        # Reentrant: a signal handler or a destructor may log while a line is being added.
        self._lock = threading.RLock()

    def add(self, at: float, level: int, logger: str, text: str) -> None:
        """Add a line: when it was logged (seconds since the epoch), its level, logger and text."""
        row = encode_line(at, level, logger, text)
        with self._lock:
            self.count += 1
            self.latest = text[:LATEST_CHARACTERS]
            if not self._latest and self._first_bytes + len(row) <= FIRST_BYTES:
                self._first.append(row)
                self._first_bytes += len(row)
                return
            self._latest.append(row)
            self._latest_bytes += len(row)
            while self._latest_bytes > LATEST_BYTES:
                self._latest_bytes -= len(self._latest.popleft())
                self._left_out += 1

    def print(self, text: str) -> None:
        """Add printed text; a line counts as soon as its line end is printed."""
        with self._lock:
            *lines, rest = (self._printed + text).split("\n")
            if len(rest) > MAX_LINE_CHARACTERS:
                lines, rest = [*lines, rest], ""
            self._printed = rest
            for line in lines:
                self.add(time.time(), logging.INFO, STDOUT, line)

    def end_line(self) -> None:
        """Add the printed line that has no end yet."""
        with self._lock:
            if self._printed:
                self.print("\n")

    def note_stored(self) -> None:
        """Note that what is kept now is being stored."""
        self.stored_count, self.stored_at = self.count, time.monotonic()

    def rows(self) -> LogRows:
        """Return what is kept now."""
        with self._lock:
            return LogRows(tuple(self._first), tuple(self._latest), self._left_out)
