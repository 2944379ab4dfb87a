"""Notices, from another thread, that the event loop is blocked, and by which task at which line."""

from __future__ import annotations

import asyncio
import linecache
import logging
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import NamedTuple

import astrum.invoke
from astrum_worker.held import Held

logger = logging.getLogger("astrum.worker")

_TICK_S = 0.2
_INVOKE = astrum.invoke.__file__


class Blockage(NamedTuple):
    """The event loop, blocked: since when, at which line, and by which attempt if it is known."""

    age_s: float
    where: str
    source: str
    held: Held | None


class LoopWatch:
    """The loop leaves a timestamp again and again; `look`, from the heartbeat thread, reads it.

    ``find`` gives the attempt of an asyncio task.
    """

    def __init__(
        self, find: Callable[[asyncio.Task[object] | None], Held | None], blocked_after_s: float
    ) -> None:
        self._find = find
        self._blocked_after_s = blocked_after_s
        self._timer: asyncio.TimerHandle | None = None
        self._ticked_at = 0.0
        self._looked_at = 0.0
        self._told_of = 0.0

    def start(self) -> None:
        """Begin on the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._thread_id = threading.get_ident()
        self._looked_at = time.monotonic()
        self._tick()

    def stop(self) -> None:
        """Leave no more timestamps."""
        if self._timer is not None:
            self._timer.cancel()

    def look(self) -> Blockage | None:
        """Return what blocks the loop, `None` if it is free; logs each blockage once."""
        now, before = time.monotonic(), self._looked_at
        self._looked_at = now
        age_s = now - self._ticked_at
        # If this thread did not run either, the whole process was paused.
        if age_s <= self._blocked_after_s or now - before > self._blocked_after_s:
            return None
        found = self._blockage(age_s)
        if found is not None and self._told_of != self._ticked_at:
            self._told_of = self._ticked_at
            _tell(found)
        return found

    def _tick(self) -> None:
        self._ticked_at = time.monotonic()
        self._timer = self._loop.call_later(_TICK_S, self._tick)

    def _blockage(self, age_s: float) -> Blockage | None:
        frame = _task_frame(sys._current_frames().get(self._thread_id))
        if frame is None:
            return None
        code, line = frame.f_code, frame.f_lineno
        where = f"{Path(code.co_filename).name}:{line} in {code.co_name}"
        source = linecache.getline(code.co_filename, line).strip()
        return Blockage(age_s, where, source, self._find(asyncio.current_task(self._loop)))


def _task_frame(innermost: FrameType | None) -> FrameType | None:
    """Return the frame of the task's own function, else the innermost one."""
    frame = innermost
    while frame is not None and frame.f_back is not None:
        if frame.f_back.f_code.co_filename == _INVOKE and frame.f_code.co_filename != _INVOKE:
            return frame
        frame = frame.f_back
    return innermost


def _tell(found: Blockage) -> None:
    who = "something"
    if found.held is not None:
        who = f"task {found.held.task_id!r} (run {found.held.run_id})"
    logger.warning(
        "the event loop is blocked for %.1f s by %s at %s: %s -- no other async task goes on; "
        "await there, or make the task a plain function, which gets a thread",
        *(found.age_s, who, found.where, found.source),
    )
