"""Drains the worker on SIGTERM, SIGHUP or Ctrl-C, whatever its tasks do to signal handlers.

The handlers are checked regularly and put back. The child of a fork gets the default ones: it is
not a worker.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable
from types import FrameType

from astrum.runtime.cli.signals import StopSignals
from astrum.runtime.exit_codes import after_signal, after_stop, second_signal_advice, signal_name
from astrum.runtime.service import PeriodicService
from astrum.runtime.standard_streams import exit_at_once, say_line

logger = logging.getLogger("astrum.worker")

TIMERS = (signal.SIGALRM, signal.SIGVTALRM, signal.SIGPROF)
"""The signals of ``alarm`` and ``setitimer``; without a handler each of them ends the process."""
LOOK_EVERY_S = 0.5


class Signals(PeriodicService):
    """Calls ``stop`` on the event loop at the first signal, with the exit code to end with.

    If ``says_so``, it writes a line for people then. As a service it puts back the handlers that a
    task replaced; ``suspects`` names the tasks that may have done so.
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
        self._event_loop = asyncio.get_running_loop()
        self._signals = StopSignals(self._drain, lambda number: exit_at_once(after_signal(number)))

    def install(self) -> None:
        """Handle the signals from now on; call it in the main thread."""
        for number in TIMERS:
            if signal.getsignal(number) is signal.SIG_DFL:
                signal.signal(number, self._on_stray_timer)
        self._signals.install(freed=dict.fromkeys(TIMERS, self._on_stray_timer))

    async def pass_once(self) -> None:
        """Put back the handlers that other code replaced."""
        for number in self._signals.put_back():
            logger.warning(
                "a task replaced the handler of %s, which stops this worker; it is put back%s. "
                "Do not handle signals in tasks: a worker runs many of them",
                *(signal_name(number), self._suspects()),
            )
        if signal.getsignal(signal.SIGPIPE) is signal.SIG_DFL:
            # A connection that its server closes would end the process.
            signal.signal(signal.SIGPIPE, signal.SIG_IGN)

    def _drain(self, number: int) -> None:
        if self._event_loop.is_closed():
            return  # this process is about to end
        if self._says_so:
            say_line(f"draining; {second_signal_advice(number)}")
        self._event_loop.call_soon_threadsafe(self._stop, after_stop(number))

    def _on_stray_timer(self, number: int, frame: FrameType | None) -> None:
        logger.warning(
            "%s came, and nothing handles it: a task set a timer; it is ignored%s",
            *(signal_name(number), self._suspects()),
        )
