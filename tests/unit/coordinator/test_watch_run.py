"""The lines of JSON of ``show --watch``, from a coordinator whose server goes away for a moment."""

from __future__ import annotations

import asyncio
import json
from typing import Any, cast

import pytest

from astrum.errors import RunNotFoundError, StoreUnavailableError
from astrum.machine import RunState
from astrum.machine.observer import RunObserver
from astrum.planning import Plan, TaskSpec
from astrum.protocol.records import RunInfo
from astrum_coordinator.asking.pool_watch import PoolWatch
from astrum_coordinator.cli import watch_run


class Asked:
    """A coordinator that answers three times, at the second time not."""

    def __init__(self, error: Exception | None = None) -> None:
        self.times = 0
        self._error = error
        self._is_followed, self._is_over = asyncio.Event(), asyncio.Event()

    async def run_info(self, run_id: str) -> RunInfo:
        await self._is_followed.wait()
        self.times += 1
        if self.times == 2:
            raise StoreUnavailableError("away")
        if self.times == 3:
            self._is_over.set()
        return RunInfo(
            run_id=run_id,
            state="open" if self.times == 1 else "completed",
            epoch=1,
            owner="host:1:a",
            lease_s=9.0,
            created_at=1.0,
            ended_at=None,
            outstanding=0,
            late_ends=0,
            details={},
        )

    async def follow(self, run_id: str, observer: RunObserver) -> None:
        observer.observe(RunState(Plan("n", (TaskSpec("a"),)), run_key=run_id), None, ())
        self._is_followed.set()
        await self._is_over.wait()
        if self._error is not None:
            raise self._error


async def told(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    async def look(watch: PoolWatch) -> None:
        raise StoreUnavailableError("the pool is not known")

    monkeypatch.setattr(PoolWatch, "look", look)
    monkeypatch.setattr(watch_run, "EVERY_S", 0.001)
    async with asyncio.timeout(20):
        await watch_run._told(cast(Any, asked), "r")


async def test_a_server_that_is_away_for_a_moment_only_delays_the_news(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    await told(Asked(), monkeypatch)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["status"] for line in lines] == ["running", "completed"]


async def test_what_ends_the_following_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RunNotFoundError, match="gone"):
        await told(Asked(RunNotFoundError("gone")), monkeypatch)
