"""One moment of a run, with the counts and indexes that the explanations of all tasks share."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cached_property

from astrum.machine.events import AttemptSettled, Outcome
from astrum.machine.task_state import ENDED, OUTSTANDING
from astrum.planning.plan import DEFAULT_QUEUE, TaskSpec
from astrum.protocol.records import WorkerInfo
from astrum.protocol.status import LedRun, RunningAttempt, WaitingAttempt
from astrum.protocol.streams import Stream
from astrum.runtime.durations import age_text
from astrum.view.why.explanation import first_line
from astrum.view.why.moment import Pool, RunMoment, Sent

EXCLUSIVE = "exclusive"
LEAST_ENDS = 5
"""Fewer ends say little about how long a task usually runs."""
Attempt = tuple[str, int, int]
"""A worker, a task, and the number of its attempt."""


class Look:
    """A moment and the pool; everything that is derived is derived once."""

    def __init__(self, moment: RunMoment, pool: Pool) -> None:
        self.moment = moment
        self.pool = pool
        self.state = moment.state
        self.plan = moment.state.plan
        self.now = moment.now
        self.led: LedRun | None = moment.led
        self.workers: dict[str, WorkerInfo] = {one.worker_id: one for one in moment.workers}
        self._servers: dict[tuple[str, str, str, str], Sequence[str]] = {}
        self._worker_commands: dict[str, str] = {}

    # --- tasks --------------------------------------------------------------------------

    def spec(self, task: int) -> TaskSpec:
        """Return the spec of a task, for a child that of its template."""
        return self.state.tasks.spec(task)

    def name(self, task: int) -> str:
        """Return the name of a task or child for people."""
        return self.state.tasks.name(task)

    def unended(self) -> Iterator[int]:
        """All tasks that have not ended; the children of a mapped task stand for it, once known."""
        tasks = self.state.tasks
        for task, state in enumerate(self.state.states):
            if state not in ENDED and not tasks.counts.get(task):
                yield task

    def attempt_number(self, task: int) -> int:
        """Return the number of the attempt that is under way or comes next; it counts from 1."""
        under_way = self.state.states[task] == OUTSTANDING
        return self.begun(task) + (not under_way)

    def begun(self, task: int) -> int:
        """Return how many attempts of a task have begun or were sent."""
        return self.state.attempts[task] - self.state.skipped(task)

    @cached_property
    def last(self) -> dict[int, AttemptSettled]:
        """The last end of an attempt of each task that has one."""
        return {event.task: event for event in self.state.attempt_log.settled}

    def usual_s(self, task: int) -> float | None:
        """Return how long other children of a task ran on average, `None` if too few have."""
        if self.state.tasks.place_of(task) is None:
            return None
        ran = self._ran_s.get(self.spec(task).task_id, [])
        return sum(ran) / len(ran) if len(ran) >= LEAST_ENDS else None

    @cached_property
    def _ran_s(self) -> dict[str, list[float]]:
        """How long the attempts that succeeded ran, by task id."""
        found: dict[str, list[float]] = {}
        for event in self.state.attempt_log.settled:
            if event.outcome is Outcome.SUCCEEDED:
                took_s = max(event.ended_at - event.started_at, 0.0)
                found.setdefault(self.spec(event.task).task_id, []).append(took_s)
        return found

    def what_ended(self, task: int) -> str:
        """Return how the last attempt of a task ended: "attempt 1 ended: ValueError: no"."""
        event = self.last.get(task)
        if event is None:
            return "its attempt ended"
        why = event.failure.summary if event.failure else event.outcome.name.lower()
        return f"attempt {self.begun(task)} ended: {first_line(why)}"

    def age(self, since: float) -> str:
        """Return how long ago a time was."""
        return age_text(self.now - since)

    # --- streams ------------------------------------------------------------------------

    def stream(self, task: int) -> Stream:
        """Return the stream that the attempt of a task is in, or would be in."""
        spec, sent = self.spec(task), self.moment.sent.get(task)
        lane = EXCLUSIVE if self.state.is_exclusive(task) else spec.lane
        return Stream(spec.queue, lane, *(() if sent is None else (sent.offer, sent.urgent)))

    def sent(self, task: int) -> Sent | None:
        """Return when and where the attempt of a task was sent, `None` if that is not known."""
        return self.moment.sent.get(task)

    @cached_property
    def positions(self) -> dict[int, int]:
        """Positions in queues in which only this run waits: in others they are not known."""
        by_stream: dict[Stream, list[int]] = {}
        for task in self.moment.sent:
            if self.state.states[task] == OUTSTANDING and task not in self.moment.taken:
                by_stream.setdefault(self.stream(task), []).append(task)
        found: dict[int, int] = {}
        for stream, tasks in by_stream.items():
            if self.moment.queued.get(stream) == len(tasks):
                in_order = sorted(tasks, key=lambda task: self.moment.sent[task][1:])
                found.update((task, place) for place, task in enumerate(in_order, 1))
        return found

    @cached_property
    def out_by_queue(self) -> Counter[str]:
        """How many attempts of the run are outstanding, by queue."""
        return Counter(self.spec(task).queue for task, _ in self.state.outstanding())

    @cached_property
    def out_by_task(self) -> Counter[str]:
        """How many attempts of the run are outstanding, by task id."""
        return Counter(self.spec(task).task_id for task, _ in self.state.outstanding())

    @cached_property
    def oldest_out(self) -> list[str]:
        """The names of the three tasks whose attempts are outstanding for longest."""
        sent = self.moment.sent
        out = [task for task, _ in self.state.outstanding()]
        out.sort(key=lambda task: sent[task].sent_at if task in sent else self.now)
        return [self.name(task) for task in out[:3]]

    # --- workers ------------------------------------------------------------------------

    def servers(self, spec: TaskSpec) -> Sequence[str]:
        """Return the live workers that serve a task, by id."""
        key = (spec.task_id, spec.fingerprint, spec.queue, spec.lane)
        found = self._servers.get(key)
        if found is None:
            found = self._servers[key] = self.pool.servers(spec)
        return found

    @cached_property
    def running(self) -> dict[Attempt, RunningAttempt]:
        """The attempts of the run that workers report to run."""
        return {
            (one.worker_id, row.task, row.attempt): row
            for one in self.moment.workers
            for row in one.status.running
            if row.run_id == self.moment.run_id
        }

    @cached_property
    def claimed(self) -> dict[Attempt, WaitingAttempt]:
        """The attempts of the run that wait at their workers for a free slot."""
        return {
            (one.worker_id, row.task, row.attempt): row
            for one in self.moment.workers
            for row in one.status.waiting
            if row.run_id == self.moment.run_id
        }

    # --- commands to type ---------------------------------------------------------------

    def coordinator_command(self, command: str, *names: str, options: Sequence[str] = ()) -> str:
        """Return a command of the coordinator, quoted for a shell.

        A run or a task may be called ``-x``: after ``--`` it is read as a name.
        """
        if any(name.startswith("-") for name in names):
            return shlex.join(("astrum-coordinator", command, *options, "--", *names))
        return shlex.join(("astrum-coordinator", command, *names, *options))

    def worker_command(self, queue: str = DEFAULT_QUEUE) -> str:
        """Return the command that starts a worker for the run's tasks of a queue."""
        found = self._worker_commands.get(queue)
        if found is None:  # thousands of tasks may lack the same worker
            found = self._worker_commands[queue] = self._new_worker_command(queue)
        return found

    def _new_worker_command(self, queue: str) -> str:
        text = self.moment.info.details.get("modules", "")
        modules = text.split(",") if text and "..." not in text and "__main__" not in text else []
        words = ["astrum-worker", *(modules or ["MODULE"])]
        return shlex.join([*words, *(["--queue", queue] if queue != DEFAULT_QUEUE else [])])
