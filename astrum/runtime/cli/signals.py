"""Stop signals: the first asks for a clean end, a second one exits at once."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping
from types import FrameType, MappingProxyType
from typing import Any

from astrum.runtime.fork_signals import ForkSignals

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
SAME_FOR_S = 0.5
"""Seconds within which a second signal counts as the same one: ``timeout``, shells and terminals
often send it to a process and to its group, so that it comes twice."""
NONE: Mapping[int, Callable[..., Any]] = MappingProxyType({})


def stop_signals() -> list[signal.Signals]:
    """Return the signals that stop this process; ``nohup`` has had SIGHUP ignored."""
    is_ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return [number for number in SIGNALS if number != signal.SIGHUP or not is_ignored]


class StopSignals:
    """Calls ``first`` with the number of the first signal, ``again`` with that of a later one.

    `received` is the first one's number, 0 before. An installed handler runs between two bytecodes
    of the main thread, so it works even while user code blocks the event loop.
    """

    def __init__(self, first: Callable[[int], object], again: Callable[[int], object]) -> None:
        self.received = 0
        self._received_at = 0.0
        self._first = first
        self._again = again
        self._replaced: dict[int, Any] = {}

    def install(self, freed: Mapping[int, Callable[..., Any]] = NONE) -> None:
        """Handle the signals from now on; call it in the main thread.

        The child of a fork gets the default handlers for them and for ``freed``, since it does not
        run the work of this process.
        """
        self._replaced = {int(one): signal.signal(one, self.take) for one in stop_signals()}
        ForkSignals(SIGNALS, dict.fromkeys(self._replaced, self.take) | dict(freed))

    def put_back(self) -> list[int]:
        """Install again what other code has replaced; return the signals concerned."""
        replaced = [number for number in self._replaced if signal.getsignal(number) != self.take]
        for number in replaced:
            signal.signal(number, self.take)
        return replaced

    def restore(self) -> None:
        """Install the handlers that were there before."""
        for number, handler in self._replaced.items():
            signal.signal(number, handler)

    def take(self, number: int, frame: FrameType | None = None) -> None:
        """Take a signal; this is the handler."""
        now = time.monotonic()
        if not self.received:
            self.received, self._received_at = number, now
            self._first(number)
        elif now - self._received_at >= SAME_FOR_S:
            self._again(number)
