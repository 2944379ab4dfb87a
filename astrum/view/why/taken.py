"""Why an attempt that a worker has taken has not ended."""

from __future__ import annotations

from typing import Any

from astrum.machine.progress import Progress
from astrum.protocol.records import WorkerInfo
from astrum.protocol.status import LoopBlock, RunningAttempt
from astrum.runtime.durations import age_text
from astrum.view.why.codes import Code
from astrum.view.why.explanation import Explanation
from astrum.view.why.look import Look
from astrum.view.why.moment import Taken

STATUS_AGE_S = 3.0
"""A worker's status may be so old: what it took later is not in it."""
_AFTER_LOSS = {
    "retry": "runs again",
    "fail": "has failed then (on_lost='fail')",
    "hold": "is held then (on_lost='hold')",
}


def explain_taken(look: Look, task: int, taken: Taken) -> Explanation:
    """Return what an attempt does that a worker has taken."""
    worker = look.workers.get(taken.worker_id)
    if worker is None:
        return _silent(look, task, taken)
    key = (taken.worker_id, task, look.state.attempts[task])
    row = look.running.get(key)
    if not look.state.may_start(task):
        return _revoked(look, task, taken, worker)
    if row is not None:
        return _at_work(look, task, taken, worker, row)
    age_s = look.now - taken.taken_at
    if key in look.claimed:
        return _made(
            look,
            task,
            taken,
            Code.CLAIMED_WAITING,
            f"was taken by {taken.worker_id} {age_text(age_s)} ago and waits there for a free slot",
        )
    if worker.status.unsettled and age_s > STATUS_AGE_S:
        left = worker.status.unsettled
        text = f"ended on {taken.worker_id}; {_ends(left)} there for the server"
        return _made(look, task, taken, Code.DELIVERING, text, facts={"unsettled": left})
    return _running(look, task, taken, worker)


def _ends(count: int) -> str:
    return "its end waits" if count == 1 else f"{count:,} ends wait"


def _silent(look: Look, task: int, taken: Taken) -> Explanation:
    """Return what becomes of an attempt whose worker has no lease any more."""
    word = look.moment.silent.get(taken.worker_id)
    facts: dict[str, Any] = {}
    last = ""
    if word is not None and word.age_s is not None:
        facts["last_heartbeat_s"] = word.age_s
        last = f" (its last heartbeat was {age_text(word.age_s)} ago)"
    if word is not None and word.ended:
        facts["process_ended"] = str(word.ended)
        last = f" (its process ended with {word.ended})"
    what = _AFTER_LOSS[look.spec(task).on_lost]
    text = (
        f"was taken by {taken.worker_id} {look.age(taken.taken_at)} ago, which is not alive any "
        f"more{last}: the attempt counts as lost soon, and the task {what}"
    )
    # Any coordinator that leads or serves settles what dead workers hold.
    is_alone = not look.moment.coordinators
    if is_alone:
        text += "; but no coordinator is there to settle it"
    advice = look.coordinator_command("serve") if is_alone else ""
    return _made(
        look,
        task,
        taken,
        Code.WORKER_SILENT,
        text,
        facts=facts,
        advice=advice,
        needs_person=is_alone,
    )


def _revoked(look: Look, task: int, taken: Taken, worker: WorkerInfo) -> Explanation:
    text = f"is to end, and still runs on {taken.worker_id} for {look.age(taken.taken_at)}"
    if look.spec(task).lane == "thread":
        text += "; a plain function cannot be interrupted"
    hung = worker.status.hung_threads
    return _made(look, task, taken, Code.REVOKED_RUNNING, text, facts={"hung_threads": hung})


def _at_work(
    look: Look, task: int, taken: Taken, worker: WorkerInfo, row: RunningAttempt
) -> Explanation:
    """Return what an attempt does that its worker reports to run."""
    block = worker.status.blocked
    if row.blocks and block is not None:
        return _blocks(look, task, taken, worker, block)
    limit_s = look.spec(task).timeout_s
    if limit_s is not None and row.age_s > limit_s:
        return _overdue(look, task, taken, row.age_s, limit_s)
    # A blocked event loop holds up coroutines; plain functions run in threads beside it.
    if block is not None and look.spec(task).lane == "async":
        blocker = worker.status.blocker
        who = f"task {blocker!r}" if blocker else "something"
        text = (
            f"stands still on {taken.worker_id}: {who} blocks the event loop there for "
            f"{age_text(block.age_s)} at {block.where}"
        )
        return _made(
            look,
            task,
            taken,
            Code.RUNNING_BLOCKED,
            text,
            root=blocker,
            facts={"blocked_s": block.age_s, "where": block.where},
        )
    return _running(look, task, taken, worker)


def _blocks(
    look: Look, task: int, taken: Taken, worker: WorkerInfo, block: LoopBlock
) -> Explanation:
    others = len(worker.status.running) - 1
    text = (
        f"runs on {taken.worker_id} for {look.age(taken.taken_at)} and blocks its event loop for "
        f"{age_text(block.age_s)} at {block.where}"
    )
    if others:
        text += f"; what else runs there ({others:,}) may stand still"
    facts = {"blocked_s": block.age_s, "where": block.where, "others": others}
    return _made(look, task, taken, Code.RUNNING_BLOCKS, text, facts=facts)


def _overdue(look: Look, task: int, taken: Taken, age_s: float, limit_s: float) -> Explanation:
    text = (
        f"runs on {taken.worker_id} for {age_text(age_s)}, and its limit is {limit_s:g} s: "
        "its leader gives it up soon"
    )
    if look.spec(task).lane == "thread":
        text += "; a plain function cannot be interrupted"
    facts = {"timeout_s": limit_s, "age_s": age_s}
    return _made(look, task, taken, Code.RUNNING_OVERDUE, text, facts=facts)


def _running(look: Look, task: int, taken: Taken, worker: WorkerInfo) -> Explanation:
    text = f"runs on {taken.worker_id} for {look.age(taken.taken_at)}"
    usual_s = look.usual_s(task)
    if usual_s is not None:
        text += f" (others of its list took {usual_s:.1f} s on average)"
    if look.state.is_exclusive(task):
        text += ", alone there since a worker was lost with it"
    if taken.progress is not None:
        text += f": {taken.progress}"
    limit_s = look.spec(task).timeout_s
    facts = {
        "host": worker.details.get("host", ""),
        "pid": worker.details.get("pid", ""),
        "lease_s": worker.lease_s,
        **({} if limit_s is None else {"timeout_s": limit_s}),
        **({} if usual_s is None else {"usual_s": usual_s}),
    }
    return _made(
        look,
        task,
        taken,
        Code.RUNNING,
        text,
        progress=taken.progress,
        until=None if limit_s is None else taken.taken_at + limit_s,
        facts=facts,
    )


def _made(
    look: Look,
    task: int,
    taken: Taken,
    code: Code,
    sentence: str,
    *,
    facts: dict[str, Any] | None = None,
    until: float | None = None,
    root: str = "",
    progress: Progress | None = None,
    advice: str = "",
    needs_person: bool = False,
) -> Explanation:
    return Explanation(
        task_id=look.name(task),
        code=code,
        sentence=sentence,
        since=taken.taken_at,
        until=until,
        root=root,
        worker_id=taken.worker_id,
        progress=progress,
        facts={"attempt": look.attempt_number(task), **(facts or {})},
        advice=advice,
        needs_person=needs_person,
    )
