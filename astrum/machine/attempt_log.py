"""The history of a run, kept for its report."""

from __future__ import annotations

from dataclasses import dataclass, field

from astrum.machine.events import AttemptSettled, CleanupStopped, Outcome, Released, Reopened
from astrum.machine.failure import Failure

UNCHARGED = -1
"""Replaces the number of retries left if an attempt cost none of them."""


@dataclass(slots=True)
class AttemptLog:
    """All data of a report, in the order it happened."""

    settled: list[AttemptSettled] = field(default_factory=list)
    retried: dict[tuple[int, int], int] = field(default_factory=dict)
    """(task, attempt) that is tried again, to the user's retries left, or `UNCHARGED`."""
    failures: dict[int, Failure] = field(default_factory=dict)
    """The reason why a task failed for good."""
    skips: dict[int, Failure] = field(default_factory=dict)
    """The reason that a task gave when it said that there is nothing to do."""
    stop_reason: str = ""
    reused: dict[int, str] = field(default_factory=dict)
    """The run whose result a task has, if it did not run in this one."""
    reopened: list[Reopened] = field(default_factory=list)
    """When the run was reopened after an end, by whom, and for which tasks."""
    released: list[Released] = field(default_factory=list)
    """What people decided about tasks that were held."""
    cleanup_stopped: CleanupStopped | None = None
    """Why the tasks that clean up were ended before they were done."""
    unsuccessful: list[int] = field(default_factory=list)
    """The tasks that did not succeed, in the order of their ends, with those that had no attempt.

    A mapped task is here only if it ended before it had children. A task that runs again after a
    reopening stays here. In history some that were cancelled may be missing."""

    def was_retried(self, event: AttemptSettled) -> bool:
        """Return whether an attempt failed or was lost, and its task was tried again.

        An attempt that was handed back is followed by another one too, but nothing went wrong.
        """
        left = self.retried.get((event.task, event.attempt))
        return left is not None and (left >= 0 or event.outcome is Outcome.LOST)
