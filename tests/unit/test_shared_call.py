"""Callers that come together share one action; none gets an answer from before its call."""

from __future__ import annotations

import asyncio

import pytest

from astrum.runtime.shared_call import SharedCall
from tests.eventually import eventually


class Action:
    """Answers with the number of the action; waits until it may end."""

    def __init__(self) -> None:
        self.begun = 0
        self.may_end = asyncio.Event()

    async def __call__(self) -> int:
        self.begun += 1
        number = self.begun
        await self.may_end.wait()
        return number


async def test_callers_that_come_during_an_action_share_the_next_one() -> None:
    call = SharedCall(action := Action())
    first = asyncio.create_task(call())
    await eventually(lambda: action.begun == 1)
    others = [asyncio.create_task(call()) for _ in range(5)]
    await asyncio.sleep(0)
    action.may_end.set()
    assert await first == 1
    assert await asyncio.gather(*others) == [2] * 5


async def test_a_caller_that_is_cancelled_does_not_cancel_the_action_of_the_others() -> None:
    call = SharedCall(action := Action())
    first, second = asyncio.create_task(call()), asyncio.create_task(call())
    await eventually(lambda: action.begun == 1)
    first.cancel()
    action.may_end.set()
    assert await second == 1
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_all_callers_get_the_error_and_a_new_action_can_begin() -> None:
    calls = 0

    async def failing() -> int:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise ValueError("once")
        return calls

    call = SharedCall(failing)
    found = await asyncio.gather(call(), call(), return_exceptions=True)
    assert [str(error) for error in found] == ["once", "once"]
    assert await call() == 2
