"""Asks the server whether there is room for the ready tasks that runs hold back."""

from __future__ import annotations

from astrum.protocol.streams import Stream, weight_of
from astrum.runtime.service import PeriodicService
from astrum_coordinator.context import CoordinatorContext
from astrum_coordinator.leading.leaderships import Leaderships
from astrum_coordinator.leading.run_streams import LOOK_EVERY_S


class RoomWatch(PeriodicService):
    """Asks for all runs at once, and only about streams to which nothing was sent lately.

    A run whose own attempts take long would not notice otherwise that those of others have ended.
    """

    name = "room"

    def __init__(self, context: CoordinatorContext, leaderships: Leaderships) -> None:
        super().__init__(LOOK_EVERY_S)
        self._store = context.store
        self._leaderships = leaderships

    async def pass_once(self) -> None:
        """Ask once, if any run holds tasks back."""
        wanted: dict[Stream, list[tuple[str, int]]] = {}
        for leader in self._leaderships:
            for stream, rank in leader.held_back():
                wanted.setdefault(stream, []).append((leader.run_id, rank))
        for stream, ranks in wanted.items():
            _, length, weight = await self._store.look(stream, ranks)
            for run_id, rank in ranks:
                if (found := self._leaderships.get(run_id)) is not None:
                    found.on_told(stream, length, weight - weight_of(rank))
