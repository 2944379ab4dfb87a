"""The end of a run: what a failure means for the rest, what is revoked, and what cleans up."""

from __future__ import annotations

from collections.abc import Iterable

from astrum.machine.events import (
    AttemptSettled,
    CancelRequested,
    CleanupStopped,
    Command,
    Finish,
    Outcome,
    Released,
    Revoke,
    RunTimedOut,
)
from astrum.machine.failure import LOST, MISFIT, RELEASED, Failure
from astrum.machine.lists import Lengths
from astrum.machine.places import NO_ONE, Place
from astrum.machine.reopening import Reopening
from astrum.machine.task_state import (
    BACKING_OFF,
    CANCELLED,
    FAILED,
    HELD,
    OUTSTANDING,
    READY,
    WAITING,
)
from astrum.planning.plan import Plan
from astrum.planning.task_spec import TaskSpec


class Stopping(Reopening):
    """The part of a run's state that stops the run.

    A run that is stopping starts nothing new but tasks that clean up (``always``). In a plain plan
    the states of tasks that never ran stay as they are; else each task ends, since others may wait
    for its end.

    In history it is not known yet what was dispatched: a task that is ready there may have been
    outstanding, and one that waits for such ends too. What did not run ends at the start. So in
    history less may have ended than had in the process that led the run, never more.
    """

    def __init__(self, plan: Plan, capacity: int | None, lengths: Lengths) -> None:
        super().__init__(plan, capacity, lengths)
        self.finished: str | None = None

    @property
    def cleanup_until(self) -> float | None:
        """When the tasks that clean up must be done, `None` as long as the run does not stop."""
        is_over = self.finished is not None or self._cleanup_stopped
        if self._stopping is None or not self._has_cleanup or is_over:
            return None
        return self._stopped_at + self.plan.cleanup_s

    def _proceed(self) -> list[Command]:
        """Dispatch what is ready, or finish."""
        if not self._started or (self._stopping is not None and not self._has_cleanup):
            return self._finish_if_over()
        commands = self._dispatch_ready()
        # The end comes after the dispatches: tail tasks that are ready start although no awaited
        # task is left.
        if not self._awaited_left or self._stopping is not None:
            commands += self._finish_if_over()
        return commands

    # --- failures -----------------------------------------------------------------------

    def _fail(self, task: int, failure: Failure) -> list[Command]:
        """End a task that has failed for good, and do what its policy says."""
        self.attempt_log.failures[task] = failure
        spec = self.tasks.spec(task)
        place = self.tasks.place_of(task) if spec.max_failed is not None else None
        if place is not None and not self._fails_its_list(place):
            self._end(task, FAILED)
            return self._proceed()
        policy = self._policy(spec)
        if policy == "continue":
            self._ends_as = "failed"
        if policy == "stop":
            self._begin_to_stop("failed", "")
            self._halt(task, FAILED)
            return self._stop_commands()
        self._end(task, FAILED)
        revoked = self._cancel_siblings(place) if place is not None else []
        return revoked + self._proceed()

    def _fails_its_list(self, place: Place) -> bool:
        """Return whether one more failed child is one too many; if more are, it did not matter."""
        return not place.is_failing and place.failed == self._accepted(place)

    def _policy(self, spec: TaskSpec) -> str:
        """Return what the failure of a task means for the run: "stop", "continue" or "ignore"."""
        if not spec.awaited and not self.tasks.dependents[self.plan.index[spec.task_id]]:
            return "ignore"  # no task waits for it
        if spec.always and spec.on_failure == "stop":
            return "continue"  # what else cleans up is not stopped by it
        return spec.on_failure

    def _cancel_siblings(self, place: Place) -> list[Command]:
        """End the other children of a list that has failed; return what revokes their attempts."""
        revoked: list[Command] = []
        for child in place.children():
            if self.states[child] == OUTSTANDING:
                revoked.append(Revoke(child, self.attempts[child]))
            if self.states[child] in (WAITING, READY, BACKING_OFF, OUTSTANDING, HELD):
                self._revoked.add(child)
        self._cancel_what_may_not_run(place.children())
        return revoked if self._started else []

    # --- tasks whose worker was lost, and that may have had effects ---------------------

    def _on_lost_for_good(self, event: AttemptSettled, on_lost: str) -> list[Command]:
        """Fail or hold a task that may have had effects when its worker was lost."""
        if on_lost == "fail":
            return self._fail(event.task, _lost(event))
        self.states[event.task] = HELD
        return self._proceed()

    def takes_result_of(self, released: Released) -> bool:
        """Return whether a value that a person gave becomes the result of its task.

        Ask before the event is handled.
        """
        task = released.task
        is_held = 0 <= task < len(self.states) and self.states[task] == HELD
        return is_held and released.how == "succeed" and self.finished is None

    def misfit_of(self, released: Released) -> str:
        """Return why a value that a person gave cannot be the result of its task, "" if it can."""
        return self._misfit(released.task, released.seen)

    def _on_released(self, event: Released) -> list[Command]:
        """Do what a person decided about a task that was held."""
        task = event.task
        self.attempt_log.released.append(event)
        if event.how == "fail":
            return self._fail(task, Failure((RELEASED,), _released_by(event)))
        if event.how == "succeed":
            if misfit := self._misfit(task, event.seen):
                return self._fail(task, Failure((MISFIT,), misfit))
            self._succeed_as_seen(task, event.seen)
        else:
            self._make_ready(task)
        return self._proceed()

    # --- the stop -----------------------------------------------------------------------

    def _stop(self, state: str, reason: str, at: float) -> list[Command]:
        if self._is_decided():
            return []
        self._begin_to_stop(state, reason, at)
        return self._stop_commands()

    def _begin_to_stop(self, state: str, reason: str, at: float | None = None) -> None:
        if self._is_decided():
            return
        self._stopping = state
        settled = self.attempt_log.settled
        if at is None:  # a failure stops it
            at = settled[-1].recorded_at if settled else 0.0
        self._stopped_at = at
        self.attempt_log.stop_reason = reason
        if not self._is_plain:
            self._cancel_what_may_not_run(self._current_tasks())

    def _stop_commands(self) -> list[Command]:
        if not self._started:
            return []
        return self._revoke_outstanding() + self._proceed()

    def _on_stop_requested(self, event: CancelRequested | RunTimedOut) -> list[Command]:
        if isinstance(event, RunTimedOut):
            return self._stop("failed", event.reason, event.at)
        return self._stop("cancelled", event.text, event.at)

    def _on_cleanup_stopped(self, event: CleanupStopped) -> list[Command]:
        if self._stopping is None or not self._has_cleanup or self._cleanup_stopped:
            return []
        self._cleanup_stopped = True
        self.attempt_log.cleanup_stopped = event
        self._cancel_what_may_not_run(self._current_tasks())
        return self._stop_commands()

    def _cancel_what_may_not_run(self, tasks: Iterable[int], *, is_sure: bool = False) -> None:
        """End those of the tasks without an attempt that no attempt may begin of any more.

        In history only some are known for certain; ``is_sure`` says that it is over.
        """
        is_sure |= self._started
        idle = (WAITING, HELD, READY, BACKING_OFF) if is_sure else (HELD,)
        is_any_ready = False
        for task in tasks:
            state = self.states[task]
            if state in idle and not self._may_run(task):
                is_any_ready |= state == READY
                failed = task in self.attempt_log.failures
                self._ends.append((task, FAILED if failed else CANCELLED, NO_ONE))
        if self._stopping is not None:
            for place in self._unfinished_places():
                if not self._may_run(place.template):
                    self._ends.append((place, CANCELLED, NO_ONE))
        self._spread_ends()
        if self._started and is_any_ready:
            self._sort_again()

    def conclude(self) -> None:
        """Take in that the run is over: what has not begun by now never will.

        A process that follows a run knows it from the run's record, not from an event.
        """
        if not self._is_plain:
            self._cancel_what_may_not_run(self._current_tasks(), is_sure=True)

    def _halt(self, task: int, state: int) -> None:
        """End a task of a run that is stopping."""
        if self._is_plain:
            self.states[task] = state
            self.attempt_log.unsuccessful.append(task)
        else:
            self._end(task, state)

    def _end_while_stopping(self, event: AttemptSettled) -> None:
        if event.outcome in (Outcome.FAILED, Outcome.TIMED_OUT) and event.failure is not None:
            self.attempt_log.failures[event.task] = event.failure
        self._halt_unsuccessful(event.task)

    def _halt_unsuccessful(self, task: int) -> None:
        state = FAILED if task in self.attempt_log.failures else CANCELLED
        self._halt(task, state)

    def _revoke_outstanding(self) -> list[Command]:
        if not self.outstanding_count or (self._stopping is None and not self._revoked):
            return []
        return [
            Revoke(task, attempt) for task, attempt in self.outstanding() if not self._may_run(task)
        ]

    # --- the end ------------------------------------------------------------------------

    def _is_decided(self) -> bool:
        """Return whether the run's end is certain; in history the run need not be finished then."""
        return self._stopping is not None or not self._awaited_left

    def _finish_if_over(self) -> list[Command]:
        if not self._started or self.finished is not None:
            return []
        if self._stopping is not None:
            if self.outstanding_count or (self._has_cleanup and self._cleanup_left):
                return []
            self._fail_what_never_ran()
            self.finished = self._stopping
        elif self._awaited_left:
            return []
        else:
            self.finished = self._ends_as
        return [Finish(self.finished)]

    def _fail_what_never_ran(self) -> None:
        for task in self.attempt_log.failures:
            if self.states[task] in (READY, BACKING_OFF):
                self.states[task] = FAILED
                self.attempt_log.unsuccessful.append(task)


def _lost(event: AttemptSettled) -> Failure:
    """Return why a task is not tried again that may have had effects."""
    what = event.failure.message if event.failure else f"worker {event.worker_id} was lost"
    return Failure((LOST,), f"{what}; on_lost='fail', so it is not tried again")


def _released_by(event: Released) -> str:
    by = f" by {event.by}" if event.by else ""
    return f"its worker was lost, and it was released as failed{by}"
