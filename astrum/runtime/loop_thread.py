"""An event loop in a thread of its own, for what must go on while the main one is blocked."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextlib import suppress

_JOIN_S = 5.0


class LoopThread:
    """Runs ``begin`` on an event loop in a daemon thread; what it started goes on until `stop`.

    It is a selector loop of asyncio, whatever policy the users' modules set.
    """

    def __init__(self, name: str, begin: Callable[[], Awaitable[object]]) -> None:
        self._name = name
        self._begin = begin
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Return when ``begin`` has returned; raises what it raised."""
        begun: Future[None] = Future()
        self._thread = threading.Thread(
            target=self._run, args=(begun,), name=self._name, daemon=True
        )
        self._thread.start()
        begun.result()

    def stop(self) -> None:
        """End the loop and all that runs there; harmless when repeated."""
        thread, self._thread = self._thread, None
        if thread is None or self._loop is None or self._stopping is None:
            return
        with suppress(RuntimeError):  # the loop has ended already
            self._loop.call_soon_threadsafe(self._stopping.set)
        thread.join(_JOIN_S)

    def _run(self, begun: Future[None]) -> None:
        with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
            runner.run(self._main(begun))

    async def _main(self, begun: Future[None]) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        try:
            await self._begin()
        except BaseException as error:
            begun.set_exception(error)
            return
        begun.set_result(None)
        await self._stopping.wait()
