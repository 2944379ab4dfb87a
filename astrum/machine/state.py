"""The state machine that makes all decisions of a run; it is pure.

Events go in through `RunState.handle`, commands come out. It uses no clock, no randomness, no
network and no user code; times come with the events, and jitter is drawn from the run's key, so
that the same events give the same commands in any process.

A task moves through::

                 needs done         dispatch             succeeded
    WAITING ───────────▶ READY ───────────▶ OUTSTANDING ───────────▶ SUCCEEDED
       │                   ▲                  │  │  │ └─ said so ────▶ SKIPPED
       │                   │ delay over       │  │  └── failed for good ──▶ FAILED
       │                   └── BACKING_OFF ◀──┘  └───── run is stopping ──▶ CANCELLED
       │                         may run again   └───── worker lost ──▶ HELD
       └─ a task that it needs was skipped ──▶ SKIPPED, or failed ──▶ BLOCKED

An event about a task changes it in these states alone (`astrum.machine.task_state.LEGAL`)::

    AttemptFoundOutstanding   READY, BACKING_OFF (in history)
    AttemptWithdrawn          OUTSTANDING
    AttemptSettled            OUTSTANDING
    RetryFellDue              BACKING_OFF
    Released                  HELD
    TaskFoundUnserved         READY, OUTSTANDING, BACKING_OFF
    TaskReused                READY (in history)

A mapped task is never dispatched: it has children, as soon as the length of its list is known
(`astrum.machine.ending`), and ends with the last of them. Its number stands for all of them.

A ready task has a route: the streams that its attempts may go to (`astrum.machine.routes`). It is
dispatched as soon as one of them has room, and the plan's concurrency limit allows it; among tasks
that have room, the longest remaining path goes first (`astrum.machine.dispatching`).

A run moves from history (events handled before `RunState.start`, which give no commands) to open,
then to stopping once a task with the policy "stop" has failed for good or a stop was requested,
then to finished; while it stops, tasks that clean up run (`astrum.machine.stopping`). To resume a
run, its journal is handled again. A `Reopened` in it opens the run after an end: the tasks that are
to run again (`astrum.machine.reopening`) begin as at first, and go on counting attempts. A journal
may begin with seeds (`TaskReused`): these tasks have succeeded in an earlier run, and do not run
(`astrum.machine.taking_over`).

Attempt numbers are fences: an event about an attempt that is not the current one changes nothing.
There are three separate budgets: errors of the user's code (the task's `RetryPolicy`), lost workers
(`astrum.machine.budgets.LOSS_BUDGET`, then the task is quarantined), and attempts handed back
(`astrum.machine.budgets.HAND_BACK_BUDGET`, so high that only a fault exhausts it).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from operator import attrgetter
from types import MappingProxyType

from astrum.machine.events import (
    NEVER_BEGAN,
    SUCCESS,
    AttemptFoundOutstanding,
    AttemptSettled,
    AttemptWithdrawn,
    CancelRequested,
    CapacityChanged,
    CleanupStopped,
    Command,
    Event,
    Outcome,
    Released,
    Reopened,
    RetryFellDue,
    RetryHurried,
    RoutesChanged,
    RunTimedOut,
    ScheduleRetry,
    TaskFoundUnserved,
    TaskReused,
    WorkerReturned,
)
from astrum.machine.failure import MISFIT, UNSERVED, Failure
from astrum.machine.lists import Lengths
from astrum.machine.routes import FIRST_STREAM
from astrum.machine.stopping import Stopping
from astrum.machine.task_state import (
    BACKING_OFF,
    LEGAL,
    OUTSTANDING,
    SKIPPED,
    SUCCEEDED,
    WAITING,
    TaskEvent,
)
from astrum.planning.plan import Plan

_awaited = attrgetter("awaited")


class RunState(Stopping):
    """One run of one plan.

    ``run_key`` (the run id) seeds the jitter. ``capacity`` bounds the attempts outstanding in each
    stream until `CapacityChanged` does; the plan's concurrency limit bounds those in all streams.
    ``lengths`` are those of the lists in the run's inputs that tasks have children for.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        run_key: str = "",
        capacity: int | None = None,
        lengths: Lengths = MappingProxyType({}),
    ) -> None:
        super().__init__(plan, capacity, lengths)
        self._run_key = run_key
        self._awaited_left = sum(map(_awaited, plan.tasks))
        self._has_tails = self._awaited_left < len(plan.tasks)
        self._needs_left = [len(spec.needs) for spec in plan.tasks]
        self._extend(len(plan.tasks))
        self._begin()

    def _begin(self) -> None:
        """Make ready what needs nothing; add the children of lists that are known."""
        roots = self.tasks.roots
        for task, needs in enumerate(self._needs_left.copy()):
            if not needs and task not in roots:
                self._make_ready(task)
        for root in roots.values():
            self._grow(root)
        self._spread_ends()

    # --- queries of a host --------------------------------------------------------------

    @property
    def stopping(self) -> bool:
        """True if nothing new starts any more."""
        return self._stopping is not None

    def ended_in(self, stream: int) -> int:
        """Return how many attempts in a stream have ended since the run was read.

        Those that never began do not count. Those that ended before it count as if they had been
        in the first stream.
        """
        if stream != FIRST_STREAM:
            return self._ended_elsewhere.get(stream, 0)
        return len(self.attempt_log.settled) - sum(self._ended_elsewhere.values())

    @property
    def lost_workers(self) -> Collection[str]:
        """As `astrum.machine.budgets.TaskBudgets.lost_workers`."""
        return self._budgets.lost_workers

    def skipped(self, task: int) -> int:
        """The number of a task's attempts that never began."""
        return self._budgets.peek(task).never_began

    def due_at(self, task: int) -> float:
        """Return when the next attempt of a task that is backing off begins."""
        return self._budgets.peek(task).due_at

    # --- the two ways in ----------------------------------------------------------------

    def start(self) -> list[Command]:
        """End the history and return the commands that follow; call it once per process."""
        if not self._is_plain:
            self._cancel_what_may_not_run(self._current_tasks(), is_sure=True)
        self._started = True
        if self.stopping and not self._has_cleanup:
            return self._revoke_outstanding() + self._finish_if_over()
        self._sort_ready()
        delays: list[Command] = [self._delay(task) for task in self.tasks_in(BACKING_OFF)]
        return delays + self._revoke_outstanding() + self._proceed()

    def handle(self, event: Event) -> list[Command]:
        """Take in one event; return the commands that follow from it, `[]` if none."""
        if self.finished is not None:
            return []
        if not self._started and isinstance(event, AttemptFoundOutstanding | AttemptSettled):
            # The journal holds only ends: in history an end may be the only trace of a dispatch.
            self._catch_up(event)
        match event:
            case AttemptSettled() if self._is_current(event):
                return self._on_settled(event)
            case AttemptWithdrawn() if self._is_current(event):
                return self._on_withdrawn(event.task)
            case RetryFellDue() if self._is_current(event):
                return self._on_due(event.task)
            case TaskFoundUnserved() if self._is_legal(event):
                return self._on_unserved(event)
            case CapacityChanged() | RoutesChanged():
                return self._on_streams_changed(event)
        return self._on_request(event)

    def _on_request(self, event: Event) -> list[Command]:
        """Take in an event that is not about a single attempt or the streams."""
        match event:
            case WorkerReturned(worker_id):
                self._budgets.forgive(worker_id)
            case CancelRequested() | RunTimedOut():
                return self._on_stop_requested(event)
            case CleanupStopped():
                return self._on_cleanup_stopped(event)
            case Released() if self._is_legal(event):
                return self._on_released(event)
            case Reopened() if not self._started:
                self._on_reopened(event)
            case RetryHurried(tasks):
                return self._on_hurried(tasks)
            case TaskReused() if self._is_seed(event):
                self._take_over(event)
        return []

    def _is_legal(self, event: TaskEvent) -> bool:
        """Return whether the event may change its task in the task's current state."""
        task = event.task
        return 0 <= task < len(self.states) and type(event) in LEGAL[self.states[task]]

    def _take_over(self, event: TaskReused) -> None:
        self.attempt_log.reused[event.task] = event.run_id
        if self._is_plain:
            self._succeed(event.task)
        else:
            self._succeed_as_seen(event.task, event.seen)

    def _is_seed(self, event: TaskReused) -> bool:
        is_first = not self._started and self._is_legal(event) and not self.attempts[event.task]
        return is_first and not self._misfit(event.task, event.seen)

    def _is_current(self, event: AttemptSettled | AttemptWithdrawn | RetryFellDue) -> bool:
        """Return whether the event is legal and about the current attempt of its task."""
        # As `_is_legal`, which would cost another call for every attempt.
        task, states = event.task, self.states
        return (
            0 <= task < len(states)
            and self.attempts[task] == event.attempt
            and type(event) in LEGAL[states[task]]
        )

    # --- attempts -----------------------------------------------------------------------

    def _on_settled(self, event: AttemptSettled) -> list[Command]:
        task, outcome = event.task, event.outcome
        self.outstanding_count -= 1
        stream = self._leave(task) if self._elsewhere else FIRST_STREAM
        if self._gates is not None and self._started:
            self._pass_gate(task)
        if outcome is NEVER_BEGAN:
            return self._on_never_began(task)
        self.attempt_log.settled.append(event)
        if stream != FIRST_STREAM:
            self._ended_elsewhere[stream] = self._ended_elsewhere.get(stream, 0) + 1
        if outcome is SUCCESS:
            if self._is_plain:
                self._succeed(task)
            elif misfit := self._misfit(task, event.seen):
                return self._fail(task, Failure((MISFIT,), misfit))
            else:
                self._succeed_as_seen(task, event.seen)
            if any(self._heaps) or self._stopping is not None or not self._awaited_left:
                return self._proceed()
            return []
        if outcome is Outcome.SKIPPED:
            return self._on_skipped(event)
        if not self._may_run(task):
            self._end_while_stopping(event)
            return self._proceed()
        return self._on_unsuccessful(event)

    def _on_skipped(self, event: AttemptSettled) -> list[Command]:
        if event.failure is not None:
            self.attempt_log.skips[event.task] = event.failure
        self._end(event.task, SKIPPED)
        return self._proceed()

    def _on_withdrawn(self, task: int) -> list[Command]:
        self.outstanding_count -= 1
        self._leave(task)
        self.attempts[task] -= 1
        if self._gates is not None:
            self._pass_gate(task)
        if self._is_plain or self._may_run(task):
            self._make_ready(task)
        else:
            self._halt_unsuccessful(task)
        return self._proceed()

    def _on_never_began(self, task: int) -> list[Command]:
        self._budgets.count_never_began(task)
        if self._may_run(task):
            self._make_ready(task)
        else:
            self._halt_unsuccessful(task)
        return self._proceed()

    def _succeed(self, task: int) -> None:
        self.states[task] = SUCCEEDED
        if not self._has_tails or self.tasks.spec(task).awaited:
            self._awaited_left -= 1
        needs_left = self._needs_left
        for dependent in self.tasks.dependents[task]:
            left = needs_left[dependent] = needs_left[dependent] - 1
            if not left and self.states[dependent] == WAITING:
                self._make_ready(dependent)

    def _on_unsuccessful(self, event: AttemptSettled) -> list[Command]:
        task, spec = event.task, self.tasks.spec(event.task)
        if event.outcome is Outcome.LOST and spec.on_lost != "retry":
            return self._on_lost_for_good(event, spec.on_lost)
        verdict = self._budgets.charge(event, spec.retry, self._run_key)
        if isinstance(verdict, Failure):
            return self._fail(task, verdict)
        self.attempt_log.retried[task, event.attempt] = verdict.retries_left
        if verdict.delay_s <= 0:
            self._make_ready(task)
            return self._proceed()
        self.states[task] = BACKING_OFF
        if not self._started:
            return []
        return [self._delay(task), *self._proceed()]

    def _on_reopened(self, event: Reopened) -> None:
        self.conclude()  # as its leader did at the end of the run
        if self._is_decided():
            self._fail_what_never_ran()
            self._reopen(event)

    def _delay(self, task: int) -> ScheduleRetry:
        budget = self._budgets.peek(task)
        return ScheduleRetry(task, self.attempts[task], budget.due_at, budget.delay_s)

    def _on_due(self, task: int) -> list[Command]:
        if not self._may_run(task):
            return []
        self._make_ready(task)
        return self._proceed()

    def _on_hurried(self, tasks: Sequence[int]) -> list[Command]:
        for task in tasks:
            is_backing_off = 0 <= task < len(self.states) and self.states[task] == BACKING_OFF
            if is_backing_off and self._may_run(task):
                self._make_ready(task)
        return self._proceed()

    # --- dispatching --------------------------------------------------------------------

    def has_more(self, stream: int) -> bool:
        """Return whether more attempts would go to a stream if it had more capacity."""
        return (self._stopping is None or self._has_cleanup) and super().has_more(stream)

    def _on_streams_changed(self, event: CapacityChanged | RoutesChanged) -> list[Command]:
        if isinstance(event, RoutesChanged):
            self._set_routes(event.routes)
        else:
            self._set_capacity(event.stream, event.capacity)
        return self._proceed()

    def _catch_up(self, event: AttemptFoundOutstanding | AttemptSettled) -> None:
        """In history: note that an earlier leader dispatched this attempt."""
        task, attempt = event.task, event.attempt
        is_legal = self._is_legal(AttemptFoundOutstanding(task, attempt)) or self._is_due(task)
        if is_legal and attempt > self.attempts[task]:
            self.attempts[task] = attempt
            self.states[task] = OUTSTANDING
            self.outstanding_count += 1
            if isinstance(event, AttemptFoundOutstanding):
                self._enter(task, event.stream)

    def _is_due(self, task: int) -> bool:
        """In history: return whether a waiting task may have been dispatched all the same.

        A task that tolerates ends waits for those that leave no trace in the journal, too: of tasks
        that were cancelled before they ran.
        """
        is_waiting = 0 <= task < len(self.states) and self.states[task] == WAITING
        return is_waiting and not self._is_plain and task not in self.tasks.roots

    # --- the end ------------------------------------------------------------------------

    def _on_unserved(self, event: TaskFoundUnserved) -> list[Command]:
        if self._is_decided():
            return []
        # The task is marked as failed at the run's end only. In history it is not known yet
        # whether one of its attempts is outstanding, and `_catch_up` ignores tasks that have
        # failed. So with an early mark such an attempt would never be settled.
        self.attempt_log.failures[event.task] = Failure((UNSERVED,), event.message)
        return self._stop("failed", "", event.at)
