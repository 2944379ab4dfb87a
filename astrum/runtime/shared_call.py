"""Joins calls that are made at the same time, so that many callers cost as much as one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

from astrum.runtime.loops import hide_like_caller

Answer = TypeVar("Answer")


class SharedCall(Generic[Answer]):
    """Calls ``action``, once for all callers that come before it begins.

    An action under way is not joined: its answer may be from before the call. The next one begins
    when it has ended. A caller that is cancelled does not cancel it for the others.
    """

    def __init__(self, action: Callable[[], Awaitable[Answer]]) -> None:
        self._action = action
        self._turn = asyncio.Lock()
        self._next: asyncio.Task[Answer] | None = None

    async def __call__(self) -> Answer:
        """Return the answer of an action that begins after this call; raises its error."""
        if self._next is None:
            self._next = asyncio.create_task(self._act())
            self._next.add_done_callback(_see)
            hide_like_caller(self._next)
        return await asyncio.shield(self._next)

    async def _act(self) -> Answer:
        async with self._turn:
            self._next = None
            return await self._action()


def _see(task: asyncio.Task[Any]) -> None:
    """Mark an error as seen: all callers may be gone."""
    if not task.cancelled():
        task.exception()
