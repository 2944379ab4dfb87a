"""How attempts end at a worker, ready to be recorded."""

from __future__ import annotations

import time
from typing import NamedTuple

from astrum.invoke import AttemptResult
from astrum.machine.events import Outcome
from astrum.machine.failure import Failure
from astrum.wire.messages import Record
from astrum_worker.held import Held


class Ended(NamedTuple):
    """How an attempt ended, ready to be recorded."""

    record: Record
    blob: bytes | None = None


class Dropped(NamedTuple):
    """The end of an attempt that others have settled."""


def never_began(held: Held) -> Ended:
    """Return the end of what goes to others without having been run."""
    return Ended(Record(held.task, held.attempt, Outcome.NEVER_BEGAN))


def raised(error: BaseException, started_at: float) -> AttemptResult:
    """Return the result of an attempt that ended by an error."""
    failure = Failure.from_exception(error)
    return AttemptResult(Outcome.FAILED, None, failure, started_at, time.time())
