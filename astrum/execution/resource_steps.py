"""The two steps of a resource function: to its one ``yield``, and from there to its end."""

from __future__ import annotations

import contextvars
import inspect
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from typing import Any, Protocol

from astrum.execution.threads import ThreadPool

_NOTHING = "it ended without yielding anything: it must yield the opened resource, once"
_TWICE = "it yielded a second time: it must yield once, and close after that"


class Steps(Protocol):
    """A resource function that is under way."""

    async def open(self) -> Any:
        """Run it to its ``yield`` and return what that gives; raises whatever it raises."""
        ...

    async def close(self) -> None:
        """Run it from its ``yield`` to its end; raises whatever it raises."""
        ...

    async def throw(self, error: BaseException) -> None:
        """Raise ``error`` at its ``yield``; it comes back unless the function handles it."""
        ...


def steps_of(name: str, function: Callable[..., Any], arguments: Mapping[Any, Any]) -> Steps:
    """Return the steps of a sync or async generator function; nothing of it runs yet."""
    called: Any = function(**arguments)
    is_async = inspect.isasyncgenfunction(function)
    return _AsyncSteps(called) if is_async else _ThreadSteps(name, called)


class _AsyncSteps:
    """An async generator; all its steps are to run in one asyncio task."""

    def __init__(self, generator: AsyncGenerator[Any, None]) -> None:
        self._generator = generator

    async def open(self) -> Any:
        try:
            return await anext(self._generator)
        except StopAsyncIteration:
            raise RuntimeError(_NOTHING) from None

    async def close(self) -> None:
        try:
            await anext(self._generator)
        except StopAsyncIteration:
            return
        await self._generator.aclose()
        raise RuntimeError(_TWICE)

    async def throw(self, error: BaseException) -> None:
        try:
            await self._generator.athrow(error)
        except StopAsyncIteration:
            return
        await self._generator.aclose()


class _ThreadSteps:
    """A plain generator; all its steps run in one thread of its own, and in one context.

    So it may hold what belongs to a thread, as a lock, from its opening until it is closed.
    """

    def __init__(self, name: str, generator: Generator[Any, None, None]) -> None:
        self._generator = generator
        self._thread = ThreadPool(1, name=f"astrum-resource-{name}")
        self._context = contextvars.copy_context()
        self._is_given_up = False

    async def open(self) -> Any:
        try:
            return await self._thread.submit(lambda: self._context.run(self._open))
        except BaseException:
            self._is_given_up = True
            self._thread.close()
            raise

    async def close(self) -> None:
        try:
            await self._thread.submit(lambda: self._context.run(self._close))
        finally:
            self._thread.close()

    async def throw(self, error: BaseException) -> None:
        await self.close()
        raise error

    def _open(self) -> Any:
        try:
            value = next(self._generator)
        except StopIteration:
            raise RuntimeError(_NOTHING) from None
        if self._is_given_up:  # nothing waits for it any more, and nothing else would close it
            self._close()
        return value

    def _close(self) -> None:
        try:
            next(self._generator)
        except StopIteration:
            return
        self._generator.close()
        raise RuntimeError(_TWICE)
