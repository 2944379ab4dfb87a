"""Eager tasks, which begin where they are made: those of Python 3.12, or an imitation."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import Context
from typing import Any, cast

import pytest


def _eager_task(
    loop: asyncio.AbstractEventLoop, coroutine: Any, *, context: Context
) -> asyncio.Task[None]:
    """Do as the eager tasks of Python 3.12, for coroutines that wait for nothing."""

    async def is_over() -> None: ...

    task, beside = asyncio.Task(is_over(), loop=loop), asyncio.current_task()
    if beside is not None:
        asyncio.tasks._leave_task(loop, beside)
    asyncio.tasks._enter_task(loop, task)
    try:
        with pytest.raises(StopIteration):
            context.run(coroutine.send, None)
    finally:
        asyncio.tasks._leave_task(loop, task)
        if beside is not None:
            asyncio.tasks._enter_task(loop, beside)
    return task


@contextmanager
def eager_tasks() -> Iterator[None]:
    """Have the running loop make eager tasks; before Python 3.12 they must wait for nothing."""
    loop = asyncio.get_running_loop()
    loop.set_task_factory(getattr(asyncio, "eager_task_factory", cast(Any, _eager_task)))
    try:
        yield
    finally:
        loop.set_task_factory(None)
