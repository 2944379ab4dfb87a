"""The end of an attempt, from the result or the error of its code."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Literal, NamedTuple

from astrum.errors import AstrumError, Skip
from astrum.execution.attempt import AttemptContext
from astrum.machine.events import Outcome
from astrum.machine.failure import TIMED_OUT, Failure
from astrum.planning.plan import Lane
from astrum.runtime.loops import runs_in

SWALLOW_GRACE_S = 5.0
"""The seconds in which a task must end after its cancellation, before it is given up."""
SKIPPED = "astrum.errors.Skip"
"""The type of the failure of an attempt that said that there is nothing to do."""
TIMEOUT_TYPES = (
    TIMED_OUT,
    "builtins.TimeoutError",
    "builtins.OSError",
    "builtins.Exception",
    "builtins.BaseException",
)


class AttemptResult(NamedTuple):
    """The end of an attempt; ``value`` is set only if it succeeded.

    ``seen`` is what its run depends on of the value, as in `AttemptSettled`.
    """

    outcome: Outcome
    value: Any
    failure: Failure | None
    started_at: float
    ended_at: float
    seen: tuple[int, ...] = ()


class AttemptTimeoutError(Exception):
    """The attempt's own limit passed; it differs from a TimeoutError of the user's code."""


def is_for_the_host(
    error: BaseException, lane: Lane, context: AttemptContext, job: asyncio.Task[Any] | None
) -> bool:
    """Return whether an exception from a task's code is about its host, not about the task.

    Compares the type only: ``isinstance`` may run code of the exception's class.
    """
    if issubclass(type(error), asyncio.CancelledError):
        return context.is_revoked
    if issubclass(
        type(error), GeneratorExit
    ):  # the coroutine of the attempt itself is being closed
        return not runs_in(job)
    # In async code of the user's own process it may be Ctrl-C.
    is_local = lane == "async" and not context.worker_id
    return issubclass(type(error), KeyboardInterrupt) and is_local


def outcome_of(error: BaseException, context: AttemptContext) -> tuple[Outcome, Failure]:
    """Return the outcome and the failure of an attempt whose code raised ``error``."""
    if issubclass(type(error), AttemptTimeoutError):
        return Outcome.TIMED_OUT, timeout_failure(context)
    if issubclass(type(error), asyncio.CancelledError):
        _forget_cancellations()
        return Outcome.FAILED, Failure.from_cancellation(error)
    if issubclass(type(error), Skip):
        return Outcome.SKIPPED, Failure((SKIPPED,), Failure.from_exception(error).message)
    return Outcome.FAILED, Failure.from_exception(error)


def _forget_cancellations() -> None:
    """Let the asyncio task continue after a cancellation that ended only the attempt."""
    task = asyncio.current_task()
    while task is not None and task.cancelling():
        task.uncancel()


def ended_by(error: BaseException, context: AttemptContext, started_at: float) -> AttemptResult:
    """Return the end of an attempt whose code raised ``error``."""
    if issubclass(type(error), asyncio.CancelledError) and context.is_revoked:
        return AttemptResult(Outcome.CANCELLED, None, None, started_at, time.time())
    outcome, failure = outcome_of(error, context)
    return AttemptResult(outcome, None, failure, started_at, time.time())


def swallowed(context: AttemptContext) -> AttemptResult:
    """Return the end of an attempt that still runs after its cancellation."""
    now = time.time()
    if context.is_revoked:
        return AttemptResult(Outcome.CANCELLED, None, None, now, now)
    return AttemptResult(Outcome.TIMED_OUT, None, timeout_failure(context), now, now)


def timeout_failure(context: AttemptContext) -> Failure:
    """Return the failure of an attempt that took longer than its own limit."""
    return Failure(TIMEOUT_TYPES, f"the attempt took longer than its {context.timeout_s:g} s")


def value_failure(error: BaseException, part: Literal["arguments", "result"]) -> AttemptResult:
    """Return the end of an attempt that failed for good because of a value: no retry policy matches
    its one type name, since trying again would not help.
    """
    failure = Failure.from_exception(error)
    failure = failure._replace(types=failure.types[:1], notes=(part,))
    if issubclass(type(error), AstrumError):
        failure = failure._replace(traceback="")  # it would show Astrum's code, not the user's
    now = time.time()
    return AttemptResult(Outcome.FAILED, None, failure, now, now)
