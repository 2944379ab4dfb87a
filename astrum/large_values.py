"""Work on large values leaves the event loop: which values are large, and where the work goes.

Encoding, compressing and checking a large value takes long enough to hold up everything else on
the loop. Small values, which most are, stay where they are: a thread costs more than they do.
"""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable
from types import FunctionType, ModuleType, NoneType
from typing import Any, Generic, TypeVar

from astrum.threads import ThreadPool

LARGE_BYTES = 64 * 1024
_MANY_OBJECTS = 2_000
_TINY = frozenset({NoneType, bool, int, float, complex})
_STRINGS = frozenset({str, bytes, bytearray})
_TABLES = frozenset({"pandas", "polars", "pyarrow"})

Result = TypeVar("Result")


def is_large(value: object) -> bool:
    """Tell whether a value is worth a thread; looks at no more than some thousand parts.

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
        objects += len(level)
        size += sum(map(_own_bytes, level))
        if size > LARGE_BYTES or objects > _MANY_OBJECTS:
            return True
        holders = [part for part in level if type(part) not in _STRINGS]
        if any(_is_long(part) for part in holders):
            return True
        level = [part for part in gc.get_referents(*holders) if _is_data(part)] if holders else []
    return False


def _is_long(part: Any) -> bool:
    return isinstance(part, (list, tuple, dict, set, frozenset)) and len(part) > _MANY_OBJECTS


def _own_bytes(part: Any) -> int:
    kind = type(part)
    if kind in _STRINGS:
        return len(part)
    package = kind.__module__.partition(".")[0]
    if package in _TABLES:
        return LARGE_BYTES + 1
    return int(part.nbytes) if package == "numpy" and hasattr(kind, "nbytes") else 0


def _is_data(part: object) -> bool:
    return type(part) not in _TINY and not isinstance(part, (type, FunctionType, ModuleType))


class Aside:
    """One thread for work on large values; what is given to it is done in order.

    Work that takes longer than ``patience_s`` is given up with a ``TimeoutError``, and its thread
    with it: code of the user's may run in there, which may never return.
    """

    def __init__(self, *, name: str, patience_s: float = 300.0) -> None:
        self._pool = ThreadPool(1, name=name)
        self._patience_s = patience_s

    async def run(self, work: Callable[[], Result]) -> Result:
        """Do ``work`` in the thread; a cancellation leaves it there and propagates."""
        job = _Job(self._pool, work, self._patience_s)
        return await job.result()

    async def finish(self, work: Callable[[], Result]) -> Result:
        """Do ``work`` to its end, also if that is cancelled meanwhile.

        For what has a result already: it would be lost otherwise.
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
        self._is_given_up = False
        self._lock = threading.Lock()
        self.future: asyncio.Future[Result] = pool.submit(self._do)
        timer = asyncio.get_running_loop().call_later(patience_s, self._give_up)
        self.future.add_done_callback(lambda _: timer.cancel())

    async def result(self) -> Result:
        """Return what the work gives; raises what it raises, or ``TimeoutError``."""
        try:
            return await self.future
        except asyncio.CancelledError:
            if self._is_given_up:
                limit = f"{self._patience_s:g} s"
                raise TimeoutError(f"working on a large value took longer than {limit}") from None
            raise

    def _do(self) -> Result:
        with self._lock:
            self._is_inside = True
        try:
            return self._work()
        finally:
            with self._lock:
                self._is_inside = False
                is_back = self._is_given_up
            if is_back:
                self._pool.recovered()

    def _give_up(self) -> None:
        with self._lock:
            self._is_given_up = True
            is_hung = self._is_inside
        if is_hung:
            self._pool.abandon()
        self.future.cancel()
