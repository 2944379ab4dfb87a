"""Detects, from another thread, that a task blocks the event loop, and at which line."""

from __future__ import annotations

import asyncio
import asyncio.events
import linecache
import logging
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import astrum.execution.invoke
from astrum.errors import encodable
from astrum.execution.attempt import CURRENT, AttemptContext
from astrum_worker.running.claimed import Block, ClaimedAttempt
from astrum_worker.upkeep.loop_lag import LoopLag

logger = logging.getLogger("astrum.worker")

_TICK_S = 0.2
_INVOKE = astrum.execution.invoke.__file__
_HANDLE_CODE = asyncio.events.Handle._run.__code__


class Blockage(NamedTuple):
    """The event loop, blocked: since when, at which line, and by which attempt if it is known."""

    age_s: float
    where: str
    source: str
    held: ClaimedAttempt | None


class LoopBlockDetector:
    """Reads, from the heartbeat thread, a timestamp that the event loop renews regularly.

    ``find`` returns the attempt of an asyncio task, ``find_by_context`` that of tasks and callbacks
    that its code started. The block is noted in that attempt.
    """

    def __init__(
        self,
        find: Callable[[asyncio.Task[object] | None], ClaimedAttempt | None],
        blocked_after_s: float,
        find_by_context: Callable[[AttemptContext], ClaimedAttempt | None] = lambda _: None,
    ) -> None:
        self._find = find
        self._find_by_context = find_by_context
        self._blocked_after_s = blocked_after_s
        self.lag = LoopLag(_TICK_S, blocked_after_s)
        self._limit_s = 0.0
        self._over_limit: Callable[[Blockage], object] = bool
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread_id = 0
        self._stretch: tuple[float, ClaimedAttempt | None] = (0.0, None)
        self._stretch_s = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._ticked_at = 0.0
        self._looked_at = 0.0
        self._told_of: tuple[float, ClaimedAttempt | None] = (0.0, None)
        self._blocker: ClaimedAttempt | None = None

    def on_limit(self, limit_s: float, call: Callable[[Blockage], object]) -> None:
        """Have `look` call ``call`` while one attempt blocks for longer; 0 means no limit.

        Only time in which this thread was running counts: the process or its host may have been
        paused, which is not the fault of a task.
        """
        self._limit_s, self._over_limit = limit_s, call

    def start(self) -> None:
        """Begin on the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._thread_id = threading.get_ident()
        self._looked_at = time.monotonic()
        self._tick()

    def stop(self) -> None:
        """Stop renewing the timestamp."""
        self.lag.stop()
        if self._timer is not None:
            self._timer.cancel()

    def look(self) -> Blockage | None:
        """Return what blocks the loop, `None` if it is free; logs each blockage once."""
        now, before = time.monotonic(), self._looked_at
        self._looked_at, ticked_at = now, self._ticked_at
        age_s = now - ticked_at
        # If this thread did not run either, the whole process was paused.
        if age_s <= self._blocked_after_s or now - before > self._blocked_after_s:
            return None
        found = self._blockage(age_s)
        if found is not None and self._told_of != (ticked_at, found.held):
            # Another attempt may have followed the one that blocked without a tick in between.
            since = before if self._told_of[0] == ticked_at else ticked_at
            self._told_of = (ticked_at, found.held)
            _tell(found)
            self._charge(found, since, ticked_at)
        if found is not None:
            self._judge(found, ticked_at, now - before)
        return found

    def _judge(self, found: Blockage, ticked_at: float, passed_s: float) -> None:
        """Count for how long the same attempt was seen to block, and compare with the limit."""
        if self._stretch != (ticked_at, found.held):
            self._stretch, self._stretch_s = (ticked_at, found.held), 0.0
        else:
            self._stretch_s += passed_s
        if self._limit_s and self._stretch_s > self._limit_s and self._ticked_at == ticked_at:
            self._over_limit(found)

    def _charge(self, found: Blockage, since: float, ticked_at: float) -> None:
        previous, self._blocker = self._blocker, found.held
        if previous is not None:
            previous.end_block(since)
        if found.held is not None:
            found.held.note_block(Block(since, found.where))
            if self._ticked_at != ticked_at:  # the loop runs again, so this block is over
                found.held.end_block(self._ticked_at)

    def _tick(self) -> None:
        assert self._loop is not None
        self._ticked_at = now = time.monotonic()
        self.lag.tick(now)
        blocker, self._blocker = self._blocker, None
        if blocker is not None:
            blocker.end_block(now)
        self._timer = self._loop.call_later(_TICK_S, self._tick)

    def _blockage(self, age_s: float) -> Blockage | None:
        innermost = sys._current_frames().get(self._thread_id)
        frame = _task_frame(innermost)
        if frame is None:
            return None
        code, line = frame.f_code, frame.f_lineno
        where = encodable(f"{Path(code.co_filename).name}:{line} in {code.co_name}")
        source = linecache.getline(code.co_filename, line).strip()
        return Blockage(age_s, where, source, self._held(innermost))

    def _held(self, innermost: FrameType | None) -> ClaimedAttempt | None:
        held = self._find(asyncio.current_task(self._loop))
        if held is not None:
            return held
        context = _attempt_context(innermost)
        return None if context is None else self._find_by_context(context)


def _task_frame(innermost: FrameType | None) -> FrameType | None:
    """Return the frame of the task's own function, else the innermost one."""
    frame = innermost
    while frame is not None and frame.f_back is not None:
        if frame.f_back.f_code.co_filename == _INVOKE and frame.f_code.co_filename != _INVOKE:
            return frame
        frame = frame.f_back
    return innermost


def _attempt_context(innermost: FrameType | None) -> AttemptContext | None:
    """Return the attempt for which the event loop runs its current callback or task step."""
    frame = innermost
    while frame is not None:
        if frame.f_code is _HANDLE_CODE:
            handle: Any = frame.f_locals["self"]
            context: AttemptContext | None = handle._context.get(CURRENT)
            return context
        frame = frame.f_back
    return None


def _tell(found: Blockage) -> None:
    who = "something"
    if found.held is not None:
        who = f"task {found.held.name!r} (run {found.held.run_id})"
    logger.warning(
        "the event loop is blocked for %.1f s by %s at %s: %s -- no other async task runs; "
        "await there, or make the task a plain function, which gets a thread",
        *(found.age_s, who, found.where, found.source),
    )
