"""How a task ended, and why; or why it never began in a run that is over."""

from __future__ import annotations

from typing import Any

from astrum.machine.events import AttemptSettled, Outcome
from astrum.machine.failure import QUARANTINED, UNSERVED
from astrum.machine.report_builder import not_run_because
from astrum.machine.task_state import (
    BLOCKED,
    CANCELLED,
    ENDED,
    FAILED,
    SKIPPED,
    SUCCEEDED,
)
from astrum.view.why.codes import Code
from astrum.view.why.explanation import Explanation, first_line
from astrum.view.why.look import Look

_SHORTEST_S = 0.0005
"""Chronicles have times in whole ms; of shorter ones nothing is said."""


def explain_ended(look: Look, task: int) -> Explanation:
    """Return how a task ended that has ended, or whose run is over."""
    state = look.state.states[task]
    if state == SUCCEEDED:
        return _succeeded(look, task)
    # A task that no worker served has failed without an attempt: its state says so later.
    if state == FAILED or (state not in ENDED and task in look.state.attempt_log.failures):
        return _failed(look, task)
    if state == SKIPPED:
        return _skipped(look, task)
    if state == BLOCKED:
        return _blocked(look, task)
    return _never_ran(look, task, is_cancelled=state == CANCELLED)


# --- success ------------------------------------------------------------------------------


def _succeeded(look: Look, task: int) -> Explanation:
    log = look.state.attempt_log
    run_id = log.reused.get(task)
    if run_id is not None:
        text = f"did not run: its result is that of run {run_id}"
        return _made(look, task, Code.REUSED, text, facts={"run_id": run_id})
    if task in look.state.tasks.roots:
        return _made(look, task, Code.SUCCEEDED, _children_text(look, task))
    for released in log.released:
        if released.task == task and released.how == "succeed":
            by = f" by {released.by}" if released.by else ""
            text = f"was released as succeeded{by}"
            return _made(look, task, Code.SUCCEEDED, text, since=released.at)
    event = look.last.get(task)
    if event is None:
        return _made(look, task, Code.SUCCEEDED, "succeeded")
    took_s = max(event.ended_at - event.started_at, 0.0)
    ran = ran_text(event.worker_id, took_s, event.queued_s, event.prepared_s)
    text = f"{ran}; attempt {look.begun(task)}"
    return _made(look, task, Code.SUCCEEDED, text, event=event)


def ran_text(worker_id: str, took_s: float, queued_s: float, prepared_s: float) -> str:
    """Return where and for how long an attempt ran, and how long it waited before."""
    where = f" on {worker_id}" if worker_id else ""
    text = f"ran{where} for {took_s:.1f} s"
    if queued_s >= _SHORTEST_S or prepared_s >= _SHORTEST_S:
        text += f" (queued {queued_s:.1f} s, prepared {prepared_s:.1f} s)"
    return text


def _children_text(look: Look, task: int) -> str:
    states = [look.state.states[child] for child in look.state.tasks.children(task)]
    if not states:
        return "has no children, since its list is empty"
    failed, done = states.count(FAILED), states.count(SUCCEEDED)
    accepted = f", {failed:,} failed, as max_failed allows" if failed else ""
    return f"has ended: {done:,} of its {len(states):,} children succeeded{accepted}"


# --- failure ------------------------------------------------------------------------------


def _failed(look: Look, task: int) -> Explanation:
    log, root = look.state.attempt_log, look.state.because(task)
    failure, event = log.failures.get(task), look.last.get(task)
    if failure is None:
        text = "failed"
        if task in look.state.tasks.roots:
            text = f"failed: {_failed_children(look, task)}"
        name = "" if root is None else look.name(root)
        return _made(look, task, Code.FAILED, text, root=name)
    why = first_line(failure.summary)
    if QUARANTINED in failure.types:
        return _made(look, task, Code.QUARANTINED, f"failed: {why}", event=event)
    if UNSERVED in failure.types and (event is None or event.outcome is not Outcome.FAILED):
        return _made(look, task, Code.FAILED, f"failed without an attempt: {why}")
    text = f"failed in attempt {look.begun(task)}: {why}" if event else f"failed: {why}"
    no_retry = _why_no_retry(look, task, event)
    if no_retry:
        text += f"; {no_retry}"
    return _made(look, task, Code.FAILED, text, event=event)


def _why_no_retry(look: Look, task: int, event: AttemptSettled | None) -> str:
    """Return why an attempt that raised was the last one, "" if it was another end."""
    if event is None or event.outcome not in (Outcome.FAILED, Outcome.TIMED_OUT):
        return ""
    budget, types = look.state.budget(task), event.failure.types if event.failure else ()
    retry = look.spec(task).retry
    why = retry.why_not(max(budget.raised, 1), types)
    if why != "its retries are used up":
        return why
    if retry.max_retries == 1:
        return "its 1 retry is used up"
    return f"its {retry.max_retries:,} retries are used up"


def _failed_children(look: Look, task: int) -> str:
    states = look.state.states
    children = list(look.state.tasks.children(task))
    failed = [child for child in children if states[child] == FAILED]
    if not failed:
        return "it could not have its children"
    failure = look.state.attempt_log.failures.get(failed[0])
    why = "" if failure is None else f" ({first_line(failure.summary)})"
    return (
        f"{len(failed):,} of its {len(children):,} children failed, the first is "
        f"{look.name(failed[0])!r}{why}"
    )


# --- ends without an attempt ----------------------------------------------------------------


def _skipped(look: Look, task: int) -> Explanation:
    said, root = look.state.attempt_log.skips.get(task), look.state.because(task)
    if said is not None:
        why = f": {first_line(said.message)}" if said.message else ""
        text = f"skipped itself{why}"
        return _made(look, task, Code.SKIPPED, text, event=look.last.get(task))
    if root is None:
        return _made(look, task, Code.SKIPPED, "skipped itself", event=look.last.get(task))
    name = look.name(root)
    if look.state.states[root] == SUCCEEDED:
        text = f"did not run: {not_run_because(look.state, task, root)}"
    else:
        text = f"did not run: it needs {name!r}, which {_how(look, root)}"
    return _made(look, task, Code.SKIPPED, text, root=name)


def _blocked(look: Look, task: int) -> Explanation:
    root = look.state.because(task)
    if root is None:
        return _made(look, task, Code.BLOCKED, "did not run: a task that it needs failed")
    name, failure = look.name(root), look.state.attempt_log.failures.get(root)
    why = "" if failure is None else f" ({first_line(failure.summary)})"
    text = f"did not run: it needs {name!r}, which {_how(look, root)}{why}"
    return _made(look, task, Code.BLOCKED, text, root=name)


def _how(look: Look, task: int) -> str:
    names = {FAILED: "failed", SKIPPED: "was skipped", BLOCKED: "did not run"}
    return names.get(look.state.states[task], "was cancelled")


def _never_ran(look: Look, task: int, *, is_cancelled: bool) -> Explanation:
    """Return why a task did not end by itself: the run, or its list, was ended before."""
    log, event, root = look.state.attempt_log, look.last.get(task), look.state.because(task)
    what = "did not run" if event is None else "was ended"
    if is_cancelled and root is not None:
        name = look.name(root)
        text = f"{what}: it needs {name!r}, which {_how(look, root)}"
        return _made(look, task, Code.CANCELLED, text, root=name, event=event)
    place = look.state.tasks.place_of(task)
    if is_cancelled and place is not None and place.is_failing:
        text = f"{what}: more children of its list failed than max_failed allows"
        return _made(look, task, Code.CANCELLED, text, event=event)
    if not is_cancelled and not look.spec(task).awaited and not look.state.stopping:
        return _made(
            look, task, Code.TAIL, "had not ended when the run was over, which did not wait for it"
        )
    if log.stop_reason:
        return _made(look, task, Code.CANCELLED, f"{what}: {log.stop_reason}", event=event)
    for first, failure in log.failures.items():
        name = look.name(first)
        text = f"{what}: {name!r} failed ({first_line(failure.summary)}), which ended the run"
        return _made(look, task, Code.UPSTREAM_FAILED, text, root=name, event=event)
    return _made(look, task, Code.CANCELLED, f"{what}: the run was ended before", event=event)


def _made(
    look: Look,
    task: int,
    code: Code,
    sentence: str,
    *,
    event: AttemptSettled | None = None,
    since: float | None = None,
    root: str = "",
    facts: dict[str, Any] | None = None,
) -> Explanation:
    told: dict[str, Any] = {}
    if event is not None:
        told = {
            "attempt": look.begun(task),
            "attempts": look.spec(task).retry.max_retries + 1,
            "outcome": event.outcome.name.lower(),
            "queued_s": event.queued_s,
            "prepared_s": event.prepared_s,
            "took_s": max(event.ended_at - event.started_at, 0.0) if event.started_at else 0.0,
        }
    return Explanation(
        task_id=look.name(task),
        code=code,
        sentence=sentence,
        since=event.recorded_at if since is None and event is not None else since,
        root=root,
        worker_id="" if event is None else event.worker_id,
        facts={**told, **(facts or {})},
    )
