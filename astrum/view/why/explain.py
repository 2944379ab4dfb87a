"""Why a task of a run is as it is; pure."""

from __future__ import annotations

import dataclasses

from astrum.machine.task_state import BACKING_OFF, ENDED, HELD, OUTSTANDING, WAITING
from astrum.view.why.ended import explain_ended
from astrum.view.why.explanation import Explanation
from astrum.view.why.look import Look
from astrum.view.why.queued import explain_queued
from astrum.view.why.ready import (
    explain_backing_off,
    explain_delayed,
    explain_held,
    explain_paused,
    explain_ready,
    explain_stopping,
    explain_unserved,
)
from astrum.view.why.taken import explain_taken
from astrum.view.why.waiting import by_code, explain_mapped, explain_waiting, frontier, largest


def explain(look: Look, task: int) -> Explanation:
    """Return why a task, or a child, is as it is.

    For one that waits for others the groups say what these wait for in the end.
    """
    found = explain_briefly(look, task)
    known = dataclasses.replace(found, run_id=look.moment.run_id, now=look.now)
    is_waiting = look.moment.info.is_open and look.state.states[task] == WAITING
    if not is_waiting or not found.waits_for:
        return known
    groups = by_code(explain_briefly(look, one) for one in frontier(look, task))
    first = next((group for group in groups if group.needs_person), None)
    shown, left_out = largest(groups)
    return dataclasses.replace(
        known,
        groups=shown,
        tasks_left_out=left_out,
        needs_person=first is not None,
        advice="" if first is None else first.advice,
    )


def explain_briefly(look: Look, task: int) -> Explanation:
    """Return why a task is as it is, without what the tasks that it waits for wait for."""
    state = look.state.states[task]
    if state in ENDED or not look.moment.info.is_open:
        return explain_ended(look, task)
    taken = look.moment.taken.get(task)
    if state == OUTSTANDING and taken is not None:
        return explain_taken(look, task, taken)
    if not look.state.may_start(task):
        return explain_stopping(look, task, is_out=state == OUTSTANDING)
    if task in look.state.tasks.roots:
        return explain_mapped(look, task)
    if state == HELD:
        return explain_held(look, task)
    waiting = explain_waiting(look, task) if state == WAITING else None
    return waiting or _explain_unsent(look, task, state)


def _explain_unsent(look: Look, task: int, state: int) -> Explanation:
    """Return why no worker has an attempt of a task that needs nothing from others any more."""
    moment, spec = look.moment, look.spec(task)
    if moment.info.waits_until is not None:
        return explain_delayed(look, task, moment.info.waits_until)
    pause = moment.pauses.holding(look.plan.namespace, spec.task_id, spec.queue)
    if pause is not None:
        return explain_paused(look, task, pause)
    if not look.pool.serves(spec):
        return explain_unserved(look, task)
    if state == OUTSTANDING:
        return explain_queued(look, task)
    return explain_backing_off(look, task) if state == BACKING_OFF else explain_ready(look, task)
