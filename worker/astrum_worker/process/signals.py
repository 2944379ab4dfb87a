"""Handles SIGTERM, SIGHUP and Ctrl-C: the first drains the worker, the second ends it at once.

User code may replace the handlers, so they are checked regularly and put back. The child of a fork
gets the default ones: it is not a worker.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

from astrum.runtime.exit_codes import after_signal, after_stop, second_signal_advice, signal_name
from astrum.runtime.fork_signals import ForkSignals
from astrum.runtime.service import PeriodicService
from astrum.runtime.standard_streams import say_line, settle_streams

logger = logging.getLogger("astrum.worker")

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
TIMERS = (signal.SIGALRM, signal.SIGVTALRM, signal.SIGPROF)
"""The signals of ``alarm`` and ``setitimer``; without a handler each of them ends the process."""
SAME_FOR_S = 0.5
"""Seconds within which a second signal counts as the same one: ``timeout``, shells and terminals
often send it to a process and to its group, so that it comes twice."""
LOOK_EVERY_S = 0.5


def stop_signals() -> list[signal.Signals]:
    """Return the signals that stop a worker; ``nohup`` has had SIGHUP ignored."""
    is_ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return [number for number in SIGNALS if number != signal.SIGHUP or not is_ignored]


class Signals(PeriodicService):
    """Calls ``stop`` on the event loop at the first signal, with the exit code to end with.

    The handler runs between two bytecodes of the main thread, so the second signal works even
    while a task blocks the event loop. It writes a line for people if ``says_so``. As a
    service it puts back the handlers that a task replaced; ``suspects`` names the tasks that may
    have done so.
    """

    name = "signal handlers"

    def __init__(
        self,
        stop: Callable[[int], None],
        *,
        says_so: bool = True,
        suspects: Callable[[], str] = lambda: "",
    ) -> None:
        super().__init__(LOOK_EVERY_S)
        self._stop = stop
        self._says_so = says_so
        self._suspects = suspects
        self._received = 0
        self._received_at = 0.0
        self._event_loop = asyncio.get_running_loop()
        self._ours: dict[int, Any] = {}

    def install(self) -> None:
        """Handle the signals from now on; call it in the main thread."""
        self._ours = {int(number): self._handle for number in stop_signals()}
        for number in self._ours:
            signal.signal(number, self._handle)
        for number in TIMERS:
            if signal.getsignal(number) is signal.SIG_DFL:
                signal.signal(number, self._on_stray_timer)
        timers = dict.fromkeys(TIMERS, self._on_stray_timer)
        ForkSignals(SIGNALS, self._ours | timers)

    async def pass_once(self) -> None:
        """Put back the handlers that other code replaced."""
        for number, handler in self._ours.items():
            if signal.getsignal(number) != handler:
                signal.signal(number, handler)
                logger.warning(
                    "a task replaced the handler of %s, which stops this worker; it is put back%s. "
                    "Do not handle signals in tasks: a worker runs many of them",
                    *(signal_name(number), self._suspects()),
                )
        if signal.getsignal(signal.SIGPIPE) is signal.SIG_DFL:
            # A connection that its server closes would end the process.
            signal.signal(signal.SIGPIPE, signal.SIG_IGN)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self._received:
            if now - self._received_at < SAME_FOR_S:
                return
            settle_streams()
            os._exit(after_signal(number))
        self._received, self._received_at = number, now
        if self._says_so:
            say_line(f"draining; {second_signal_advice(number)}")
        self._event_loop.call_soon_threadsafe(self._stop, after_stop(number))

    def _on_stray_timer(self, number: int, frame: FrameType | None) -> None:
        logger.warning(
            "%s came, and nothing handles it: a task set a timer; it is ignored%s",
            *(signal_name(number), self._suspects()),
        )
