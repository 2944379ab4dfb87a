"""A worker runs no entry twice, even if the server delivers it again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from astrum.execution.attempt import current_attempt
from astrum.execution.invoke import BoundTask
from astrum.planning.build import NO_INPUTS
from astrum.protocol.task_message import TaskMessage, encode_message
from astrum.redis import Claim, RedisSettings, Settlement, Verdict
from astrum.values.arguments import NO_ARGUMENTS
from astrum.values.codec import Codec
from astrum_worker.app import Worker
from astrum_worker.config import WorkerConfig
from astrum_worker.running.catalog import Catalog, Served
from tests.eventually import eventually

STREAM = "{astrum}:q:default:a:"


class Place:
    """A worker that is not started: the test gives it claims and is its server."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.runs: list[int] = []
        self.may_end = asyncio.Event()
        self.may_end.set()
        served = Served(BoundTask("t", self.task, NO_INPUTS, "async"), "", Codec())
        config = WorkerConfig(modules=("m",), redis=RedisSettings(), resettle_window_s=60.0)
        self.worker = Worker(config, Catalog({("n", "t"): served}), lambda _: None)
        parts = self.worker.parts
        self.attempts, self.settler = parts.attempts, parts.settler
        self.reconciler, self.loss = parts.reconciler, parts.context.store.loss
        monkeypatch.setattr(parts.context.store, "settle", self.settle)
        monkeypatch.setattr(parts.context.store, "own_claims", self.own_claims)
        self.claims: list[Claim] = []
        self.when_asked: Any = lambda: None

    async def task(self) -> None:
        self.runs.append(current_attempt().attempt)
        await self.may_end.wait()

    async def settle(
        self, run_id: str, stream: str, settlements: Sequence[Settlement]
    ) -> list[Verdict]:
        return [Verdict.SETTLED] * len(settlements)

    async def own_claims(self, *_: object) -> list[Claim]:
        claims = list(self.claims)
        asked = self.when_asked()
        if asked is not None:
            await asked
        return claims

    def claim(self, number: int = 1) -> Claim:
        """Return an entry that dispatches an attempt."""
        message = TaskMessage(
            *("r", 0, number, number, "n", "t", "", 0), None, False, False, NO_ARGUMENTS
        )
        return Claim(STREAM, f"{number}-0", encode_message(message))

    async def told(self) -> None:
        """Let all ends reach the server."""
        await self.attempts.wait_idle()
        self.settler.start()
        await self.settler.flushed()
        await self.settler.stop()

    async def idle(self) -> list[int]:
        """Return which attempts have run, each execution once."""
        await self.attempts.wait_idle()
        return self.runs


@pytest.fixture
async def place(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Place]:
    place = Place(monkeypatch)
    yield place
    place.may_end.set()
    await place.told()
    place.worker.parts.invoker.close()


async def test_an_entry_that_is_claimed_again_is_not_run_while_its_end_is_remembered(
    place: Place,
) -> None:
    place.attempts.accept("async", place.claim())
    await place.told()
    place.attempts.accept("async", place.claim())
    assert await place.idle() == [1]


async def test_an_end_is_remembered_while_it_is_settled_again_and_afterwards(place: Place) -> None:
    place.attempts.accept("async", place.claim())
    await place.told()
    place.settler.resettle()
    place.attempts.accept("async", place.claim())
    await place.told()
    place.attempts.accept("async", place.claim())
    assert await place.idle() == [1]


async def test_a_late_reply_for_a_claim_that_has_ended_is_ignored(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place.settler, "knows", lambda key: False)  # it was long ago
    place.claims = [place.claim()]
    await place.reconciler.reconcile()
    await place.told()
    place.attempts.accept("async", place.claim())
    assert await place.idle() == [1]


@pytest.mark.parametrize("arrives", ["before", "after"])
async def test_an_attempt_that_is_settled_again_does_not_run_again(
    place: Place, arrives: str
) -> None:
    place.attempts.accept("async", place.claim())
    await place.told()
    place.settler.resettle()
    place.claims = [place.claim()]
    if arrives == "before":  # the reply with the claim
        place.when_asked = place.told
    await place.reconciler.reconcile()
    assert await place.idle() == [1]


async def test_an_attempt_that_ends_during_a_reconciliation_does_not_run_again(
    place: Place,
) -> None:
    place.may_end.clear()
    place.attempts.accept("async", place.claim())
    await eventually(lambda: place.runs, "the attempt to begin")
    place.claims = [place.claim()]

    async def meanwhile() -> None:
        place.may_end.set()
        await place.told()

    place.when_asked = meanwhile
    await place.reconciler.reconcile()
    assert await place.idle() == [1]


async def test_claims_of_a_server_that_lost_its_last_writes_are_not_run(
    place: Place,
) -> None:
    place.claims = [place.claim()]
    place.when_asked = place.loss.suspect
    await place.reconciler.reconcile()
    assert await place.idle() == []
    assert place.loss.acknowledge()
    place.when_asked = lambda: None
    await place.reconciler.reconcile()
    assert await place.idle() == [1]


async def test_an_attempt_that_others_have_settled_is_cancelled(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def none_is_held(run_id: str, items: Sequence[object]) -> list[bool]:
        return [False] * len(items)

    monkeypatch.setattr(place.worker.parts.context.store, "are_still_held", none_is_held)
    place.may_end.clear()
    place.attempts.accept("async", place.claim())
    await eventually(lambda: place.runs, "the attempt to begin")
    await place.reconciler.verify()
    await eventually(lambda: not place.attempts.running_count, "the attempt to end")
