"""Detecting which task blocks the event loop and for how long, by a clock that the test sets.

What the heartbeat thread does every half second is done here by the code that blocks.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace

import pytest

from astrum.execution.attempt import AttemptContext
from astrum.redis import Claim
from astrum_worker.running.claimed import ClaimedAttempt
from astrum_worker.upkeep.loop_block_detector import LoopBlockDetector
from tests.eventually import eventually


def held_of(name: str) -> ClaimedAttempt:
    return ClaimedAttempt(Claim("s", name, b""), "async", 0, 1, AttemptContext("r", name, 1))


class Watched:
    """A watch; asyncio tasks are attempts by their name."""

    def __init__(self) -> None:
        self.now = 100.0
        self.held = {name: held_of(name) for name in "ab"}
        self.watch = LoopBlockDetector(self.find, 1.0)
        self.goes_on_meanwhile = False

    def find(self, job: asyncio.Task[object] | None) -> ClaimedAttempt | None:
        if self.goes_on_meanwhile:
            self.watch._tick()
        return self.held.get("" if job is None else job.get_name())

    async def block(self, name: str, seconds: float, look_every_s: float = 0.5) -> None:
        """Be an attempt that does not let the event loop continue."""

        async def attempt() -> None:
            until = self.now + seconds
            while self.now < until:
                self.now += look_every_s
                self.watch.look()

        await asyncio.create_task(attempt(), name=name)

    def said(self, name: str) -> str:
        """What the record of an attempt would say, without the place."""
        return self.held[name].blocked().partition(" at ")[0]


@pytest.fixture
async def watched(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Watched]:
    it = Watched()
    clock = SimpleNamespace(monotonic=lambda: it.now)
    monkeypatch.setattr("astrum_worker.upkeep.loop_block_detector.time", clock)
    monkeypatch.setattr("astrum_worker.running.claimed.time", clock)
    it.watch.start()
    yield it
    it.watch.stop()


async def test_an_attempt_that_ends_right_after_its_block_is_charged_up_to_its_end(
    watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    await watched.block("a", 14.0)
    watched.now += 0.2
    assert watched.said("a") == "blocked the event loop for 14.2 s"
    where = watched.held["a"].blocked().partition(" at ")[2]
    assert where in caplog.text
    assert watched.said("b") == ""


async def test_a_block_is_charged_until_the_loop_runs_again(watched: Watched) -> None:
    await watched.block("a", 3.0)
    await eventually(lambda: watched.held["a"].block is None, "a tick")
    watched.now += 60.0
    assert watched.said("a") == "blocked the event loop for 3.0 s"


async def test_of_several_blocks_the_longest_counts(watched: Watched) -> None:
    for seconds in (2.0, 4.0, 3.0):
        await watched.block("a", seconds)
        await eventually(lambda: watched.held["a"].block is None, "a tick")
    assert watched.said("a") == "blocked the event loop for 4.0 s"


async def test_an_attempt_is_not_charged_for_a_block_of_the_one_before(
    watched: Watched,
) -> None:
    """Both run in one turn of the loop, so that there is no tick in between."""
    await asyncio.gather(watched.block("a", 5.0), watched.block("b", 3.0))
    assert watched.said("a") == "blocked the event loop for 5.0 s"
    assert watched.said("b") == "blocked the event loop for 3.0 s"


async def test_a_loop_that_runs_again_during_a_look_ends_the_block(watched: Watched) -> None:
    watched.goes_on_meanwhile = True
    await watched.block("a", 1.5)
    assert watched.held["a"].block is None
    watched.now += 60.0
    assert watched.said("a") == "blocked the event loop for 1.5 s"


async def test_a_process_that_was_paused_charges_no_task(watched: Watched) -> None:
    await watched.block("a", 14.0, look_every_s=7.0)
    assert watched.said("a") == ""
