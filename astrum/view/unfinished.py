"""The state of each unfinished task of a run, and the reason; pure.

The caller reads the data (`RunMoment`): the state by the journal, the attempts that are dispatched
by the fence, and their workers. All times are seconds since the epoch on the server's clock.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import NamedTuple, Protocol

from astrum.errors import listed
from astrum.machine.events import AttemptSettled
from astrum.machine.progress import Progress
from astrum.machine.state import RunState
from astrum.machine.task_state import (
    BACKING_OFF,
    ENDED,
    HELD,
    OUTSTANDING,
    WAITING,
)
from astrum.planning.plan import TaskSpec
from astrum.protocol.pauses import NO_PAUSES, Pause, Pauses
from astrum.protocol.streams import Stream

EXCLUSIVE = "exclusive"
_NAMED = 3


class UnfinishedState(StrEnum):
    """The state of an unfinished task: what it does, or what it waits for."""

    WAITING = "waiting"
    """For tasks that it needs, or for the start of a delayed run."""
    READY = "ready"
    """For a coordinator that sends it to a queue."""
    RETRYING = "retrying"
    """For the end of the delay before its next attempt."""
    QUEUED = "queued"
    """For a worker that takes it from its queue."""
    RUNNING = "running"
    """A worker has taken it."""
    UNSERVED = "unserved"
    """For a worker that serves it: there is none."""
    PAUSED = "paused"
    """For the end of a pause of its queue, its namespace or the task."""
    HELD = "held"
    """For a person: its worker was lost, and it may have had effects."""


class Sent(NamedTuple):
    """A dispatched attempt: when and to which offer it was sent.

    ``sequence`` is its number in that millisecond.
    """

    attempt: int
    sent_at: float
    sequence: int = 0
    offer: str = ""
    urgent: bool = False


class Taken(NamedTuple):
    """The worker that took an attempt from its queue, when, and what the task told last."""

    worker_id: str
    taken_at: float
    progress: Progress | None = None


class Pool(Protocol):
    """The live workers at that moment, as the run sees them."""

    def serves(self, spec: TaskSpec) -> bool:
        """Return whether any live worker would run the task."""
        ...

    def why_not(self, spec: TaskSpec) -> str:
        """Return why no worker serves a task, and what to do about it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RunMoment:
    """The data of an open run at one moment.

    ``sent`` and ``taken`` are by task number, ``queued`` counts by stream the attempts, of any run,
    that wait there for a worker. ``alive`` are the ids of the live workers, ``pauses`` what
    operators have paused. ``waits_until`` is the time of a delayed start that has not come.
    """

    state: RunState
    now: float
    is_led: bool
    waits_until: float | None = None
    sent: Mapping[int, Sent] = field(default_factory=dict)
    taken: Mapping[int, Taken] = field(default_factory=dict)
    queued: Mapping[Stream, int] = field(default_factory=dict)
    alive: Collection[str] = ()
    pauses: Pauses = NO_PAUSES


@dataclass(frozen=True, slots=True, kw_only=True)
class UnfinishedTask:
    """The state of one unfinished task.

    ``attempt`` is the number of the attempt that is under way or comes next. ``since`` is when it
    was sent to its queue, was taken by ``worker_id`` or paused, ``due_at`` when its next attempt,
    or its delayed run, begins.
    ``position`` counts from 1 in its queue and is `None` where it is not known for sure.
    ``exclusive``: its attempt is the only one on its worker. ``waits_for`` are needs that have not
    succeeded. ``progress`` is what the running task told last. ``text`` says all of it.
    """

    task_id: str
    state: UnfinishedState
    text: str
    attempt: int
    queue: str
    lane: str
    since: float | None = None
    worker_id: str = ""
    exclusive: bool = False
    position: int | None = None
    due_at: float | None = None
    waits_for: tuple[str, ...] = ()
    progress: Progress | None = None


def unfinished(moment: RunMoment, pool: Pool) -> list[UnfinishedTask]:
    """Return the state of every unfinished task, in plan order."""
    look = _Look(moment, pool)
    states, tasks = moment.state.states, moment.state.tasks
    return [
        look.task(task)
        for task, state in enumerate(states)
        # The children of a mapped task have rows of their own, as soon as they are known.
        if state not in ENDED and not tasks.counts.get(task)
    ]


def age_text(seconds: float) -> str:
    """Return an age with a suitable unit, never a negative one.

    >>> [age_text(s) for s in (-3, 4.2, 65, 7380)]
    ['0 s', '4 s', '1 min 05 s', '2 h 03 min']
    """
    minutes, rest = divmod(max(0, round(seconds)), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"
    return f"{minutes // 60} h {minutes % 60:02} min"


class _Look:
    """One moment, with the counts that all tasks share."""

    def __init__(self, moment: RunMoment, pool: Pool) -> None:
        self._moment = moment
        self._state = moment.state
        self._plan = moment.state.plan
        self._pool = pool
        self._positions = self._find_positions()
        self._last: dict[int, AttemptSettled] = {}
        for event in self._state.attempt_log.settled:
            self._last[event.task] = event

    def task(self, task: int) -> UnfinishedTask:
        """Return the state of one task."""
        state = self._state.states[task]
        if state == OUTSTANDING and task in self._moment.taken:
            return self._running(task, self._moment.taken[task])
        if self._state.stopping:
            return self._stopping(task)
        if state == WAITING:
            return self._waiting(task)
        if state == HELD:
            return self._held(task)
        if self._moment.waits_until is not None:
            return self._delayed(task, self._moment.waits_until)
        spec = self._state.tasks.spec(task)
        pause = self._moment.pauses.holding(self._plan.namespace, spec.task_id, spec.queue)
        if pause is not None:
            return self._paused(task, pause)
        if not self._pool.serves(spec):
            why = self._pool.why_not(spec)
            return self._made(task, UnfinishedState.UNSERVED, why, since=self._sent_at(task))
        if state == OUTSTANDING:
            return self._queued(task)
        return self._retrying(task) if state == BACKING_OFF else self._ready(task)

    def _running(self, task: int, taken: Taken) -> UnfinishedTask:
        age = age_text(self._moment.now - taken.taken_at)
        exclusive = self._state.is_exclusive(task)
        text = f"runs on {taken.worker_id} for {age}"
        if exclusive:
            text += ", alone there since a worker was lost with it"
        if taken.worker_id not in self._moment.alive:
            text = (
                f"was taken by {taken.worker_id} {age} ago, which is not alive any more: the "
                "attempt counts as lost soon and is made again"
            )
        elif taken.progress is not None:
            text += f": {taken.progress}"
        made = self._made(
            task,
            UnfinishedState.RUNNING,
            text,
            since=taken.taken_at,
            worker_id=taken.worker_id,
        )
        return made if taken.progress is None else replace(made, progress=taken.progress)

    def _queued(self, task: int) -> UnfinishedTask:
        stream = self._stream(task)
        position, waiting = self._positions.get(task), self._moment.queued.get(stream, 0)
        since = self._sent_at(task)
        text = f"waits in queue {stream[0]!r}"
        if since is not None:
            text += f" for {age_text(self._moment.now - since)}"
        if position is not None:
            text += f", at place {position:,} of {waiting:,}"
        elif waiting > 1:
            text += f", where {waiting:,} wait"
        if stream[1] == EXCLUSIVE:
            text += ", for a worker that runs nothing else, since a worker was lost with it"
        return self._made(task, UnfinishedState.QUEUED, text, since=since, position=position)

    def _paused(self, task: int, pause: Pause) -> UnfinishedTask:
        text = str(pause)
        if pause.at:
            text += f" ({age_text(self._moment.now - pause.at)} ago)"
        return self._made(task, UnfinishedState.PAUSED, text, since=pause.at or None)

    def _waiting(self, task: int) -> UnfinishedTask:
        missing = tuple(self._state.waits_for(task))
        text = f"waits for {listed(missing, _NAMED)}"
        return self._made(task, UnfinishedState.WAITING, text, waits_for=missing)

    def _held(self, task: int) -> UnfinishedTask:
        text = (
            f"{self._what_ended(task)}; it may have had effects, so it is held (on_lost='hold') "
            "until `release` says what becomes of it"
        )
        return self._made(task, UnfinishedState.HELD, text)

    def _retrying(self, task: int) -> UnfinishedTask:
        due_at = self._state.due_at(task)
        left_s = due_at - self._moment.now
        when = f"in {age_text(left_s)}" if left_s > 0 else "now"
        text = f"{self._what_ended(task)}; it is tried again {when}"
        if not self._moment.is_led and left_s <= 0:
            text = f"{self._what_ended(task)}; it is tried again when {_A_LEADER}"
        return self._made(task, UnfinishedState.RETRYING, text, due_at=due_at)

    def _ready(self, task: int) -> UnfinishedTask:
        text = f"is sent when {_A_LEADER}"
        if self._moment.is_led:
            out, limit = self._state.outstanding_count, self._plan.concurrency_limit
            text = f"is sent when there is room: {out:,} of the run are out"
            if limit is not None:
                text += f", its limit is {limit:,}"
        return self._made(task, UnfinishedState.READY, text)

    def _delayed(self, task: int, until: float) -> UnfinishedTask:
        text = f"is sent when the run starts, in {age_text(until - self._moment.now)}"
        return self._made(task, UnfinishedState.WAITING, text, due_at=until)

    def _stopping(self, task: int) -> UnfinishedTask:
        if self._state.states[task] == OUTSTANDING:
            text = "is taken back: the run is being ended"
            return self._made(task, UnfinishedState.QUEUED, text, since=self._sent_at(task))
        return self._made(
            task, UnfinishedState.WAITING, "is not started any more: the run is being ended"
        )

    def _what_ended(self, task: int) -> str:
        event = self._last.get(task)
        if event is None:
            return "its attempt ended"
        number = self._state.attempts[task] - self._state.skipped(task)
        why = event.failure.summary if event.failure else event.outcome.name.lower()
        return f"attempt {number} ended: {why.partition(chr(10))[0]}"

    def _made(
        self,
        task: int,
        state: UnfinishedState,
        text: str,
        *,
        since: float | None = None,
        worker_id: str = "",
        position: int | None = None,
        due_at: float | None = None,
        waits_for: tuple[str, ...] = (),
    ) -> UnfinishedTask:
        queue, lane, *_ = self._stream(task)
        under_way = self._state.states[task] == OUTSTANDING
        number = self._state.attempts[task] - self._state.skipped(task) + (not under_way)
        return UnfinishedTask(
            task_id=self._state.tasks.name(task),
            state=state,
            text=text,
            attempt=number,
            queue=queue,
            lane=lane,
            since=since,
            worker_id=worker_id,
            exclusive=lane == EXCLUSIVE,
            position=position,
            due_at=due_at,
            waits_for=waits_for,
        )

    def _stream(self, task: int) -> Stream:
        spec = self._state.tasks.spec(task)
        sent = self._moment.sent.get(task)
        lane = EXCLUSIVE if self._state.is_exclusive(task) else spec.lane
        return Stream(spec.queue, lane, *(() if sent is None else (sent.offer, sent.urgent)))

    def _sent_at(self, task: int) -> float | None:
        sent = self._moment.sent.get(task)
        return None if sent is None else sent.sent_at

    def _find_positions(self) -> dict[int, int]:
        """Positions in queues in which only this run waits: in others they are not known."""
        by_stream: dict[Stream, list[int]] = {}
        for task in self._moment.sent:
            if self._state.states[task] == OUTSTANDING and task not in self._moment.taken:
                by_stream.setdefault(self._stream(task), []).append(task)
        found: dict[int, int] = {}
        for stream, tasks in by_stream.items():
            if self._moment.queued.get(stream) == len(tasks):
                in_order = sorted(tasks, key=lambda task: self._moment.sent[task][1:])
                found.update((task, place) for place, task in enumerate(in_order, 1))
        return found


_A_LEADER = "a coordinator leads the run (serve does, and so does resume)"
