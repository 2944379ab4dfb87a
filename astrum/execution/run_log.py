"""Logs a run for ``silence=False``, in process and on workers alike."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from astrum.machine.events import AttemptSettled, Command, Dispatch, Event, Outcome
from astrum.machine.observer import Observers, RunObserver
from astrum.machine.state import RunState

logger = logging.getLogger("astrum.run")

STARTS_HERE = "starts"
SENT_TO_WORKERS = "is sent to the workers"


def with_log(
    observer: RunObserver | None, run_id: str, start: str, silence: bool
) -> RunObserver | None:
    """Return the observer of a run, with the log added unless the run is silent."""
    observer = None if observer is None else guarded(observer)
    if silence:
        return observer
    log = RunLog(run_id, start)
    return log if observer is None else Observers([observer, log])


class RunLog:
    """An observer that logs the starts, ends and retries of a run's attempts, each once.

    ``start`` is the log's text for a dispatch. When a run's history is read again, the same ends
    are observed again, but not logged again.
    """

    def __init__(self, run_id: str, start: str) -> None:
        self._run_id = run_id
        self._start = start
        self._ended: dict[int, int] = {}
        """For each task the last attempt whose end was logged."""

    def observe(self, state: RunState, event: Event | None, commands: Sequence[Command]) -> None:
        """Log one event and the commands that followed."""
        if type(event) is AttemptSettled:
            self._log_end(state, event)
        for command in commands:
            if type(command) is Dispatch:
                self._log_start(state, command)

    def _log_start(self, state: RunState, command: Dispatch) -> None:
        name = state.tasks.name(command.task)
        extra = self._extra(name, command.try_number)
        logger.info("task %s: attempt %d %s", name, command.try_number, self._start, extra=extra)

    def _log_end(self, state: RunState, end: AttemptSettled) -> None:
        if not self._is_news(state, end) or end.outcome is Outcome.NEVER_BEGAN:
            return
        name, number = state.tasks.name(end.task), end.attempt - state.skipped(end.task)
        extra = self._extra(name, number, end.worker_id)
        ended_at = end.ended_at or end.recorded_at  # as the end of a lost attempt is not known
        took_s = ended_at - (end.started_at or ended_at)
        where = f" on {end.worker_id}" if end.worker_id else ""
        if end.outcome is Outcome.SUCCEEDED:
            logger.info("task %s: done in %.3f s%s", name, took_s, where, extra=extra)
            return
        why = end.failure.summary if end.failure else end.outcome.name.lower()
        again = (end.task, end.attempt) in state.attempt_log.retried
        text = "task %s: attempt %d ended after %.3f s%s: %s%s"
        suffix = "; it is tried again" if again else ""
        logger.warning(text, name, number, took_s, where, why, suffix, extra=extra)

    def _is_news(self, state: RunState, end: AttemptSettled) -> bool:
        # The journal may hold anything; the state ignores numbers that are not tasks, as here.
        is_task = 0 <= end.task < len(state.tasks)
        if not is_task or end.attempt <= self._ended.get(end.task, 0):
            return False
        self._ended[end.task] = end.attempt
        return True

    def _extra(self, name: str, attempt: int, worker_id: str = "") -> dict[str, Any]:
        where = {"worker_id": worker_id} if worker_id else {}
        return {"run_id": self._run_id, "task": name, "task_id": name, "attempt": attempt, **where}


def guarded(observer: RunObserver) -> RunObserver:
    """Return an observer whose errors do not stop the run; the first one is logged."""
    return observer if type(observer) is _GuardedObserver else _GuardedObserver(observer)


class _GuardedObserver:
    def __init__(self, observer: RunObserver) -> None:
        self._observer = observer
        self._has_failed = False

    def observe(self, state: RunState, event: Event | None, commands: Sequence[Command]) -> None:
        """Call the observer; raises nothing."""
        try:
            self._observer.observe(state, event, commands)
        except Exception:
            if not self._has_failed:
                logger.exception(
                    "an observer of a run failed; the run goes on, and further errors of this "
                    "observer are not logged"
                )
            self._has_failed = True
