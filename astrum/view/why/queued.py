"""Why an attempt that was sent to a queue has not been taken by a worker."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from astrum.protocol.records import WorkerInfo
from astrum.protocol.status import LaneStatus
from astrum.runtime.durations import age_text
from astrum.view.why.codes import NEEDS_PERSON, Code
from astrum.view.why.explanation import Explanation
from astrum.view.why.look import EXCLUSIVE, Look

MOMENT_S = 2.0
"""What was sent so short a time ago need not have reached a worker."""
STUCK_S = 15.0
"""A worker that waits for attempts reads its queues again within five seconds."""
_NAMED = 3


def explain_queued(look: Look, task: int) -> Explanation:
    """Return why no worker has taken an attempt that is in its queue."""
    sent = look.sent(task)
    age_s = None if sent is None else look.now - sent.sent_at
    if task in look.moment.vanished:
        text = (
            f"was sent to queue {look.spec(task).queue!r}, and its message is not there any more: "
            "its leader sends it again within some ten seconds"
        )
        return _made(look, task, Code.VANISHED, text)
    if look.stream(task).lane == EXCLUSIVE:
        return _alone(look, task)
    servers = [look.workers[one] for one in look.servers(look.spec(task)) if one in look.workers]
    claiming = [one for one in servers if not one.status.not_claiming]
    if servers and not claiming:
        return _not_claiming(look, task, servers)
    lanes = [one.status.lanes.get(look.spec(task).lane) for one in claiming]
    if lanes and all(map(_is_full, lanes)):
        return _slots_full(look, task, claiming)
    if age_s is not None and age_s < MOMENT_S:
        text = f"was sent to queue {look.spec(task).queue!r} {1000 * max(age_s, 0.0):.0f} ms ago"
        return _made(look, task, Code.QUEUED_MOMENT, text)
    stuck = [one for one in claiming if _is_stuck(one.status.lanes.get(look.spec(task).lane))]
    if stuck and len(stuck) == len(claiming):
        return _reader_stuck(look, task, stuck)
    return _made(look, task, Code.QUEUED, _where(look, task))


def _where(look: Look, task: int) -> str:
    """Return where an attempt waits: "waits in queue 'cpu' for 40 s, at place 3 of 3"."""
    stream, sent = look.stream(task), look.sent(task)
    position, waiting = look.positions.get(task), look.moment.queued.get(stream, 0)
    text = f"waits in queue {stream.queue!r}"
    if sent is not None:
        text += f" for {look.age(sent.sent_at)}"
    if position is not None:
        return f"{text}, at place {position:,} of {waiting:,}"
    return f"{text}, where {waiting:,} wait" if waiting > 1 else text


def _alone(look: Look, task: int) -> Explanation:
    text = f"{_where(look, task)}, for a worker that runs nothing else, since a worker was lost"
    text += " with it"
    rooms = [one for one in look.workers.values() if EXCLUSIVE in one.status.not_claiming]
    if rooms:
        left = len(rooms[0].status.running)
        left_text = "1 attempt is" if left == 1 else f"{left:,} attempts are"
        text += f"; {rooms[0].worker_id} makes room, {left_text} left there"
    return _made(look, task, Code.QUEUED_ALONE, text)


def _not_claiming(look: Look, task: int, servers: Sequence[WorkerInfo]) -> Explanation:
    reasons = "; ".join(f"{one.worker_id} {_reason(one)}" for one in servers[:_NAMED])
    more = len(servers) - _NAMED
    whose = "its worker claims" if len(servers) == 1 else f"its {len(servers):,} workers claim"
    text = f"{_where(look, task)}: {whose} nothing: {reasons}"
    text += f" and {more:,} more" if more > 0 else ""
    facts = {"workers": {one.worker_id: list(one.status.not_claiming) for one in servers[:20]}}
    return _made(look, task, Code.QUEUED_NOT_CLAIMING, text, facts=facts)


def _reason(worker: WorkerInfo) -> str:
    left_s = worker.status.drain_left_s
    reasons = ", ".join(worker.status.not_claiming).replace("_", " ")
    return f"({reasons}, {age_text(left_s)} left)" if left_s is not None else f"({reasons})"


def _slots_full(look: Look, task: int, workers: Sequence[WorkerInfo]) -> Explanation:
    lane = look.spec(task).lane
    rows = [row for one in workers for row in one.status.running]
    counts = Counter(row.task_id for row in rows).most_common(_NAMED)
    runs = ", ".join(f"{task_id!r} ×{count:,}" for task_id, count in counts)
    oldest = max(rows, key=lambda row: row.age_s, default=None)
    whose = "the slots of its worker are" if len(workers) == 1 else "all slots of its workers are"
    text = f"{_where(look, task)}: {whose} used"
    if oldest is not None:
        text += f" by {runs}, the oldest of them for {age_text(oldest.age_s)}"
    slots = sum(one.status.lanes[lane].slots for one in workers)
    facts: dict[str, Any] = {"workers": len(workers), "slots": slots, "running": dict(counts)}
    if oldest is not None:
        facts["oldest"] = {
            "run_id": oldest.run_id,
            "task_id": oldest.task_id,
            "age_s": oldest.age_s,
        }
    return _made(look, task, Code.QUEUED_SLOTS_FULL, text, facts=facts)


def _is_full(lane: LaneStatus | None) -> bool:
    return lane is not None and 0 < lane.slots <= lane.used and not lane.free


def _is_stuck(lane: LaneStatus | None) -> bool:
    return lane is not None and lane.free > 0 and (lane.read_age_s or 0.0) > STUCK_S


def _reader_stuck(look: Look, task: int, stuck: Sequence[WorkerInfo]) -> Explanation:
    worker = stuck[0]
    age_s = worker.status.lanes[look.spec(task).lane].read_age_s or 0.0
    text = (
        f"{_where(look, task)}: {worker.worker_id} serves it, has free slots, and has not read "
        f"its queues for {age_text(age_s)}"
    )
    return _made(
        look,
        task,
        Code.QUEUED_READER_STUCK,
        text,
        facts={"worker": worker.worker_id, "read_age_s": age_s},
        advice=look.coordinator_command("drain", worker.worker_id, options=["--replace"]),
    )


def _made(
    look: Look,
    task: int,
    code: Code,
    sentence: str,
    *,
    facts: dict[str, Any] | None = None,
    advice: str = "",
) -> Explanation:
    sent, stream = look.sent(task), look.stream(task)
    return Explanation(
        task_id=look.name(task),
        code=code,
        sentence=sentence,
        since=None if sent is None else sent.sent_at,
        position=look.positions.get(task),
        facts={
            "attempt": look.attempt_number(task),
            "queue": stream.queue,
            "waiting": look.moment.queued.get(stream, 0),
            **(facts or {}),
        },
        advice=advice,
        needs_person=code in NEEDS_PERSON,
    )
