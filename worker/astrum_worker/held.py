"""What a worker knows of one claim."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

from astrum.invoke import AttemptContext
from astrum.redis import Claim

EntryKey = tuple[str, str]
"""Stream and entry id."""


@dataclass(slots=True, eq=False)
class Held:
    """One claim of this worker, from its arrival until its end is recorded."""

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

    @property
    def is_running(self) -> bool:
        """Whether its code runs."""
        return self.job is not None and not self.has_ended
