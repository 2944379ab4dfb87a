"""Why a run as a whole is as it is: what its tasks wait for, or how it ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from astrum.machine.task_state import ENDED, FAILED, SUCCEEDED
from astrum.runtime.durations import age_text, duration_text
from astrum.view.failure_signature import signature
from astrum.view.task_log import left_out_logs_text
from astrum.view.why.codes import Code
from astrum.view.why.explain import explain_briefly
from astrum.view.why.explanation import Explanation
from astrum.view.why.look import Look
from astrum.view.why.ready import A_LEADER, silence, unled, why_stopping
from astrum.view.why.waiting import by_code, grouped, largest

_ENDS = {
    "completed": (Code.RUN_COMPLETED, "has completed"),
    "failed": (Code.RUN_FAILED, "has failed"),
    "cancelled": (Code.RUN_CANCELLED, "was cancelled"),
}
_FAILED = (Code.FAILED, Code.QUARANTINED)


def explain_run(look: Look) -> Explanation:
    """Return why a run is as it is; the groups are of the tasks that matter for that.

    Those are the ones that have not ended, or, once it is over, that did not succeed.
    """
    return _open(look) if look.moment.info.is_open else _over(look)


# --- an open run --------------------------------------------------------------------------


def _open(look: Look) -> Explanation:
    groups = by_code(explain_briefly(look, task) for task in look.unended())
    code, text, since, advice, needs_person = _state(look)
    person = next((group for group in groups if group.needs_person), None)
    counts = _counts(look)
    shown, left_out = largest(groups)
    return Explanation(
        code=code,
        sentence=f"{text}: {_counts_text(counts)}{_logs_text(look)}",
        run_id=look.moment.run_id,
        now=look.now,
        since=since,
        until=look.moment.info.waits_until,
        facts={
            **counts,
            "leader": look.moment.info.owner if look.moment.is_led else "",
            "late_ends": look.moment.info.late_ends,
            "logs_left_out": look.moment.logs_left_out.attempts,
        },
        advice=advice or ("" if person is None else person.advice),
        needs_person=needs_person or person is not None,
        groups=shown,
        tasks_left_out=left_out,
    )


def _state(look: Look) -> tuple[Code, str, float | None, str, bool]:
    """Return code, sentence, its time, a command, and whether a person must act."""
    info, lack = look.moment.info, unled(look)
    if info.waits_until is not None:
        text = f"starts in {age_text(info.waits_until - look.now)}"
        return Code.DELAYED, text, info.created_at, "", False
    if lack is not None:
        text = f"goes on when {A_LEADER}: {lack.text}"
        return lack.code, text, lack.since, lack.advice, lack.needs_person
    if look.state.stopping:
        return Code.RUN_STOPPING, _stopping_text(look), None, "", False
    age = duration_text(info.took_s(look.now))
    text = f"is under way for {age}, led by {info.owner}{silence(look)}"
    return Code.RUN_OPEN, text, info.begun_at, "", False


def _stopping_text(look: Look) -> str:
    text, _ = why_stopping(look)
    until = look.state.cleanup_until
    if until is None:
        return text.replace("the run ", "", 1)
    left = age_text(until - look.now)
    return f"{text.replace('the run ', '', 1)}; its clean-up may take {left} more"


# --- a run that is over -------------------------------------------------------------------


def _over(look: Look) -> Explanation:
    info = look.moment.info
    code, text = _ENDS.get(info.state, (Code.RUN_FAILED, f"ended as {info.state}"))
    ended = ((task, explain_briefly(look, task)) for task in _unsuccessful(look))
    groups, left_out = largest(grouped((_kind(look, task, one), one) for task, one in ended))
    counts = _counts(look)
    if info.ended_at is not None:
        text += f" after {duration_text(info.took_s(look.now))}"
    reason = look.state.attempt_log.stop_reason
    why = f"; {reason}" if reason else ""
    is_retryable = info.state in ("failed", "cancelled")
    return Explanation(
        code=code,
        sentence=f"{text}: {_counts_text(counts)}{why}{_logs_text(look)}",
        run_id=info.run_id,
        now=look.now,
        since=info.ended_at,
        facts={
            **counts,
            "reason": reason,
            "late_ends": info.late_ends,
            "logs_left_out": look.moment.logs_left_out.attempts,
        },
        advice=look.coordinator_command("retry", info.run_id) if is_retryable else "",
        groups=groups,
        tasks_left_out=left_out,
    )


def _unsuccessful(look: Look) -> Iterator[int]:
    """Tasks and children that did not succeed; a mapped task only if it has no children."""
    tasks, states = look.state.tasks, look.state.states
    return (
        task
        for task, state in enumerate(states)
        if state != SUCCEEDED and not tasks.counts.get(task)
    )


def _kind(look: Look, task: int, one: Explanation) -> object:
    """Return what is the same for tasks that failed alike, or that did not run for one reason."""
    failed = task if one.code in _FAILED else look.state.because(task)
    failure = None if failed is None else look.state.attempt_log.failures.get(failed)
    return one.code, one.root if failure is None else signature(failure)


# --- counts -------------------------------------------------------------------------------


def _counts(look: Look) -> dict[str, int]:
    counts: Counter[int] = look.state.counts()
    ended = sum(count for state, count in counts.items() if state in ENDED)
    return {
        "tasks": sum(counts.values()),
        "succeeded": counts[SUCCEEDED],
        "failed": counts[FAILED],
        "ended": ended,
    }


def _logs_text(look: Look) -> str:
    text = left_out_logs_text(look.moment.logs_left_out)
    return f"; {text}" if text else ""


def _counts_text(counts: dict[str, int]) -> str:
    failed = f", {counts['failed']:,} failed" if counts["failed"] else ""
    return f"{counts['succeeded']:,} of {counts['tasks']:,} tasks succeeded{failed}"
