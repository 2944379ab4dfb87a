"""The one way to the server, and that it lets go when it is told to."""

from __future__ import annotations

import asyncio

from astrum.redis import RedisSettings
from astrum.redis.link import Link


async def ask_for_ever(link: Link) -> None:
    while True:
        await link.execute("TIME")
        await link.pipeline([("TIME",), ("TIME",)])


async def test_a_cancellation_is_never_lost_whenever_it_comes(settings: RedisSettings) -> None:
    async with Link(settings) as link:
        for steps in range(60):
            asking = asyncio.create_task(ask_for_ever(link))
            for _ in range(steps):
                await asyncio.sleep(0)
            asking.cancel()
            _, pending = await asyncio.wait([asking], timeout=5)
            assert not pending, f"cancelled after {steps} steps of the loop, it went on"
