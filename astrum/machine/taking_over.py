"""Which successes of an earlier run a new run takes over, and why not the others: pure.

A task is taken over if it has the same id, code, bindings and input values as in the old run, has
succeeded there, and all that it needs is taken over too. Then it would compute what it did before.
Code that its fingerprint does not see (what it calls, constants of modules) is for the user to
judge: ``again`` names tasks that must run, ``trust`` tasks whose other code does not matter.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from astrum.machine.events import Outcome
from astrum.machine.state import RunState
from astrum.machine.task_state import CANCELLED, FAILED, SUCCEEDED
from astrum.planning.fingerprint import EXACT, difference
from astrum.planning.plan import Plan, TaskSpec

TAKEN_OVER = ""
"""In place of the reason why a task runs."""
_ENDS: Mapping[int, str] = {FAILED: "it failed in run {}", CANCELLED: "it was cancelled in run {}"}


class Wishes(NamedTuple):
    """What a user says of single tasks, by their ids."""

    trust: Collection[str] = ()
    again: Collection[str] = ()


class OldRun(NamedTuple):
    """The run whose results are wanted, as far as its journal was read.

    ``changed_inputs`` are the inputs of the new run that had another value in it, or none.
    """

    run_id: str
    state: RunState
    is_open: bool = False
    changed_inputs: Collection[str] = ()


def reasons_to_run(old: OldRun, plan: Plan, wishes: Wishes) -> list[str]:
    """Return for each task of ``plan`` why it runs, `TAKEN_OVER` if it does not.

    The reasons are clauses for people: "it failed in run july".
    """
    codes = _other_codes(old.state)
    reasons: list[str] = []
    for spec in plan.tasks:
        runs = next((need for need in spec.needs if reasons[plan.index[need]]), None)
        reasons.append(
            _own_reason(old, spec, plan.code, wishes, codes)
            or ("" if runs is None else f"it needs {runs!r}, which runs")
        )
    return reasons


def _other_codes(state: RunState) -> dict[int, str]:
    """Return the code that ran, for the latest successes by other code than the plan's."""
    codes: dict[int, str] = {}
    for event in state.attempt_log.settled:
        if event.outcome is Outcome.SUCCEEDED:
            codes[event.task] = event.code
    return {task: code for task, code in codes.items() if code}


def _own_reason(
    old: OldRun, spec: TaskSpec, new_code: str, wishes: Wishes, codes: Mapping[int, str]
) -> str:
    if spec.task_id in wishes.again:
        return "you said so"
    task = old.state.plan.index.get(spec.task_id)
    if task is None:
        return f"run {old.run_id} has no such task"
    place = old.state.states[task]
    if place != SUCCEEDED:
        missing = (
            "it has not succeeded yet in run {}" if old.is_open else "it did not run in run {}"
        )
        return _ENDS.get(place, missing).format(old.run_id)
    before = old.state.plan.tasks[task]
    code = codes.get(task, "")
    if spec.task_id not in wishes.trust and not (code and code == new_code):
        other = _other_code(before, spec, code)
        if other:
            return other
    return _other_values(old, before, spec)


def _other_code(before: TaskSpec, spec: TaskSpec, code: str) -> str:
    if code:
        return f"it ran with other code than its plan's: {code}"
    if before.fingerprint == spec.fingerprint != "":
        return ""
    if not before.fingerprint or not spec.fingerprint:
        return "its code is not known, since its plan was made without fingerprints"
    other = difference(before.fingerprint, spec.fingerprint, EXACT)
    return f"its code has changed: {other}" if other else ""


def _other_values(old: OldRun, before: TaskSpec, spec: TaskSpec) -> str:
    if (other := _other_parameter(before, spec)) is not None:
        return f"its parameter {other!r} reads something else"
    for binding in spec.bindings:
        if binding.origin == "input" and binding.source in old.changed_inputs:
            return f"the input {binding.source!r} has another value"
    return ""


def _other_parameter(before: TaskSpec, spec: TaskSpec) -> str | int | None:
    """Return a parameter whose source is another one, `None` if there is none."""
    if (before.bindings, before.optional) == (spec.bindings, spec.optional):
        return None
    rows, new_rows = _sources(before), _sources(spec)
    if rows == new_rows:
        return None
    changed = [name for name in {**rows, **new_rows} if rows.get(name) != new_rows.get(name)]
    return changed[0]


def _sources(spec: TaskSpec) -> dict[str | int, Any]:
    return {b.parameter: (b[1:], b.parameter in spec.optional) for b in spec.bindings}
