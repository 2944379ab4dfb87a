"""The attempt that runs: what its task can ask of it, and its call in a thread."""

from __future__ import annotations

import hashlib
import logging
import math
import threading
import time
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from astrum.errors import AstrumError
from astrum.machine.progress import Progress
from astrum.runtime.forks import FORKS

if TYPE_CHECKING:
    from astrum.execution.captured_log import CapturedLog


logger = logging.getLogger("astrum.run")


@dataclass
class AttemptContext:
    """The running attempt, as `current_attempt` returns it inside a task.

    ``worker_id`` is "" in process. ``index`` is the place of a child in its list, for a child of
    several lists its place on each axis, `None` for any other task. ``key`` is what is in the
    brackets of the child's name if that is not the index, else "". ``cancelled``
    becomes true when the attempt is revoked or times out; a sync task that runs long should check
    it now and then and return. ``trace`` is the W3C ``traceparent`` that the attempt belongs to,
    "" if there is none.
    """

    run_id: str
    task_id: str
    attempt: int
    max_retries: int = 0
    namespace: str = ""
    worker_id: str = ""
    timeout_s: float | None = None
    check_types: bool = True
    index: int | tuple[int, ...] | None = None
    key: str = ""
    trace: str = field(default="", repr=False, compare=False)
    # What comes up while it runs. The class holds the defaults: most attempts set none of them.
    cancelled: bool = field(default=False, init=False)
    is_revoked: bool = field(default=False, init=False, repr=False, compare=False)
    due_at: float = field(default=math.inf, init=False, repr=False, compare=False)
    told: Progress | None = field(default=None, init=False, repr=False, compare=False)
    log: CapturedLog | None = field(default=None, init=False, repr=False, compare=False)
    keeps_prints: bool = field(default=True, init=False, repr=False, compare=False)
    _call: ThreadCall | None = field(default=None, init=False, repr=False, compare=False)
    _has_bad_progress: bool = field(default=False, init=False, repr=False, compare=False)

    def progress(self, done: float, total: float | None = None, text: str = "") -> None:
        """Tell how far this attempt is: so much is done, of so much, and one line of text.

        It is for people who look: the latest value is shown by `show`, `workers` and the live view
        about a second later. Nothing keeps it, and it is gone with the attempt. Any thread may
        call this, as often as it likes.

        It never fails the task: a call with what is not an amount (negative, not finite, not a
        number) is ignored, the last value stays, and the first such call of an attempt is logged as
        a warning.
        """
        try:
            self.told = Progress.checked(done, total, text)
        except ValueError as error:
            self._ignore_progress(str(error))

    def _ignore_progress(self, why: str) -> None:
        if self._has_bad_progress:
            return
        self._has_bad_progress = True
        logger.warning(
            "run %s: task %r, attempt %d: a progress is ignored: %s; further ones of this attempt "
            "are ignored silently",
            *(self.run_id, self.name, self.attempt, why),
        )

    @property
    def idempotency_key(self) -> str:
        """A string that is the same for all attempts of this task, or child, in this run.

        A child is known by its key, or by its index if its list has no ``key=``: if the list is
        made again in another order, the same index may be another element.
        """
        return f"{self.run_id}/{self.name}"

    @property
    def trace_id(self) -> str:
        """The id of the trace that the attempt belongs to, "" if there is none."""
        return self.trace[3:35]

    @property
    def span_id(self) -> str:
        """The id of this attempt as a span of that trace, "" without a trace.

        Each execution has its own: it follows from the trace, the attempt and the worker.
        """
        if not self.trace:
            return ""
        one = f"{self.trace_id}/{self.attempt_key}/{self.worker_id}"
        return hashlib.sha256(one.encode(errors="backslashreplace")).hexdigest()[:16]

    @property
    def attempt_key(self) -> str:
        """A string that is different for every attempt."""
        return f"{self.run_id}/{self.name}/{self.attempt}"

    @property
    def name(self) -> str:
        """The id of the task, for a child with its key or index: ``parse[A-17]``, ``ocr[2,7]``."""
        if self.index is None:
            return self.task_id
        return f"{self.task_id}[{self.key or shown_index(self.index)}]"

    def cancel(self) -> None:
        """Mark the attempt as cancelled; the caller then cancels its asyncio task.

        A cancellation without this call comes from the task's own code or a library.
        """
        self.cancelled = self.is_revoked = True

    def start_clock(self, timeout_s: float) -> None:
        """Note that the time limit of the attempt begins to count now."""
        self.due_at = time.monotonic() + timeout_s

    def give_up(self) -> None:
        """Mark the attempt as cancelled by its time limit, or by code that stopped waiting."""
        self.cancelled = True

    def begin_call(self) -> ThreadCall:
        """Return the state of a call that goes to a thread; `withdraw` is about the last one."""
        self._call = ThreadCall(is_first=self._call is None)
        return self._call

    def withdraw(self) -> bool:
        """Keep a sync attempt that waits for a thread from beginning; false if it has begun."""
        return self._call is not None and self._call.withdraw()


def told_index(index: tuple[int, ...]) -> int | tuple[int, ...] | None:
    """Return an index in the form that tasks see.

    >>> told_index(()), told_index((3,)), told_index((2, 7))
    (None, 3, (2, 7))
    """
    return (index if len(index) > 1 else index[0]) if index else None


def shown_index(index: int | tuple[int, ...]) -> str:
    """Return an index as the names of children have it.

    >>> shown_index(3), shown_index((2, 7))
    ('3', '2,7')
    """
    return str(index) if isinstance(index, int) else ",".join(map(str, index))


class ThreadCall:
    """The state of one job: a thread may be inside it, and its waiter may have given it up.

    The last of the two cleans up. ``is_first``: none of the attempt's code has run before.
    """

    def __init__(self, *, is_first: bool) -> None:
        self._lock = threading.Lock()
        self._has_begun = not is_first
        self._inside = False
        self._given_up = False

    def begin(self) -> bool:
        """Note that a thread has taken the call; return whether it is still wanted."""
        with self._lock:
            self._inside = not self._given_up
            self._has_begun |= self._inside
            return self._inside

    def withdraw(self) -> bool:
        """Keep the call from beginning; return false if code of the attempt has begun."""
        with self._lock:
            self._given_up |= not self._has_begun
            return not self._has_begun

    def end(self) -> bool:
        """Note that the thread has left the call; return whether its waiter gave it up."""
        with self._lock:
            self._inside = False
            return self._given_up

    def give_up(self) -> bool:
        """Note that nothing waits for the call; return whether a thread is inside."""
        with self._lock:
            self._given_up = True
            return self._inside


CURRENT: ContextVar[AttemptContext] = ContextVar("astrum_attempt")
"""The attempt that the current code runs in."""


FORKS.watch(lambda: CURRENT.get(None) is not None)


def current_attempt() -> AttemptContext:
    """Return the attempt that this code runs in; raises `AstrumError` outside of a task."""
    try:
        return CURRENT.get()
    except LookupError:
        raise AstrumError("current_attempt() works only inside a running task") from None
