"""The lines of a report that say what went wrong in a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from astrum.machine.events import AttemptSettled, Outcome
from astrum.machine.failure import Failure
from astrum.machine.state import RunState

ATTEMPT_STATUS = {
    Outcome.SUCCEEDED: "completed",
    Outcome.FAILED: "failed",
    Outcome.LOST: "lost",
    Outcome.TIMED_OUT: "failed",
    Outcome.CANCELLED: "cancelled",
    Outcome.HANDED_BACK: "handed_back",
    Outcome.SKIPPED: "skipped",
}
"""The status of an attempt in reports."""
_WENT_WRONG = (Outcome.FAILED, Outcome.TIMED_OUT, Outcome.LOST)
MAX_CHILDREN_SHOWN = 20
"""The summary of errors names so many failed children of each mapped task."""


def error_summary(state: RunState) -> list[str]:
    """Return one line per failure, retry and loss, in order."""
    log = state.attempt_log
    lines = [*_retried(state), *_failed(state)]
    if log.stop_reason:
        lines.append(log.stop_reason)
    if log.cleanup_stopped is not None:
        lines.append(log.cleanup_stopped.reason)
    return lines


def _retried(state: RunState) -> Iterator[str]:
    log = state.attempt_log
    if not (log.retried or log.reopened):
        return
    numbers: Counter[int] = Counter()
    reopened_at = log.reopened[-1].at if log.reopened else None
    failed = log.failures if log.reopened else ()
    final = {event.task: event.attempt for event in log.settled if event.task in failed}
    for event in log.settled:
        numbers[event.task] += 1
        if log.was_retried(event):
            yield _retried_line(state, event, numbers[event.task])
            continue
        is_final = final.get(event.task) == event.attempt
        is_before = reopened_at is not None and event.recorded_at <= reopened_at
        if is_before and event.outcome in _WENT_WRONG and not is_final:
            yield _before_a_retry(state, event, numbers[event.task])


def _failed(state: RunState) -> Iterator[str]:
    log, of_plan = state.attempt_log, len(state.plan.tasks)
    used = Counter(task for (task, _), left in log.retried.items() if left >= 0)
    children: Counter[str] = Counter()
    for task, failure in log.failures.items():
        spec = state.tasks.spec(task)
        if task >= of_plan:
            children[spec.task_id] += 1
            if children[spec.task_id] > MAX_CHILDREN_SHOWN:
                continue
        name, retries = state.tasks.name(task), spec.retry.max_retries
        yield f"task {name!r} failed: {failure.summary}"
        if retries and used[task] >= retries:
            yield f"task {name!r} exhausted its {_retries(retries)}"
    for task_id, count in children.items():
        if count > MAX_CHILDREN_SHOWN:
            left = count - MAX_CHILDREN_SHOWN
            yield f"task {task_id!r}: {left:,} more {'child' if left == 1 else 'children'} failed"


def failure_text(failure: Failure, blocked: str) -> str:
    """Return one line about a failed attempt, and that it blocked the event loop."""
    return f"{failure.summary}; it {blocked}" if blocked else failure.summary


def _before_a_retry(state: RunState, event: AttemptSettled, number: int) -> str:
    """Return a failure that ended its task before someone retried the run."""
    how = "was lost" if event.outcome is Outcome.LOST else "failed"
    head = f"task {state.tasks.name(event.task)!r} attempt {number} {how}"
    return f"{head}: {_why(event)}; the run was retried after that"


def _why(event: AttemptSettled) -> str:
    failure = event.failure
    return failure_text(failure, event.blocked) if failure else ATTEMPT_STATUS[event.outcome]


def _retried_line(state: RunState, event: AttemptSettled, number: int) -> str:
    name, why = state.tasks.name(event.task), _why(event)
    left = state.attempt_log.retried[event.task, event.attempt]
    if event.outcome is Outcome.LOST:
        return f"task {name!r} attempt {number} was lost: {why}; no retry is charged"
    return f"task {name!r} attempt {number} failed: {why}; {_retries(left)} left"


def _retries(count: int) -> str:
    return "1 retry" if count == 1 else f"{count} retries"
