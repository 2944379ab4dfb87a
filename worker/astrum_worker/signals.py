"""SIGTERM and Ctrl-C: the first drains the worker, the second ends it at once."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable
from types import FrameType

from astrum.exit_codes import after_signal, after_stop
from astrum.standard_streams import say_line, settle_streams

SIGNALS = (signal.SIGTERM, signal.SIGINT)
SAME_FOR_S = 0.5
"""A signal so soon after the first is the same one: ``timeout``, shells and terminals often send
it to a process and to its group, so that it comes twice."""


class Signals:
    """Calls ``stop`` on the event loop at the first signal, with the exit code to end with.

    The handler runs between two bytecodes of the main thread, so the second signal works even
    while a task blocks the event loop. It tells people what it did if ``says_so``.
    """

    def __init__(self, stop: Callable[[int], None], *, says_so: bool = True) -> None:
        self._stop = stop
        self._says_so = says_so
        self._received = 0
        self._received_at = 0.0
        self._loop = asyncio.get_running_loop()

    def install(self) -> None:
        """Handle the signals from now on; call it in the main thread."""
        for number in SIGNALS:
            signal.signal(number, self._handle)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self._received:
            if now - self._received_at < SAME_FOR_S:
                return
            settle_streams()
            os._exit(after_signal(number))
        self._received, self._received_at = number, now
        if self._says_so:
            say_line("draining; once more ends at once")
        self._loop.call_soon_threadsafe(self._stop, after_stop(number))
