"""Ends a run whose local workers cannot open a resource: other ones would not either."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

from astrum.errors import ResourceError
from astrum.machine.events import AttemptSettled, Command, Event
from astrum.machine.failure import RESOURCE_FAILED
from astrum.machine.state import RunState

Result = TypeVar("Result")


class ResourceWatch:
    """An observer of one run; ``is_ours`` tells whether a worker with an id is a local one."""

    def __init__(self, is_ours: Callable[[str], bool]) -> None:
        self._is_ours = is_ours
        self._error: ResourceError | None = None
        self._cancel: Callable[[], object] = bool

    def observe(self, state: RunState, event: Event | None, commands: Sequence[Command]) -> None:
        """Cancel the work that is guarded if a local worker has no resource for an attempt."""
        if type(event) is not AttemptSettled or event.failure is None or self._error is not None:
            return
        if event.failure.types[:1] == (RESOURCE_FAILED,) and self._is_ours(event.worker_id):
            self._error = ResourceError(event.failure.message)
            self._cancel()

    async def guard(self, work: asyncio.Future[Result]) -> Result:
        """Await ``work``, which leads the run; raises `ResourceError` if a resource failed."""
        self._cancel = work.cancel
        try:
            return await work
        except asyncio.CancelledError:
            if self._error is None:
                raise
            raise self._error from None
