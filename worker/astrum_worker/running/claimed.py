"""One claim of this worker and the phases it goes through, in this order and never back::

    CLAIMED ── may run ──▶ QUEUED ── has a place ──▶ RUNNING ─┬─ its code ended ────────▶ ENDED
       │                     │                                ├─▶ STOPPED ── a drain ──▶ ENDED
       │                     │                                ├─▶ RECALLED ─ no thread ▶ ENDED
       │                     │                                └─▶ REVOKED ── by others ▶ ENDED
       └─ cannot be run ─────┴─ settled by others, or waits too long ──────────────────▶ ENDED

In STOPPED, RECALLED and REVOKED this worker has cancelled the code, which has not ended yet. The
first of them counts, except that REVOKED may follow the other two.
"""

from __future__ import annotations

import asyncio
import math
import time
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, NamedTuple

from astrum.execution.attempt import AttemptContext
from astrum.machine.failure import blocking_text
from astrum.redis import Claim


class Phase(IntEnum):
    """The phase of a claim; see the picture above."""

    CLAIMED = 0
    QUEUED = 1
    RUNNING = 2
    STOPPED = 3
    RECALLED = 4
    REVOKED = 5
    ENDED = 6


class Block(NamedTuple):
    """The event loop, blocked by an attempt: since when, by the monotonic clock, and where."""

    since: float
    where: str


@dataclass(slots=True, eq=False)
class ClaimedAttempt:
    """One claim of this worker, from its arrival until its end is recorded.

    ``task`` and ``attempt`` are numbers: with the claim's entry id they are the fence.
    ``context`` is what the attempt's code sees. ``job`` is the asyncio task that its code runs
    in, `None` before and afterwards. ``block`` is set while it blocks the event loop.
    ``longest_block`` is the longest one that is over: seconds and source line. ``code`` is as in
    `Record`.
    """

    claim: Claim
    lane: str
    task: int
    attempt: int
    context: AttemptContext
    phase: Phase = Phase.CLAIMED
    job: asyncio.Task[Any] | None = None
    started_at: float = field(default_factory=time.time)
    since: float = field(default_factory=time.monotonic)
    cancelled_at: float = math.inf
    block: Block | None = None
    longest_block: tuple[float, str] | None = None
    code: str = ""

    @property
    def run_id(self) -> str:
        """The run that the attempt belongs to."""
        return self.context.run_id

    @property
    def task_id(self) -> str:
        """The id of the attempt's task, "" if the claim could not be read."""
        return self.context.task_id

    @property
    def name(self) -> str:
        """The name of the attempt's task, or of its child, as people see it."""
        return self.context.name

    @property
    def is_running(self) -> bool:
        """True if it was started and has not ended; its code may not have begun yet."""
        return Phase.RUNNING <= self.phase < Phase.ENDED

    @property
    def has_ended(self) -> bool:
        """True if it has ended."""
        return self.phase is Phase.ENDED

    @property
    def over_at(self) -> float:
        """The monotonic time at which its code had to end: its limit, or its cancellation."""
        return min(self.cancelled_at, self.context.due_at)

    def wait_for_slot(self) -> None:
        """Note that the attempt may run and waits for its turn."""
        self.phase = Phase.QUEUED

    def start(self) -> None:
        """Note that the attempt has a slot; its code begins soon."""
        self.phase, self.since = Phase.RUNNING, time.monotonic()

    def begin(self, job: asyncio.Task[Any]) -> None:
        """Note that the code of the attempt runs in ``job`` from now on."""
        self.job, self.started_at, self.since = job, time.time(), time.monotonic()

    def leave_job(self) -> None:
        """Note that the code of the attempt has ended."""
        self.job = None

    def end(self) -> None:
        """Note that the attempt has ended; harmless if it had before."""
        self.phase = Phase.ENDED

    def cancel(self, phase: Phase) -> bool:
        """Cancel the attempt's code for the reason that ``phase`` names; false if that was known.

        Does nothing if the attempt does not run.
        """
        if not self.is_running or phase <= self.phase:
            return False
        self.phase = phase
        self.cancelled_at = min(self.cancelled_at, time.monotonic())
        self.context.cancel()
        if self.job is not None:
            self.job.cancel()
        return True

    def note_block(self, block: Block) -> None:
        """Note that the attempt blocks the event loop."""
        self.block = block

    def end_block(self, now: float) -> None:
        """Note that the event loop runs again; harmless if it was not blocked."""
        block, self.block = self.block, None
        if block is not None:
            took = (now - block.since, block.where)
            self.longest_block = max(took, self.longest_block or took)

    def blocked(self) -> str:
        """Return for how long it blocked the event loop, and where; "" if it did not."""
        if self.block is not None:
            self.end_block(time.monotonic())
        return blocking_text(*self.longest_block) if self.longest_block else ""
