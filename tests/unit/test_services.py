"""The one loop of all background services: passes, pauses, errors, start and stop."""

from __future__ import annotations

import asyncio
import logging

import pytest

from astrum.errors import StoreConfigurationError, StoreError, StoreUnavailableError
from astrum.runtime.loops import hide
from astrum.runtime.service import PeriodicService, Service

NEVER_S = 3600.0
DOWN = StoreUnavailableError("nothing listens there")
LOADING = StoreUnavailableError("it is loading its data")
REFUSED = StoreConfigurationError("no permission")


class Scripted(Service):
    """Raises one error after the other, then waits forever."""

    name = "scripted"

    def __init__(self, *errors: Exception | None) -> None:
        super().__init__()
        self.errors = list(errors)
        self.done = asyncio.Event()

    async def run_once(self) -> None:
        if not self.errors:
            self.done.set()
            await asyncio.Event().wait()
        error = self.errors.pop(0)
        if error is not None:
            raise error

    async def _pause(self) -> None:
        """Go on at once."""


class Counting(PeriodicService):
    """Counts its passes; the first fails with ``error``."""

    def __init__(self, every_s: float, error: Exception | None = None) -> None:
        super().__init__(every_s)
        self.error = error
        self.passes: asyncio.Queue[int] = asyncio.Queue()
        self.count = 0

    async def pass_once(self) -> None:
        self.count += 1
        self.passes.put_nowait(self.count)
        if self.error is not None and self.count == 1:
            raise self.error


async def warnings_of(service: Scripted, caplog: pytest.LogCaptureFixture) -> list[str]:
    with caplog.at_level(logging.WARNING, "astrum.service"):
        service.start()
        await service.done.wait()
        await service.stop()
    return [record.getMessage() for record in caplog.records]


async def test_each_message_of_the_store_is_logged_once_until_a_pass_succeeds(
    caplog: pytest.LogCaptureFixture,
) -> None:
    errors = (DOWN, DOWN, LOADING, DOWN, REFUSED, None, DOWN)
    said = await warnings_of(Scripted(*errors), caplog)
    down = "scripted: nothing listens there; it is tried again until it works"
    refused = "scripted: no permission; it is tried again until it works"
    loading = "scripted: it is loading its data; it is tried again until it works"
    assert said == [down, loading, refused, down]


async def test_a_bug_is_logged_with_its_traceback_and_the_loop_continues(
    caplog: pytest.LogCaptureFixture,
) -> None:
    said = await warnings_of(Scripted(LookupError("a bug"), None), caplog)
    assert said == ["scripted: a pass failed; the loop continues"]
    assert "LookupError: a bug" in caplog.text


async def test_a_service_that_stops_ends_its_loop() -> None:
    class OnlyOnce(Scripted):
        def goes_on(self, error: Exception) -> bool:
            self.done.set()
            return False

    service = OnlyOnce(StoreError("the end"), StoreError("never reached"))
    service.start()
    await service.done.wait()
    await asyncio.sleep(0)
    assert len(service.errors) == 1
    await service.stop()


async def test_a_periodic_service_passes_at_once_and_again_when_it_hurries() -> None:
    service = Counting(NEVER_S)
    service.start()
    service.start()
    assert await service.passes.get() == 1
    service.hurry()
    assert await service.passes.get() == 2
    await service.stop()
    await service.stop()
    assert service.count == 2


@pytest.mark.parametrize(("error", "warnings"), [(DOWN, 0), (REFUSED, 1)])
async def test_a_periodic_service_does_not_log_an_outage(
    error: StoreError, warnings: int, caplog: pytest.LogCaptureFixture
) -> None:
    service = Counting(0.001, error)
    with caplog.at_level(logging.WARNING, "astrum.service"):
        service.start()
        while await service.passes.get() < 2:
            pass
        await service.stop()
    assert len(caplog.records) == warnings


async def test_a_service_is_hidden_as_the_task_that_starts_it() -> None:
    service = Counting(NEVER_S)
    before = asyncio.all_tasks()

    async def start() -> set[asyncio.Task[object]]:
        me = asyncio.current_task()
        assert me is not None
        hide(me)
        service.start()
        return asyncio.all_tasks()

    assert await asyncio.create_task(start()) == before
    await service.stop()
    service.start()
    assert len(asyncio.all_tasks() - before) == 1
    await service.stop()
