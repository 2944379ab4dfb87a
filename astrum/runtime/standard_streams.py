"""Standard output and standard error that never fail and never hold up the work.

The reader of a log may die, its disk may be full, its pipe may have no reader, its terminal may be
closed. None of that may end a process or stop a task, so the commands write their output through a
thread. Programs that use Astrum as a library keep their own streams.
"""

from __future__ import annotations

import atexit
import io
import os
import select
import sys
import threading
import time
from _thread import LockType, allocate_lock, start_new_thread
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import IO, Any, NoReturn

from astrum.runtime.whole_lines import LineStream

WAIT_S = 0.1
"""Seconds that a writer waits for the descriptor once; then it is behind, and nothing waits."""
STUCK_AFTER_S = 5.0
"""Seconds in which the descriptor must take something, or those that wait for it give up."""
MOST_WAITING = 1 << 20  # bytes
MOST_AT_ONCE = 1 << 16  # bytes
STANDARD_OUTPUT, STANDARD_ERROR = 1, 2
_Part = tuple[bytes, LockType | None]
_END: _Part = (b"", None)


def fill_closed_descriptors() -> None:
    """Open the null device where descriptor 0, 1 or 2 is closed, and give Python its streams.

    Otherwise the next file or socket would get that number, and all printed text with it.
    """
    for number in (0, STANDARD_OUTPUT, STANDARD_ERROR):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # takes the lowest free one
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            mode = "w" if number else "r"
            stream = open(number, mode, errors="backslashreplace", closefd=False)  # noqa: SIM115
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)


class SteadyWriter:
    """Writes bytes to a descriptor; it never raises, and blocks for a moment at most.

    Data that the descriptor refuses is dropped. While it takes nothing, about a megabyte waits for
    it; further data is dropped, and a note is written in its place. All methods may be called from
    every thread, and from signal handlers, which may interrupt each of them.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._begin()
        os.register_at_fork(after_in_child=self._begin)
        atexit.register(self.close)

    def _begin(self) -> None:
        """Begin without a thread, as in the child of a fork, which lacks its parent's threads."""
        self._waiting: SimpleQueue[_Part] = SimpleQueue()
        self._lock = threading.RLock()  # reentrant for the sake of signal handlers
        self._has_thread = False
        self._is_over = False
        self._is_behind = False
        self._taken = self._written = 0
        self._dropped = 0
        self._last_progress = time.monotonic()

    @property
    def is_crowded(self) -> bool:
        """True if half of the data that may wait for the descriptor does."""
        return self._taken - self._written > MOST_WAITING // 2

    @property
    def is_stuck(self) -> bool:
        """True if data has waited for so long that it is useless to wait for it."""
        silent_s = time.monotonic() - self._last_progress
        return self._taken > self._written and silent_s > STUCK_AFTER_S

    def write(self, data: bytes) -> None:
        """Write the data now; if the descriptor is behind, leave it to the thread."""
        self._wait_for_room()
        ticket = None if self._is_behind else allocate_lock()
        if ticket is not None:
            ticket.acquire()
        if self.post(data, ticket) and ticket is not None and not ticket.acquire(timeout=WAIT_S):
            self._is_behind = True

    def _wait_for_room(self) -> None:
        deadline = time.monotonic() + WAIT_S
        while self._is_full and not self.is_stuck and time.monotonic() < deadline:
            time.sleep(WAIT_S / 10)

    @property
    def _is_full(self) -> bool:
        return self._taken - self._written > MOST_WAITING

    def post(self, data: bytes, ticket: LockType | None = None) -> bool:
        """Leave the data to the thread; it releases the ticket when the data is written.

        Returns whether there will be a release.
        """
        if self._is_over or not self._start():
            self._write_at_once(data)
            return False
        with self._lock:
            if self._is_full:
                self._dropped += 1
                return False
            if self._taken == self._written:
                self._last_progress = time.monotonic()
            self._taken += len(data)
            self._waiting.put((data, ticket))
        return True

    def settle(self, patience_s: float = STUCK_AFTER_S) -> None:
        """Wait until all is written, at most as long as the descriptor takes nothing."""
        patience_s = min(patience_s, WAIT_S) if self.is_stuck else patience_s
        before = 0.0
        while self._has_thread and before != self._last_progress:
            before = self._last_progress
            ticket = allocate_lock()
            ticket.acquire()
            self._waiting.put((b"", ticket))
            if ticket.acquire(timeout=patience_s):
                return

    def close(self) -> None:
        """Write all data and end the thread; later data is written without waiting.

        At the end of a process it runs last, when threads soon cannot run any more.
        """
        self.settle()
        self._is_over = True
        if self._has_thread:
            self._waiting.put(_END)

    def _start(self) -> bool:
        with self._lock:
            if not self._has_thread:
                # Set first: a signal handler may run in between, and must not start another thread.
                self._has_thread = True
                try:
                    # Not by `threading`: gevent and others patch it, and would block everything.
                    start_new_thread(self._run, ())
                except RuntimeError:  # the interpreter is ending, or there are too many
                    self._has_thread = False
            return self._has_thread

    # --- the thread -----------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            parts = [self._waiting.get(), *self._more()]
            if _END in parts:
                return
            self._write_all(b"".join(data for data, _ in parts))
            self._written += sum(len(data) for data, _ in parts)
            self._last_progress = time.monotonic()
            if self._waiting.empty():
                self._catch_up()
            for _, ticket in parts:
                if ticket is not None:
                    ticket.release()

    def _more(self) -> list[_Part]:
        """Take what waits as well, so that many short lines are one write."""
        found, size = [], 0
        with suppress(Empty):
            while size < MOST_AT_ONCE:
                found.append(self._waiting.get_nowait())
                size += len(found[-1][0])
        return found

    def _catch_up(self) -> None:
        self._is_behind = False
        with self._lock:
            dropped, self._dropped = self._dropped, 0
        if dropped:
            self._write_all(f"... {dropped:,} writes were left out here\n".encode())

    def _write_all(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            try:
                count = os.write(self._descriptor, rest[: _size_of_write(rest)])
            except BlockingIOError:  # another process made it non-blocking
                with suppress(OSError, ValueError):
                    select.select([], [self._descriptor], [], 1.0)
                continue
            except OSError:
                return
            rest = rest[count:]
            self._last_progress = time.monotonic()

    def _write_at_once(self, data: bytes) -> None:
        """Write as much as goes through without waiting."""
        with suppress(OSError, ValueError):
            if select.select([], [self._descriptor], [], 0)[1]:
                os.write(self._descriptor, data[: select.PIPE_BUF])


def _size_of_write(data: memoryview) -> int:
    """Return how much to write at once: whole lines, so few that a pipe takes them in one piece.

    Several processes may write to one pipe, and what they write at the same time may be mixed. A
    line that is longer than that goes out alone.
    """
    if len(data) <= select.PIPE_BUF:
        return len(data)
    end = bytes(data[: select.PIPE_BUF]).rfind(b"\n") + 1
    return end or bytes(data[:MOST_AT_ONCE]).find(b"\n") + 1 or MOST_AT_ONCE


class _SteadyOutput(io.RawIOBase):
    """A `SteadyWriter` as the binary file of a `TextIOWrapper`."""

    def __init__(self, writer: SteadyWriter, descriptor: int, name: str) -> None:
        self.writer = writer
        self.name = name
        self._descriptor = descriptor

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    def write(self, data: Any) -> int:
        whole = bytes(data)
        self.writer.write(whole)
        return len(whole)


class SteadyStream(LineStream):
    """Replaces a standard stream by one that never raises and never blocks for long.

    Each line is written when it ends, whatever the buffering of the stream that was there.
    """

    def __init__(self, of: io.TextIOWrapper) -> None:
        self.writer = SteadyWriter(of.fileno())
        self._stands_for = of  # its buffered data must not be written when it is collected
        raw: Any = _SteadyOutput(self.writer, of.fileno(), of.name)
        super().__init__(
            raw,
            encoding=of.encoding,
            errors="backslashreplace",
            line_buffering=of.line_buffering,
        )

    def post(self, text: str) -> None:
        """Leave a string to the stream's thread, after all data that was written before."""
        self.flush()
        self.write_begun(text)

    def write_begun(self, text: str) -> None:
        """Leave text to the stream's thread, without waiting."""
        self.writer.post(text.encode(self.encoding, "backslashreplace"))


class _WholeLines(LineStream):
    """Replaces a standard stream by one on the same buffer."""

    def __init__(self, of: io.TextIOWrapper) -> None:
        self._stands_for = of  # it would close the buffer when it is collected
        super().__init__(
            of.buffer,
            encoding=of.encoding,
            errors=of.errors,
            line_buffering=of.line_buffering,
        )


def make_steady(name: str) -> None:
    """Make ``sys.stdout`` or ``sys.stderr`` steady, unless something else took its place."""
    _replace(name, SteadyStream)


def keep_lines_whole(name: str) -> None:
    """Keep the lines of threads whole on ``sys.stdout`` or ``sys.stderr``, as `LineStream` does.

    Its buffering and its errors stay as they are. Does nothing if something else took its place.
    """
    _replace(name, _WholeLines)


def _replace(name: str, make: Callable[[io.TextIOWrapper], LineStream]) -> None:
    stream = getattr(sys, name)
    is_real = stream is getattr(sys, f"__{name}__") and isinstance(stream, io.TextIOWrapper)
    if not is_real or isinstance(stream, LineStream):
        return
    with suppress(OSError, ValueError):  # a stream that is not an open file stays unchanged
        made = make(stream)
        with suppress(OSError):
            stream.flush()
        setattr(sys, name, made)
        setattr(sys, f"__{name}__", made)


def say_line(line: str, stream: IO[str] | None = None) -> None:
    """Write a line for people, to standard error by default; never raise."""
    there = sys.stderr if stream is None else stream
    try:
        there.write(line + "\n")
        there.flush()
    except Exception:  # user code may have put anything in the place of a stream, or closed it
        if there is not sys.__stderr__ and sys.__stderr__ is not None:
            say_line(line, sys.__stderr__)


def settle_streams(patience_s: float = WAIT_S) -> None:
    """Wait until all output is written, before the process ends without clean-ups."""
    for stream in (sys.__stdout__, sys.__stderr__):
        if isinstance(stream, SteadyStream):
            with suppress(OSError, ValueError):
                stream.end_lines()
            stream.writer.settle(patience_s)


def exit_at_once(code: int) -> NoReturn:
    """End the process without clean-ups, once its output is written."""
    settle_streams()
    os._exit(code)


def let_go_of_stdout() -> OSError | None:
    """Write the buffer of standard output; if that fails, discard it and return the error.

    Otherwise the interpreter would try again at its end, and change the exit code.
    """
    try:
        if isinstance(sys.__stdout__, LineStream):
            sys.__stdout__.end_lines()
        sys.stdout.flush()
    except OSError as error:
        with suppress(OSError, ValueError):  # it may not be a file
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, sys.stdout.fileno())
            os.close(null)
        return error
    except ValueError:  # user code closed it
        pass
    return None
