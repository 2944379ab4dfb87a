"""Decides what becomes of a task that is held: it may have had effects when its worker was lost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from astrum.errors import EncodeError, ReleaseRefusedError
from astrum.execution.observing import observe
from astrum.machine.events import RELEASES, Released
from astrum.machine.state import RunState
from astrum.machine.task_state import HELD
from astrum.protocol.messages import encode_event
from astrum.protocol.sealing import Seal
from astrum.redis.run_store import RunStore
from astrum.values.codec import Codec
from astrum.values.payload import pack_result
from astrum_coordinator.asking.run_follower import read_run
from astrum_coordinator.asking.task_numbers import number_of
from astrum_coordinator.asking.waiting import found_run
from astrum_coordinator.stored_runs import StoredRuns

How = Literal["retry", "fail", "succeed"]


@dataclass(frozen=True, slots=True)
class Release:
    """What was decided about a held task: it runs again, has failed, or has a result."""

    run_id: str
    task: str
    how: How


async def release_task(
    store: RunStore, seal: Seal, run_id: str, task: str, how: How, value: Any = None, *, by: str
) -> Release:
    """Let a held task run again, fail, or succeed with ``value``, which its readers get.

    ``value`` is made of what JSON has, and is not checked against the type that the task declares.
    Raises `RunNotFoundError`, `TaskNotFoundError`, `ObservationError` for a value on which the run
    depends and that cannot be, and `ReleaseRefusedError`, which says what to do.
    """
    if how not in RELEASES:
        raise ReleaseRefusedError(f"release a task with 'retry', 'fail' or 'succeed', not {how!r}")
    info = await found_run(store, run_id)
    if not info.is_open:
        raise ReleaseRefusedError(
            f"run {run_id} is over ({info.state}), so none of its tasks is held; `retry {run_id}` "
            "runs again what did not succeed"
        )
    stored = await StoredRuns(store, seal).load(info)
    run = await read_run(store, seal, run_id, stored)
    number = number_of(run.state, task, run_id)
    _refuse_unheld(run.state, number, run_id)
    event = Released(number, how, await store.server_time(), by)
    if how == "succeed":
        event = await _with_value(event, value, run.state, store, run_id)
    if not await store.append_event(run_id, seal.seal_entry(run_id, encode_event(event))):
        raise ReleaseRefusedError(f"run {run_id} has just ended")
    await run.catch_up(store)
    if event not in run.state.attempt_log.released:
        raise ReleaseRefusedError(
            f"task {task!r} of run {run_id} was released from elsewhere a moment ago; "
            f"`show {run_id}` tells what became of it"
        )
    return Release(run_id, run.state.tasks.name(number), how)


async def _with_value(
    event: Released, value: Any, state: RunState, store: RunStore, run_id: str
) -> Released:
    spec, name = state.tasks.spec(event.task), state.tasks.name(event.task)
    seen = observe(value, spec.watches, name, state.plan.max_children)
    event = event._replace(seen=seen)
    if misfit := state.misfit_of(event):
        raise ReleaseRefusedError(f"task {name!r} cannot have this result: {misfit}")
    try:
        packed = pack_result(name, Codec().encode(value))
    except EncodeError as error:
        raise ReleaseRefusedError(
            f"the result for task {name!r} is not made of what JSON has: {error}"
        ) from None
    if packed.blob is not None:
        await store.put_blob(run_id, packed.blob)
    return event._replace(value=packed.value)


def _refuse_unheld(state: RunState, task: int, run_id: str) -> None:
    if state.states[task] == HELD:
        return
    name = state.tasks.name(task)
    if task in state.tasks.roots:
        children = list(state.tasks.children(task))
        held = [child for child in children if state.states[child] == HELD] or children
        such_as = f", such as {state.tasks.name(held[0])!r}" if held else ""
        what = f"stands for all its children: name the child that is held{such_as}"
    else:
        what = f"is not held, so there is nothing to decide; `show {run_id}` says what is held"
    raise ReleaseRefusedError(f"task {name!r} of run {run_id} {what}")
