"""Any plan, any events in any order: the invariants of every run, and of its resumption."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from astrum.machine import (
    AttemptFoundOutstanding,
    AttemptSettled,
    CancelRequested,
    CapacityChanged,
    Command,
    Dispatch,
    Event,
    Failure,
    Finish,
    Outcome,
    RetryFellDue,
    Revoke,
    RunState,
    RunTimedOut,
    RunTimes,
    ScheduleRetry,
    TaskFoundUnserved,
    TaskReused,
    TaskState,
    WorkerReturned,
    build_report,
)
from astrum.machine.budgets import FEW_SUSPECTS, LOSS_BUDGET
from astrum.planning import Plan, RetryPolicy, TaskSpec

RUN_KEY = "run-1"
ORDINARY = Failure(("builtins.ValueError", "builtins.Exception"), "no")
FATAL = Failure(("builtins.KeyError", "builtins.Exception"), "never again")
TIMES = RunTimes(0.0, 0.0, 1.0)
SETTLED = (
    TaskState.SUCCEEDED,
    TaskState.FAILED,
    TaskState.CANCELLED,
    TaskState.SKIPPED,
)
ENDS = [outcome for outcome in Outcome if outcome is not Outcome.REUSED]
"""The outcomes of attempts."""

policies = st.builds(
    RetryPolicy,
    max_retries=st.integers(0, 2),
    delay=st.sampled_from([0.0, 0.0, 1.0]),
    jitter=st.sampled_from([0.0, 1.0]),
    give_up_on=st.sampled_from([(), ("builtins.KeyError",)]),
)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Draw a plan of up to 7 tasks, of which some may be tails."""
    specs: list[TaskSpec] = []
    for number in range(draw(st.integers(0, 7))):
        earlier = [spec.task_id for spec in specs]
        needs = draw(st.sets(st.sampled_from(earlier), max_size=3)) if earlier else set()
        awaited = draw(st.integers(0, 5)) > 0
        retry = draw(policies)
        specs.append(
            TaskSpec(task_id=f"t{number}", needs=tuple(sorted(needs)), retry=retry, awaited=awaited)
        )
    limit = draw(st.sampled_from([None, None, 1, 2]))
    return Plan("machine", tuple(specs), concurrency_limit=limit)


class RunMachine(RuleBasedStateMachine):
    """A host that carries out the commands, random events, and a record of both."""

    @initialize(
        plan=plans(),
        capacity=st.sampled_from([None, None, 1, 3]),
        seeds=st.just(()) | st.lists(st.integers(-1, 7)),
    )
    def begin(self, plan: Plan, capacity: int | None, seeds: Sequence[int]) -> None:
        self.plan = plan
        self.capacity = capacity
        self.state = RunState(plan, run_key=RUN_KEY, capacity=capacity)
        self.now = 1_000.0
        self.journal: list[Event] = []
        self.outstanding: dict[int, int] = {}
        self.delays: dict[tuple[int, int], float] = {}
        self.fell_due: set[tuple[int, int]] = set()
        self.highest = [0] * len(plan.tasks)
        self.raised = [0] * len(plan.tasks)
        self.losses = [0] * len(plan.tasks)
        self.sole_losses = [0] * len(plan.tasks)
        self.is_suspect = [False] * len(plan.tasks)
        self.lost_to: dict[str, list[tuple[int, bool]]] = {}
        self.quarantined: set[int] = set()
        self.succeeded: set[int] = set()
        self.forgotten: set[int] = set()
        self.finishes: list[str] = []
        for task in seeds:
            self.seed(task)
        self.obey(self.state.start())

    def seed(self, task: int) -> None:
        """Tell before the start that an earlier run has a result; it counts after its needs."""
        fact = TaskReused(task, "earlier")
        self.journal.append(fact)
        assert self.state.handle(fact) == []
        if 0 <= task < len(self.plan.tasks):
            needs = {self.plan.index[need] for need in self.plan.tasks[task].needs}
            self.succeeded |= {task} if needs <= self.succeeded else set()

    # --- the world --------------------------------------------------------------------------

    @precondition(lambda self: self.outstanding)
    @rule(
        data=st.data(),
        outcome=st.sampled_from([Outcome.SUCCEEDED, Outcome.SUCCEEDED, *ENDS]),
        shared=st.sampled_from([1, 1, 2, FEW_SUSPECTS, FEW_SUSPECTS + 1]),
        failure=st.sampled_from([ORDINARY, FATAL]),
    )
    def an_attempt_ends(
        self, data: st.DataObject, outcome: Outcome, shared: int, failure: Failure
    ) -> None:
        task = data.draw(st.sampled_from(sorted(self.outstanding)))
        why = failure if outcome in (Outcome.FAILED, Outcome.TIMED_OUT) else None
        fact = self.settled(task, self.outstanding.pop(task), outcome, why, shared)
        was_over = self.state.finished is not None
        was_stopping = self.state.stopping
        if was_over:
            self.forgotten.add(task)
            assert self.state.handle(fact) == []
            return
        self.account(fact)
        self.take_in(fact)
        if outcome is Outcome.HANDED_BACK and not was_stopping:
            assert self.state.states[task] != TaskState.FAILED

    @precondition(lambda self: self.waiting())
    @rule(data=st.data())
    def a_retry_falls_due(self, data: st.DataObject) -> None:
        task, attempt = data.draw(st.sampled_from(sorted(self.waiting())))
        self.fell_due.add((task, attempt))
        self.obey(self.state.handle(RetryFellDue(task, attempt)))

    @rule(reason=st.sampled_from(["", "enough"]))
    def somebody_cancels(self, reason: str) -> None:
        self.take_in(CancelRequested(self.now, reason))

    @precondition(lambda self: self.state.lost_workers and self.state.finished is None)
    @rule(data=st.data())
    def a_worker_turns_out_to_be_alive(self, data: st.DataObject) -> None:
        worker_id = data.draw(st.sampled_from(sorted(self.state.lost_workers)))
        for task, was_sole in self.lost_to.pop(worker_id):
            self.losses[task] -= 1
            self.sole_losses[task] -= was_sole
        self.take_in(WorkerReturned(worker_id, self.now))

    @rule()
    def the_run_times_out(self) -> None:
        self.take_in(RunTimedOut(self.now, 5.0))

    @rule(task=st.integers(-1, 8))
    def nobody_serves(self, task: int) -> None:
        self.take_in(TaskFoundUnserved(task, self.now, "no one serves it"))

    @rule(capacity=st.integers(1, 5))
    def capacity_changes(self, capacity: int) -> None:
        if self.state.finished is None:
            self.capacity = capacity
        self.obey(self.state.handle(CapacityChanged(0, capacity)))

    @rule(
        task=st.integers(-2, 8),
        distance=st.integers(-2, 2),
        outcome=st.sampled_from(ENDS),
    )
    def a_fact_is_stale(self, task: int, distance: int, outcome: Outcome) -> None:
        """Tell it late, twice, early, or about a task that is not."""
        current = self.state.attempts[task] if 0 <= task < len(self.plan.tasks) else 1
        attempt = current + distance
        if self.outstanding.get(task) == attempt and self.state.finished is None:
            return
        self.changes_nothing(self.settled(task, attempt, outcome, ORDINARY, 1))
        self.changes_nothing(AttemptFoundOutstanding(task, attempt))
        self.changes_nothing(TaskReused(task, "earlier"))
        if (task, attempt) not in self.waiting():
            self.changes_nothing(RetryFellDue(task, attempt))

    # --- the host ---------------------------------------------------------------------------

    def settled(
        self, task: int, attempt: int, outcome: Outcome, failure: Failure | None, shared: int
    ) -> AttemptSettled:
        self.now += 1.0
        began, ended = self.now - 0.5, self.now - 0.1
        return AttemptSettled(
            task, attempt, outcome, began, ended, self.now, f"worker-{task % 2}", failure, shared
        )

    def account(self, fact: AttemptSettled) -> None:
        task = fact.task
        if fact.outcome is Outcome.SUCCEEDED:
            self.succeeded.add(task)
        elif fact.outcome in (Outcome.FAILED, Outcome.TIMED_OUT):
            self.raised[task] += 1
        elif fact.outcome is Outcome.LOST:
            was_sole = fact.shared_loss == 1
            self.losses[task] += 1
            self.sole_losses[task] += was_sole
            self.lost_to.setdefault(fact.worker_id, []).append((task, was_sole))
            self.is_suspect[task] = fact.shared_loss <= FEW_SUSPECTS or self.losses[task] > 1
            is_killer = self.sole_losses[task] >= LOSS_BUDGET - 1
            if self.losses[task] >= LOSS_BUDGET and is_killer:
                self.quarantined.add(task)

    def take_in(self, fact: Event) -> None:
        self.journal.append(fact)
        self.obey(self.state.handle(fact))

    def waiting(self) -> set[tuple[int, int]]:
        return {
            (task, attempt)
            for task, attempt in self.delays
            if self.state.states[task] == TaskState.BACKING_OFF
            and self.state.attempts[task] == attempt
            and not self.state.stopping
            and self.state.finished is None
        }

    def changes_nothing(self, event: Event) -> None:
        before = picture(self.state)
        assert self.state.handle(event) == []
        assert picture(self.state) == before

    def obey(self, commands: list[Command]) -> None:
        for command in commands:
            assert not self.finishes, "an order after the run's end"
            match command:
                case Dispatch():
                    self.dispatch(command)
                case ScheduleRetry(task, attempt, due_at, _):
                    assert (task, attempt) not in self.delays
                    assert due_at > self.now - 0.1
                    self.delays[task, attempt] = due_at
                case Revoke(task, attempt):
                    assert self.state.stopping
                    assert self.outstanding[task] == attempt
                case Finish(state):
                    self.finishes.append(state)

    def dispatch(self, order: Dispatch) -> None:
        task = order.task
        spec = self.plan.tasks[task]
        assert not self.state.stopping
        assert task not in self.outstanding
        assert order.attempt == self.highest[task] + 1
        assert all(self.plan.index[need] in self.succeeded for need in spec.needs)
        assert task not in self.succeeded
        assert task not in self.quarantined
        assert self.raised[task] <= spec.retry.max_retries
        assert order.exclusive == self.is_suspect[task]
        self.highest[task] = order.attempt
        self.outstanding[task] = order.attempt
        assert len(self.outstanding) <= self.limit()

    def limit(self) -> int:
        limits = [x for x in (self.capacity, self.plan.concurrency_limit) if x is not None]
        return min(limits, default=99)

    # --- what must always hold --------------------------------------------------------------

    @invariant()
    def what_is_outstanding_is_what_was_dispatched_and_not_settled(self) -> None:
        if self.state.finished is None:
            assert dict(self.state.outstanding()) == self.outstanding
            assert self.state.outstanding_count == len(self.outstanding)

    @invariant()
    def capacity_is_kept_and_used(self) -> None:
        if self.state.finished is None and not self.state.stopping:
            assert len(self.outstanding) >= self.limit() or not list(self.state.ready())

    @invariant()
    def it_never_stalls(self) -> None:
        assert self.finishes or self.outstanding or self.waiting()

    @invariant()
    def it_finishes_exactly_when_it_is_over(self) -> None:
        assert self.finishes == ([self.state.finished] if self.state.finished else [])
        awaited = [t for t, spec in enumerate(self.plan.tasks) if spec.awaited]
        states = self.state.states
        done = all(t in self.succeeded or states[t] == TaskState.SKIPPED for t in awaited)
        if self.state.finished == "completed":
            assert done
        elif self.state.finished is None and not self.state.stopping:
            assert not done

    @invariant()
    def a_resumed_run_is_the_same_run(self) -> None:
        resumed = self.resumed(self.outstanding)
        orders = resumed.start()
        assert resumed.finished == self.state.finished
        assert resumed.stopping == self.state.stopping
        for task in range(len(self.plan.tasks)):
            assert self.state.is_exclusive(task) == resumed.is_exclusive(task)
        self.attempts_agree(resumed)
        self.states_agree(resumed)
        self.orders_are_due(orders)
        assert report(resumed) == report(self.state)

    @invariant()
    def a_dispatch_that_was_never_carried_out_is_ordered_again(self) -> None:
        if self.state.stopping:
            return
        resumed = self.resumed({})
        for order in resumed.start():
            if isinstance(order, Dispatch):
                again = self.outstanding.get(order.task)
                assert order.attempt == again or again is None
        assert resumed.finished == self.state.finished

    def resumed(self, outstanding: dict[int, int]) -> RunState:
        resumed = RunState(self.plan, run_key=RUN_KEY, capacity=self.capacity)
        for fact in self.journal:
            assert resumed.handle(fact) == []
        for task, attempt in outstanding.items():
            assert resumed.handle(AttemptFoundOutstanding(task, attempt)) == []
        return resumed

    def attempts_agree(self, resumed: RunState) -> None:
        attempts = zip(self.state.attempts, resumed.attempts, strict=True)
        for task, (ours, theirs) in enumerate(attempts):
            # No record keeps a tail's attempt that ends after the run. So a resumed run neither
            # knows of it nor counts it: in its place another tail may begin before the end.
            may_differ = self.forgotten and not self.plan.tasks[task].awaited
            assert theirs == ours or may_differ

    def states_agree(self, resumed: RunState) -> None:
        for task, (ours, theirs) in enumerate(zip(self.state.states, resumed.states, strict=True)):
            if ours == TaskState.READY and (task, self.state.attempts[task]) in self.fell_due:
                # The journal does not hold that a delay is over: a clock reports it again.
                assert theirs in (TaskState.READY, TaskState.BACKING_OFF)
            elif self.state.finished is None or ours in SETTLED:
                assert theirs == ours

    def orders_are_due(self, orders: list[Command]) -> None:
        revoked = {(o.task, o.attempt) for o in orders if isinstance(o, Revoke)}
        finished = [o.state for o in orders if isinstance(o, Finish)]
        delays = {(o.task, o.attempt): o.due_at for o in orders if isinstance(o, ScheduleRetry)}
        dispatched = [o for o in orders if isinstance(o, Dispatch)]
        assert finished == self.finishes
        if self.state.finished is None:
            assert not dispatched, "it was dispatched when it became ready"
            assert revoked == (set(self.outstanding.items()) if self.state.stopping else set())
            assert self.waiting() <= delays.keys()
            assert all(self.delays[key] == due_at for key, due_at in delays.items())


def picture(state: RunState) -> tuple[Any, ...]:
    """Return all that a host can see of a state."""
    told = state.attempt_log
    return (
        bytes(state.states),
        list(state.attempts),
        state.outstanding_count,
        state.finished,
        state.stopping,
        list(told.settled),
        dict(told.retried),
        dict(told.failures),
        told.stop_reason,
    )


def report(state: RunState) -> Any:
    """Return the report of a state at a fixed time."""
    return build_report(state, TIMES, {})


TestAnyRun = RunMachine.TestCase
TestAnyRun.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
