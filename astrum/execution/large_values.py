"""Moves work on large values from the event loop to a thread, and decides which are large.

Encoding, compressing and checking a large value takes long enough to block everything else on the
loop. Small values, which most are, stay on the loop: a thread would cost more.
"""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable
from types import FunctionType, ModuleType, NoneType
from typing import Any, Generic, TypeVar

from astrum.execution.threads import ThreadPool
from astrum.runtime.loops import LARGE_BYTES

_MANY_OBJECTS = 2_000
_TOO_MUCH = LARGE_BYTES + 1
_TINY = frozenset({NoneType, bool, int, float, complex})
_STRINGS = frozenset({str, bytes, bytearray})
_SCALARS = _TINY | _STRINGS
_SIZED = (list, tuple, dict, set, frozenset, str, bytes)
_CONTAINERS = frozenset({list, tuple, dict, set, frozenset})
_TABLES = frozenset({"pandas", "polars", "pyarrow"})

Result = TypeVar("Result")


def is_large(value: object) -> bool:
    """Return whether a value is worth a thread; checks no more than some thousand parts.

    >>> is_large({"id": 7}), is_large(list(range(3000))), is_large("x" * 100_000)
    (False, True, True)
    """
    kind = type(value)
    if kind in _TINY:
        return False
    if kind in _STRINGS:
        return len(value) > LARGE_BYTES  # type: ignore[arg-type]
    return _has_many_parts(value)


def _has_many_parts(value: object) -> bool:
    level: list[Any] = [value] if _is_data(value) else []
    objects, size = 0, 0
    while level:
        size += sum(map(_own_bytes, level))
        if size > LARGE_BYTES:
            return True
        parts = gc.get_referents(*level)
        kinds = set(map(type, parts))
        objects += len(parts)
        if not kinds.isdisjoint(_STRINGS):
            size += sum(len(part) for part in parts if type(part) in _STRINGS)
        if size > LARGE_BYTES or objects > _MANY_OBJECTS:
            return True
        if kinds <= _SCALARS:
            return False
        level = [part for part in parts if type(part) not in _SCALARS and _is_data(part)]
    return False


def _own_bytes(part: Any) -> int:
    """Return the weight of a value without its parts: too much for a long container."""
    kind = type(part)
    if kind in _CONTAINERS:
        return _TOO_MUCH if len(part) > _MANY_OBJECTS else 0
    package = kind.__module__.partition(".")[0]
    if package == "numpy":
        return int(part.nbytes) if hasattr(kind, "nbytes") else 0
    is_long = isinstance(part, _SIZED) and len(part) > _MANY_OBJECTS
    return _TOO_MUCH if package in _TABLES or is_long else 0


def _is_data(part: object) -> bool:
    return not isinstance(part, (type, FunctionType, ModuleType))


class Aside:
    """One thread for work on large values, which is done in order.

    Work that takes longer than ``patience_s`` is given up with a ``TimeoutError``, and so is its
    thread: it may run user code that never returns.
    """

    def __init__(self, *, name: str, patience_s: float = 300.0) -> None:
        self._pool = ThreadPool(1, name=name)
        self._patience_s = patience_s

    async def run(self, work: Callable[[], Result]) -> Result:
        """Do ``work`` in the thread; a cancellation leaves it there and propagates."""
        job = _Job(self._pool, work, self._patience_s)
        return await job.result()

    async def finish(self, work: Callable[[], Result]) -> Result:
        """Finish ``work`` even if the caller is cancelled meanwhile.

        For attempts that have a result already, which would be lost otherwise.
        """
        job = _Job(self._pool, work, self._patience_s)
        task = asyncio.current_task()
        while True:
            try:
                await asyncio.wait([job.future])
            except asyncio.CancelledError:
                if task is not None:
                    task.uncancel()
            else:
                return await job.result()

    def close(self) -> None:
        """Let the thread end."""
        self._pool.close()


class _Job(Generic[Result]):
    """One piece of work in the thread, with a limit to how long it may take."""

    def __init__(self, pool: ThreadPool, work: Callable[[], Result], patience_s: float) -> None:
        self._pool = pool
        self._work = work
        self._patience_s = patience_s
        self._is_inside = False
        self._is_abandoned = False
        self._lock = threading.Lock()
        self.future: asyncio.Future[Result] = pool.submit(self._run)
        timer = asyncio.get_running_loop().call_later(patience_s, self._abandon)
        self.future.add_done_callback(lambda _: timer.cancel())

    async def result(self) -> Result:
        """Return the result of the work; raises its error, or ``TimeoutError``."""
        try:
            return await self.future
        except asyncio.CancelledError:
            if self._is_abandoned:
                limit = f"{self._patience_s:g} s"
                raise TimeoutError(f"working on a large value took longer than {limit}") from None
            raise

    def _run(self) -> Result:
        with self._lock:
            self._is_inside = True
        try:
            return self._work()
        finally:
            with self._lock:
                self._is_inside = False
                is_back = self._is_abandoned
            if is_back:
                self._pool.recovered()

    def _abandon(self) -> None:
        with self._lock:
            self._is_abandoned = True
            is_hung = self._is_inside
        if is_hung:
            self._pool.abandon()
        self.future.cancel()
