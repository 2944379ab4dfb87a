"""A number of places for asyncio tasks, which get them in a given order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from heapq import heappop, heappush
from itertools import count


class OrderedPlaces:
    """So many tasks at once; of those that wait, the one with the lowest key is the next."""

    def __init__(self, places: int) -> None:
        self._free = places
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._numbers = count()

    @asynccontextmanager
    async def place(self, key: int) -> AsyncIterator[None]:
        """Wait for a place and hold it inside the context."""
        if self._free:
            self._free -= 1
        else:
            await self._wait(key)
        try:
            yield
        finally:
            self._give_back()

    async def _wait(self, key: int) -> None:
        given = asyncio.get_running_loop().create_future()
        heappush(self._waiting, (key, next(self._numbers), given))
        try:
            await given
        except asyncio.CancelledError:
            if not given.cancelled():  # it had been given just before
                self._give_back()
            raise

    def _give_back(self) -> None:
        while self._waiting:
            *_, given = heappop(self._waiting)
            if not given.done():
                given.set_result(None)
                return
        self._free += 1
