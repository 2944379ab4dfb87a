"""What a worker knows of one claim."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from astrum.invoke import AttemptContext
from astrum.machine.failure import blocking_text
from astrum.redis import Claim

EntryKey = tuple[str, str]
"""Stream and entry id."""


class Block(NamedTuple):
    """The event loop, blocked by an attempt: since when, by the monotonic clock, and where."""

    since: float
    where: str


@dataclass(slots=True, eq=False)
class Held:
    """One claim of this worker, from its arrival until its end is recorded.

    ``job`` is the asyncio task that its code runs in, others' code before and after it.
    ``block`` is there while it blocks the event loop, ``longest_block`` is one that is over, in
    seconds and with its place.
    """

    claim: Claim
    key: EntryKey
    run_id: str = ""
    task: int = -1
    attempt: int = 0
    task_id: str = ""
    lane: str = ""
    context: AttemptContext | None = None
    job: asyncio.Task[Any] | None = None
    started_at: float = field(default_factory=time.time)
    since: float = field(default_factory=time.monotonic)
    is_revoked: bool = False
    is_recalled: bool = False
    has_ended: bool = False
    block: Block | None = None
    longest_block: tuple[float, str] | None = None

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not ended; its code may begin in a moment."""
        return self.context is not None and not self.has_ended

    def end_block(self, now: float) -> None:
        """Note that the event loop goes on; harmless if it was not blocked."""
        block, self.block = self.block, None
        if block is not None:
            took = (now - block.since, block.where)
            self.longest_block = max(took, self.longest_block or took)

    def blocked(self) -> str:
        """Say for how long it blocked the event loop, and where; "" if it did not."""
        if self.block is not None:
            self.end_block(time.monotonic())
        return blocking_text(*self.longest_block) if self.longest_block else ""
