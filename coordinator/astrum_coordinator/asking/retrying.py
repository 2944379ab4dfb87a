"""Tries an ended run again: what did not succeed runs a second time, in the same run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from astrum.errors import RetryRefusedError
from astrum.machine.events import Reopened, RetryHurried
from astrum.machine.state import RunState
from astrum.machine.task_state import BACKING_OFF, SUCCEEDED
from astrum.protocol.messages import encode_event
from astrum.protocol.records import RunInfo
from astrum.protocol.sealing import Seal
from astrum.redis.run_store import RunStore
from astrum_coordinator.asking.run_follower import RunFollower, read_run
from astrum_coordinator.asking.task_numbers import number_of
from astrum_coordinator.asking.waiting import found_run
from astrum_coordinator.stored_runs import StoredRuns


@dataclass(frozen=True, slots=True)
class Retry:
    """What a request to try a run again does: these tasks run, upstream first.

    ``reopened`` is false if the run was under way, and delays before next attempts were cut short.
    """

    run_id: str
    tasks: tuple[str, ...]
    reopened: bool


async def retry_run(
    store: RunStore,
    seal: Seal,
    run_id: str,
    tasks: Sequence[str],
    *,
    by: str,
    now: bool = False,
) -> Retry:
    """Run what did not succeed in a run that failed or was cancelled, or what of it is named.

    Of a completed run tasks must be named; they and all that needs them run again. With ``now``
    attempts of an open run that wait for their delay begin at once. Raises `RunNotFoundError`,
    `TaskNotFoundError`, and `RetryRefusedError`, which says what to do.
    """
    info = await found_run(store, run_id)
    stored = await StoredRuns(store, seal).load(info)
    run = await read_run(store, seal, run_id, stored)
    if info.is_open:
        return await _hurry(store, seal, run, info, tasks, by=by, now=now)
    if info.state == "completed" and not tasks:
        raise RetryRefusedError(
            f"run {run_id} completed, so there is nothing to try again: name the tasks that are to "
            "run again, with all that needs them"
        )
    named = _numbers(run.state, tasks, run_id)
    states = run.state.states
    if info.state != "completed":
        _refuse_succeeded(run.state, named, run_id)
    again = run.state.tasks_to_run(named)
    if not again:
        raise RetryRefusedError(
            f"run {run_id}: there is nothing to try again, all its tasks succeeded"
        )
    event = Reopened(tuple(named), await store.server_time(), by)
    entry = seal.seal_entry(run_id, encode_event(event))
    final = [task for task in again if states[task] == SUCCEEDED]
    if not await store.reopen(run_id, entry, info.state, final):
        await run.catch_up(store)  # the reply to this very request may have been lost
        if run.state.attempt_log.reopened[-1:] != [event]:
            raise RetryRefusedError(
                f"run {run_id} is under way again: it was retried from elsewhere a moment ago"
            )
    await store.prolong(run_id)
    return Retry(run_id, _names(run.state, again), reopened=True)


async def _hurry(
    store: RunStore,
    seal: Seal,
    run: RunFollower,
    info: RunInfo,
    tasks: Sequence[str],
    *,
    by: str,
    now: bool,
) -> Retry:
    run_id = info.run_id
    if info.waits_until is not None:
        raise RetryRefusedError(
            f"run {run_id} waits for the time at which it shall start, so there is nothing to try "
            f"again; `show {run_id}` says when it starts, and `cancel` ends it"
        )
    if not now:
        raise RetryRefusedError(
            f"run {run_id} is under way: failed attempts are tried again by themselves as often as "
            "their tasks say; --now cuts the delay before the next attempt short, and `cancel` "
            "ends the run"
        )
    named = _numbers(run.state, tasks, run_id)
    states = run.state.states
    waiting = [task for task in named or range(len(states)) if states[task] == BACKING_OFF]
    if not waiting:
        raise RetryRefusedError(
            f"run {run_id}: no task waits for its next attempt; `show {run_id}` tells"
        )
    event = RetryHurried(tuple(waiting), await store.server_time(), by)
    if not await store.append_event(run_id, seal.seal_entry(run_id, encode_event(event))):
        raise RetryRefusedError(f"run {run_id} has just ended")
    return Retry(run_id, _names(run.state, waiting), reopened=False)


def _numbers(state: RunState, tasks: Sequence[str], run_id: str) -> list[int]:
    numbers = set()
    for name in tasks:
        numbers.add(number_of(state, name, run_id))
    return sorted(numbers)


def _names(state: RunState, tasks: Sequence[int]) -> tuple[str, ...]:
    """Return the names of tasks and children, upstream first; children stand for their task."""
    table = state.tasks
    templates = {table.template(task) for task in tasks if table.index(task)}
    shown = [task for task in tasks if task not in templates]
    return tuple(map(table.name, sorted(shown, key=lambda n: (table.template(n), table.index(n)))))


def _refuse_succeeded(state: RunState, named: Sequence[int], run_id: str) -> None:
    for task in named:
        if state.states[task] == SUCCEEDED:
            raise RetryRefusedError(
                f"task {state.tasks.name(task)!r} of run {run_id} has succeeded, and only what "
                "did not is tried again; retry the run without it, and once it has completed, name "
                "the task"
            )
