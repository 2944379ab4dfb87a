"""Waiting for what other processes do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

DEADLINE_S = 20.0


async def eventually(fact: Callable[[], Any], what: str = "") -> Any:
    """Wait until ``fact`` gives something true (it may be async) and return that."""
    deadline = time.monotonic() + DEADLINE_S
    while True:
        found = fact()
        if isinstance(found, Awaitable):
            found = await found
        if found:
            return found
        assert time.monotonic() < deadline, f"never came true: {what or fact}"
        await asyncio.sleep(0.01)
