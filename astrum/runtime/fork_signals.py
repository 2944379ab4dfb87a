"""Signal handlers that the child of a fork must not have: it is not a second host of the run."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any


class ForkSignals:
    """Holds stop signals back while a process is forked, and frees the child of its handlers.

    A signal for the child might come before its handlers are restored. Signals are blocked
    only in the thread that forks; others still receive them for this process. A handler that other
    code has set meanwhile is kept.
    """

    def __init__(self, held: Iterable[int], handlers: Mapping[int, Callable[..., Any]]) -> None:
        self._held = tuple(held)
        self._handlers = dict(handlers)
        self._before: dict[int, Any] = {}
        os.register_at_fork(
            before=self._hold, after_in_parent=self._release, after_in_child=self._give_back
        )

    def _hold(self) -> None:
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, self._held)
        self._before[threading.get_ident()] = mask

    def _release(self) -> None:
        mask = self._before.pop(threading.get_ident(), ())
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    def _give_back(self) -> None:
        signal.set_wakeup_fd(-1)
        for number, handler in self._handlers.items():
            if signal.getsignal(number) == handler:
                signal.signal(number, signal.SIG_DFL)
        self._release()
