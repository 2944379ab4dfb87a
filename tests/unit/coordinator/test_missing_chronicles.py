"""Which chronicles a coordinator makes that others left unmade, on a fake store."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from astrum.errors import AstrumError, StoreUnavailableError
from astrum.redis.chronicles import Unkept
from astrum_coordinator.asking.missing_chronicles import MissingChronicles


class Finder:
    """A search among runs whose leader is gone; reading some of them fails."""

    def __init__(self, *run_ids: str, fails: dict[str, Exception]) -> None:
        self.missing = set(run_ids)
        self.fails = fails
        self.searches = 0
        store = SimpleNamespace(
            live_coordinators=self.alive,
            server_time=self.now,
            without_chronicle=self.without,
            unkept=self.unkept,
            run_info=self.info,
        )
        config = SimpleNamespace(history_s=60.0)
        context: Any = SimpleNamespace(store=store, config=config, owner="here")
        self.service = MissingChronicles(context, self, self)  # type: ignore[arg-type]

    async def alive(self) -> frozenset[str]:
        return frozenset()

    async def now(self) -> float:
        return 1e9

    async def without(self, from_s: float, to_s: float, limit: int) -> list[Unkept]:
        self.searches += 1
        return await self.unkept(sorted(self.missing))

    async def unkept(self, run_ids: Sequence[str]) -> list[Unkept]:
        return [Unkept(run_id, "gone") for run_id in run_ids if run_id in self.missing]

    async def info(self, run_id: str) -> Any:
        return SimpleNamespace(run_id=run_id, counts=None)

    async def read(self, run_id: str, *, values: None) -> Any:
        if error := self.fails.get(run_id):
            raise error
        return SimpleNamespace(state=SimpleNamespace(conclude=lambda: None, states=[]))

    async def keep(self, state: Any, info: Any) -> float:
        self.missing.discard(info.run_id)
        return 0.0


@pytest.mark.parametrize("error", [AstrumError("damaged"), KeyError("a bug")])
async def test_a_run_that_cannot_be_read_is_tried_once_and_costs_no_other(error: Exception) -> None:
    finder = Finder("a", "b", "c", fails={"b": error})
    for _ in range(2):
        await finder.service.pass_once()
    assert (finder.missing, finder.searches) == ({"b"}, 1)


async def test_while_the_server_is_away_the_search_is_made_again() -> None:
    finder = Finder("a", fails={"a": StoreUnavailableError("away")})
    with pytest.raises(StoreUnavailableError):
        await finder.service.pass_once()
    finder.fails.clear()
    await finder.service.pass_once()
    assert (finder.missing, finder.searches) == (set(), 2)
