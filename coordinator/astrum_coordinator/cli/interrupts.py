"""Handles Ctrl-C, SIGTERM and SIGHUP: the first asks for a clean end, the second exits at once.

While tasks clean up, the second first asks for the end of the clean-up, which takes a moment.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, NoReturn, TypeVar

from astrum.execution.steady_loop import run_steadily
from astrum.planning.plan import Plan
from astrum.runtime.cli.commands import say
from astrum.runtime.cli.signals import SAME_FOR_S, StopSignals
from astrum.runtime.collector import slow_down_collector
from astrum.runtime.exit_codes import ExitCode, after_signal, second_signal_advice
from astrum.runtime.standard_streams import exit_at_once

Result = TypeVar("Result")

SHOW_CURSOR = "\x1b[?25h"
LAST_REQUEST_S = 5.0
"""Seconds that the last request before an exit may take, if the server does not answer."""
NEXT_LINE = "\r\n"  # the prompt of the shell must not hang on to a half-drawn view


class Interrupts:
    """Passes the first signal to the running work.

    Before there is an event loop, the first exits at once too.
    """

    def __init__(self) -> None:
        self._signals = StopSignals(self._on_first_signal, self._on_second_signal)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._react: Callable[[], object] = lambda: None
        self._advice = "stopping"
        self._last_request: Callable[[], Coroutine[Any, Any, object]] | None = None
        self._leaving_since: float | None = None
        self._on_disturbance: Callable[[BaseException | None], object] = _give_up

    @property
    def received(self) -> int:
        """The number of the first signal, 0 before."""
        return self._signals.received

    @property
    def exit_code(self) -> int:
        """The exit code of a process that the signal ended: 130 for Ctrl-C."""
        return after_signal(self.received)

    def run(self, work: Callable[[Interrupts], Coroutine[Any, Any, Result]]) -> Result:
        """Run ``work`` in a new event loop; the first signal cancels it unless it says otherwise.

        The garbage collector slows down for the rest of the process, which only does this work.
        Must be called in the main thread.
        """
        slow_down_collector()
        self._signals.install()
        try:
            work_here = self._enter(work)
            return run_steadily(work_here, lambda error: self._on_disturbance(error), _end_broken)
        finally:
            # After a signal the process is about to end, and the same signal may arrive again.
            if not self.received:
                self._signals.restore()

    def on_first(self, react: Callable[[], object], advice: str = "stopping") -> None:
        """Call ``react`` on the event loop at the first signal, or at once if it has come already.

        ``advice`` is printed to the user then.
        """
        self._react, self._advice = react, advice
        if self.received:
            react()

    def before_leaving(self, request: Callable[[], Coroutine[Any, Any, object]]) -> None:
        """At the second signal await ``request`` on the event loop, for a few seconds at most."""
        self._last_request = request

    def on_disturbance(self, react: Callable[[BaseException | None], object]) -> None:
        """Call ``react`` with each error that leaves the event loop, and let the loop continue.

        It is `None` if the loop was stopped. Without this call such an error ends the command.
        """
        self._on_disturbance = react

    async def _enter(self, work: Callable[[Interrupts], Coroutine[Any, Any, Result]]) -> Result:
        self._loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        if task is not None:
            self._react = task.cancel
        return await work(self)

    def _on_first_signal(self, number: int) -> None:
        if self._loop is None:
            _leave(after_signal(number))
        say(f"{self._advice}; {second_signal_advice(number)}")
        self._loop.call_soon_threadsafe(lambda: self._react())

    def _on_second_signal(self, number: int) -> None:
        now, code = time.monotonic(), after_signal(number)
        if self._loop is None or self._last_request is None:
            _leave(code)
        if self._leaving_since is None:
            self._leaving_since = now
            say("ending the clean-up")
            limit = threading.Timer(LAST_REQUEST_S, _leave, [code])
            limit.daemon = True
            limit.start()  # the event loop may be blocked
            self._loop.call_soon_threadsafe(lambda: self._begin_to_leave(code))
        elif now - self._leaving_since >= SAME_FOR_S:
            _leave(code)

    def _begin_to_leave(self, code: int) -> None:
        assert self._loop is not None
        assert self._last_request is not None
        request = self._loop.create_task(self._last_request())
        request.add_done_callback(lambda _: _leave(code))


def cancelling(plan: Plan, otherwise: str) -> str:
    """Say what the first signal does to a run of the plan; ``otherwise`` if nothing cleans up."""
    if not any(spec.always for spec in plan.tasks):
        return otherwise
    return f"cancelling the run; its clean-up runs, at most {plan.cleanup_s:g} s"


def _give_up(error: BaseException | None) -> NoReturn:
    raise error or RuntimeError("something stopped the event loop")


def _end_broken(error: BaseException) -> NoReturn:
    say(
        f"error: the event loop cannot run any more ({type(error).__name__}: {error}): a task has "
        "closed descriptors that are not its own, or the loop's selector"
    )
    _leave(ExitCode.FAILED)


def _leave(code: int) -> NoReturn:
    # When this process is gone, guards end the processes that it has started.
    with suppress(OSError, ValueError):
        if sys.__stderr__ is not None and sys.__stderr__.isatty():
            sys.__stderr__.write(SHOW_CURSOR + NEXT_LINE)
    exit_at_once(code)
