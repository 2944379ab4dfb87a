"""Joins adoptions that are asked for at the same time to one call of the server."""

from __future__ import annotations

import asyncio

from astrum.redis.listing import Adopted
from astrum.runtime.loops import hide_like_caller
from astrum_coordinator.context import CoordinatorContext


class AdoptCalls:
    """Acquires the leadership of runs for one coordinator."""

    def __init__(self, context: CoordinatorContext) -> None:
        self._context = context
        self._asked: dict[str, asyncio.Future[Adopted | None]] = {}
        self._calls: set[asyncio.Task[None]] = set()

    async def adopt(self, run_id: str) -> Adopted | None:
        """Lead a run; raises kinds of `StoreError`. One call for a run at a time."""
        answer: asyncio.Future[Adopted | None] = asyncio.get_running_loop().create_future()
        if not self._asked:
            call = asyncio.create_task(self._call())
            hide_like_caller(call)
            self._calls.add(call)
            call.add_done_callback(self._calls.discard)
        self._asked[run_id] = answer
        return await answer

    async def _call(self) -> None:
        asked, self._asked = self._asked, {}
        context, config = self._context, self._context.config
        lease = (context.owner, config.lease_s)
        try:
            found = await context.store.adopt(list(asked), *lease, versions=config.versions)
        except Exception as error:  # for each that asked
            found = [error] * len(asked)  # type: ignore[list-item]
        for answer, one in zip(asked.values(), found, strict=True):
            if answer.done():  # its caller was cancelled: the lease runs out by itself
                continue
            if isinstance(one, Exception):
                answer.set_exception(one)
            else:
                answer.set_result(one)
