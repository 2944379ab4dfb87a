"""Text streams whose lines stay whole when many threads print to them.

``print("a", 1)`` writes each of its parts and the line end by itself. What another thread writes
between them would be in the middle of the line. So each thread's text waits until its line ends.
"""

from __future__ import annotations

import atexit
import io
import os
import threading
from _thread import get_ident, start_new_thread
from contextlib import suppress
from time import monotonic, sleep
from typing import Any

SHOWN_AFTER_S = 0.5
"""Seconds after which text is shown whose line has not ended, such as a dot of progress."""
_LOOK_EVERY_S = 0.1
_MOST_BEGUN = 1 << 16  # characters


class BegunLines:
    """The text that each thread has written since its last line end.

    All methods may be called from every thread, and from signal handlers.
    """

    def __init__(self) -> None:
        self._texts: dict[int, tuple[float, str]] = {}

    def __bool__(self) -> bool:
        return bool(self._texts)

    def add(self, text: str) -> int:
        """Put text behind what this thread has begun; return how long that is now."""
        # Each step is atomic: a signal handler of this thread may print between two of them.
        since, before = self._texts.pop(get_ident(), (0.0, ""))
        self._texts[get_ident()] = (since or monotonic(), before + text)
        return len(before) + len(text)

    def take(self) -> str:
        """Remove and return what this thread has begun."""
        return self._texts.pop(get_ident(), (0.0, ""))[1]

    def take_all(self, older_than_s: float = 0.0) -> list[str]:
        """Remove and return what all threads have begun at least so long ago."""
        limit = monotonic() - older_than_s
        old = [thread for thread, (since, _) in list(self._texts.items()) if since <= limit]
        return [self._texts.pop(thread, (0.0, ""))[1] for thread in old]


class LineStream(io.TextIOWrapper):
    """A stream to which each thread's lines are written whole.

    Text without a line end is written when its thread flushes the stream, and after half a second
    (`SHOWN_AFTER_S`).
    """

    def __init__(self, buffer: Any, **options: Any) -> None:
        self._begin()
        self._is_over = False
        # The text layer's own buffer loses text of threads in Python before 3.12.4; that of
        # ``buffer``, if it has one, does not.
        super().__init__(buffer, write_through=True, **options)
        os.register_at_fork(after_in_child=self._begin)
        atexit.register(self._end)

    def _begin(self) -> None:
        """Begin without text, also in the child of a fork: its parent writes what had begun."""
        self._begun = BegunLines()
        self._taking = threading.RLock()  # reentrant for the sake of signal handlers
        self._is_watched = False

    def write(self, text: str, /) -> int:
        """Write what is complete with this text; the rest waits for its line end."""
        if self._is_over or not isinstance(text, str):
            return super().write(text)
        plain = str.__str__(text)  # a subclass may join in ways of its own
        lines, end, rest = plain.rpartition("\n")
        if end:
            super().write(self._taken() + lines + end)
        if rest:
            length = self._begun.add(rest)
            if length > _MOST_BEGUN or not (self._is_watched or self._watch()):
                super().write(self._taken())
        return len(text)

    def flush(self) -> None:
        """Write what this thread has begun, and what is buffered."""
        if not self._is_over and self._begun and (text := self._taken()):
            super().write(text)
        super().flush()

    def end_lines(self) -> None:
        """Write what all threads have begun, and what is buffered, before the process ends."""
        with self._taking:
            texts = self._begun.take_all()
        for text in texts:
            super().write(text)
        super().flush()

    def write_begun(self, text: str) -> None:
        """Write text whose line has not ended, from another thread than the one that wrote it."""
        super().write(text)
        if self.line_buffering:
            super().flush()

    def _taken(self) -> str:
        with self._taking:  # or the thread that watches may have taken text, and not written it
            return self._begun.take()

    def _end(self) -> None:
        """Write without waiting from now on: soon no other thread can release a lock."""
        with suppress(OSError, ValueError):
            self.end_lines()
        with self._taking:
            self._is_over = True

    def _watch(self) -> bool:
        """Begin to look for text that waits for long; return false if there can be no thread."""
        with self._taking:
            if not self._is_watched:
                try:
                    # Not by `threading`: gevent and others patch it.
                    start_new_thread(self._write_old, ())
                except RuntimeError:  # the interpreter is ending, or there are too many
                    return False
                self._is_watched = True
        return True

    def _write_old(self) -> None:
        while True:
            sleep(_LOOK_EVERY_S)
            with self._taking:
                self._is_watched = False  # first: who begins text after the test starts a thread
                if self._is_over or not self._begun:
                    return
                self._is_watched = True
                for text in self._begun.take_all(SHOWN_AFTER_S):
                    with suppress(OSError, ValueError):  # the next writer gets the error
                        self.write_begun(text)
