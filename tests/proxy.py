"""A TCP proxy in front of a test's server: slow, cut, silent or redirected, as the test says.

It runs in a thread of its own, so that it works while a test waits or blocks.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from tests.servers import RedisServer

Target = str | tuple[str, int]
"""The path of a Unix socket, or host and port."""
Result = TypeVar("Result")

_CHUNK = 64 * 1024
_START_TIMEOUT_S = 5.0


def target_of(server: RedisServer) -> Target:
    """Return where a test's server listens."""
    return str(server.directory / "s")


class Proxy:
    """Forwards connections to ``target``; ``with`` starts and ends it.

    What it does to them is set from any thread and holds for open connections and new ones:
    `delay`, `cut` (refuse and reset), `freeze` (half-open: connections stay, nothing passes),
    `forget` (half-open for the connections of now only),
    `divert` (another target for new connections, those of now stay as they are),
    `switch` (another target, connections reset) and `heal`.
    """

    def __init__(self, target: Target) -> None:
        self._target = target
        self._delay_s = 0.0
        self._is_cut = False
        self._links: set[asyncio.StreamWriter] = set()
        self._jobs: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._work, name="proxy", daemon=True)
        self._started = threading.Event()
        self.port = 0

    @property
    def url(self) -> str:
        """Its address for clients."""
        return f"redis://127.0.0.1:{self.port}/0"

    def __enter__(self) -> Proxy:
        self._thread.start()
        assert self._started.wait(_START_TIMEOUT_S)
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Reset all connections and end the thread; harmless when repeated."""
        if self._thread.is_alive():
            self._call(self._end)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def delay(self, seconds: float) -> None:
        """Hold everything back for so long, in both directions."""
        self._delay_s = seconds

    def cut(self) -> None:
        """Reset all connections and refuse new ones."""
        self._is_cut = True
        self.reset()

    def reset(self) -> None:
        """Reset all connections once; new ones are fine."""
        self._call(self._drop_links)

    def freeze(self) -> None:
        """Let nothing pass, in connections of now and of later, without ending any."""
        self._call(self._close_valve)

    def forget(self) -> None:
        """Let nothing pass any more in the connections of now; new ones work."""
        self._call(self._exchange_valve)

    def divert(self, target: Target) -> None:
        """Lead new connections to another server, as a name or a service does after a failover."""
        self._target = target

    def switch(self, target: Target) -> None:
        """Lead to another server from now on."""
        self._target = target
        self.reset()

    def heal(self) -> None:
        """Work as a cable again; what was held back while it was frozen still arrives."""
        self._delay_s = 0.0
        self._is_cut = False
        self._call(self._open_valve)

    # --- in its own thread ------------------------------------------------------------------

    def _call(self, action: Callable[[], Awaitable[Result]]) -> Result:
        async def act() -> Result:
            return await action()

        return asyncio.run_coroutine_threadsafe(act(), self._loop).result(_START_TIMEOUT_S)

    def _work(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._listen())
        self._started.set()
        self._loop.run_forever()

    async def _listen(self) -> None:
        self._valve = asyncio.Event()
        self._valve.set()
        self._server = await asyncio.start_server(self._on_client, "127.0.0.1", 0)
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def _on_client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_cut:
            writer.transport.abort()
            return
        try:
            there = await self._connect()
        except OSError:
            writer.transport.abort()
            return
        self._links |= {writer, there[1]}
        for source, sink in ((reader, there[1]), (there[0], writer)):
            pump = self._pump(source, sink, self._valve, (writer, there[1]))
            job = asyncio.create_task(pump)
            self._jobs.add(job)
            job.add_done_callback(self._jobs.discard)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self._target, str):
            return await asyncio.open_unix_connection(self._target)
        return await asyncio.open_connection(*self._target)

    async def _pump(
        self,
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
        valve: asyncio.Event,
        both: tuple[asyncio.StreamWriter, ...],
    ) -> None:
        with suppress(OSError):
            while data := await source.read(_CHUNK):
                if self._delay_s:
                    await asyncio.sleep(self._delay_s)
                await valve.wait()
                sink.write(data)
                await sink.drain()
        await valve.wait()  # a silent network does not carry the end either
        for writer in both:
            writer.transport.abort()
            self._links.discard(writer)

    async def _drop_links(self) -> None:
        links, self._links = self._links, set()
        for writer in links:
            writer.transport.abort()

    async def _close_valve(self) -> None:
        self._valve.clear()

    async def _exchange_valve(self) -> None:
        self._valve.clear()
        self._valve = asyncio.Event()
        self._valve.set()

    async def _open_valve(self) -> None:
        self._valve.set()

    async def _end(self) -> None:
        self._server.close()
        await self._drop_links()
        jobs = list(self._jobs)
        for job in jobs:
            job.cancel()
        await asyncio.gather(*jobs, return_exceptions=True)
