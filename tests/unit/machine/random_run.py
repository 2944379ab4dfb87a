"""Drives the state of a random plan through a random order of events, as a host would."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from astrum.machine import (
    AttemptFoundOutstanding,
    AttemptSettled,
    CancelRequested,
    CleanupStopped,
    Command,
    Dispatch,
    Event,
    Failure,
    Finish,
    Outcome,
    Released,
    Reopened,
    RetryFellDue,
    Revoke,
    RunState,
    RunTimedOut,
    ScheduleRetry,
    TaskState,
)
from astrum.machine.task_state import (
    BACKING_OFF,
    BLOCKED,
    CANCELLED,
    ENDED,
    HELD,
    READY,
    SKIPPED,
    SUCCEEDED,
)
from tests.unit.machine.random_plans import INPUTS, RandomPlan
from tests.unit.machine.reference import End, Index

NEVER_RAN = (SKIPPED, BLOCKED, CANCELLED)
NO = Failure(("builtins.ValueError", "builtins.Exception"), "no")
NOTHING = Failure(("astrum.errors.Skip",), "nothing to do")


class RandomRun:
    """A live state, the journal that its events are in, and what its host knows."""

    def __init__(self, plan: RandomPlan, seed: int, journal: Sequence[Event] = ()) -> None:
        self.of, self.plan = plan, plan.plan
        self.random = Random(seed)
        self.capacity = self.random.choice([None, None, 1, 3])
        self.journal: list[Event] = list(journal)
        self.opening = 0
        self.results: dict[tuple[str, Index], End] = {}
        self.tried: dict[int, list[int]] = {}
        self.dispatched: set[tuple[int, int]] = set()
        self.left_over: dict[int, int] = {}
        self.begin()

    def begin(self) -> None:
        self.outstanding: dict[int, int] = dict(self.left_over)
        self.revoked: set[tuple[int, int]] = set()
        self.done: set[int] = set()
        self.fell_due: set[tuple[int, int]] = set()
        self.finishes: list[str] = []
        self.state = self.replayed(self.outstanding)
        # What runs on of tails that are not chosen counts as cancelled.
        self.dispatched -= self.outstanding.items() - dict(self.state.outstanding()).items()
        self.outstanding = dict(self.state.outstanding())
        self.left_over = dict(self.outstanding)
        self.obey(self.state.start())

    def replayed(self, outstanding: dict[int, int]) -> RunState:
        """Return a new state that has read the journal, as another leader would."""
        state = RunState(self.plan, run_key="r", capacity=self.capacity, lengths=INPUTS)
        for event in self.journal:
            assert state.handle(event) == []
        for task, attempt in outstanding.items():
            assert state.handle(AttemptFoundOutstanding(task, attempt)) == []
        return state

    # --- the host -----------------------------------------------------------------------

    def take_in(self, event: Event) -> None:
        self.journal.append(event)
        self.obey(self.state.handle(event))

    def obey(self, commands: Sequence[Command]) -> None:
        for command in commands:
            assert not self.finishes, "an order after the run's end"
            match command:
                case Dispatch(task, attempt):
                    self.dispatch(task, attempt)
                case Revoke(task, attempt):
                    assert self.outstanding[task] == attempt
                    self.revoked.add((task, attempt))
                case ScheduleRetry():
                    pass
                case Finish(state):
                    self.finishes.append(state)

    def dispatch(self, task: int, attempt: int) -> None:
        spec = self.state.tasks.spec(task)
        assert task not in self.outstanding
        assert task not in self.done, "it runs again after its end"
        assert task not in self.state.tasks.roots
        assert (task, attempt) not in self.dispatched, "an attempt number was given twice"
        assert not self.state.stopping or spec.always
        self.dispatched.add((task, attempt))
        self.check_needs(task)
        self.outstanding[task] = attempt
        if spec.at_once is not None:
            template = self.state.tasks.template(task)
            alike = [one for one in self.outstanding if self.state.tasks.template(one) == template]
            assert len(alike) <= spec.at_once
        limits = [n for n in (self.capacity, self.plan.concurrency_limit) if n is not None]
        assert len(self.outstanding) <= min(limits, default=10**6)

    def check_needs(self, task: int) -> None:
        """What a child reads has ended, and succeeded if it must."""
        if task in self.left_over:
            return
        tasks, spec = self.state.tasks, self.state.tasks.spec(task)
        own = dict(zip([axis.lists for axis in spec.axes], tasks.index(task), strict=True))
        for need in spec.needs:
            source = self.plan.index[need]
            at = [own[axis.lists] for axis in self.plan.tasks[source].axes if axis.lists in own]
            for number in flat(tasks.below(source, at)):
                state = self.state.states[number]
                assert state in ENDED
                is_accepted = self.plan.tasks[source].max_failed is not None
                assert need in spec.tolerant or state == SUCCEEDED or is_accepted

    # --- the world ----------------------------------------------------------------------

    def step(self) -> bool:
        """Let one thing happen; return whether anything could."""
        state = self.state
        due = [(t, state.attempts[t]) for t in state.tasks_in(BACKING_OFF)]
        held = list(state.tasks_in(HELD))
        choices = [("end", task) for task in self.outstanding]
        choices += [("due", task) for task, _ in due] + [("release", task) for task in held]
        if not choices:
            return False
        what, task = self.random.choice(choices)
        if what == "end":
            self.end(task)
        elif what == "due":
            self.fell_due.add((task, state.attempts[task]))
            self.obey(state.handle(RetryFellDue(task, state.attempts[task])))
        else:
            self.release(task)
        return True

    def end(self, task: int) -> None:
        attempt = self.outstanding.pop(task)
        spec, index = self.state.tasks.spec(task), self.state.tasks.index(task)
        fate = self.of.fate(spec.task_id, index, self.opening)
        tried = self.tried.setdefault(task, [0, 0])
        is_revoked = (task, attempt) in self.revoked
        if is_revoked and self.random.random() < 0.7:
            outcome = Outcome.CANCELLED
        elif self.random.random() < 0.1:
            outcome = Outcome.NEVER_BEGAN
        elif tried[0] < fate.losses:
            outcome = Outcome.LOST
            tried[0] += 1
        elif tried[1] < fate.failures:
            outcome = Outcome.FAILED
            tried[1] += 1
        else:
            outcome = Outcome[fate.end.state.upper()]
        seen = fate.end.seen if outcome is Outcome.SUCCEEDED else ()
        failure = {Outcome.FAILED: NO, Outcome.SKIPPED: NOTHING}.get(outcome)
        event = AttemptSettled(
            task, attempt, outcome, 1.0, 1.0, 1.0, f"w{task}", failure, seen=seen
        )
        self.take_in(event)
        self.note(task)

    def release(self, task: int) -> None:
        spec, index = self.state.tasks.spec(task), self.state.tasks.index(task)
        fate = self.of.fate(spec.task_id, index, self.opening)
        self.take_in(Released(task, fate.release, 1.0, "ann", fate.end.seen))
        self.note(task)

    def note(self, task: int, of: RunState | None = None) -> None:
        """Note how a task ended by what it did itself."""
        of = of or self.state
        spec, index = of.tasks.spec(task), of.tasks.index(task)
        state = TaskState(of.states[task])
        if state in ENDED:
            self.done.add(task)
        if state == SUCCEEDED:
            self.results[spec.task_id, index] = End("succeeded", of._seen.get(task, ()))
        elif state in ENDED and of is self.state:
            seen = of._seen.get(task, ())
            self.results[spec.task_id, index] = End(state.name.lower(), seen)

    def stop(self) -> None:
        is_late = self.random.random() < 0.3
        self.take_in(RunTimedOut(1.0, 1.0) if is_late else CancelRequested(1.0))

    def stop_cleanup(self) -> None:
        self.take_in(CleanupStopped(1.0, "enough"))

    def lead_anew(self) -> None:
        """Go on with another leader; some of the attempts were never sent."""
        kept = {t: a for t, a in self.outstanding.items() if self.random.random() < 0.7}
        self.dispatched -= self.outstanding.items() - kept.items()
        self.outstanding = kept
        self.revoked.clear()
        self.state = self.replayed(kept)
        self.obey(self.state.start())

    def end_tails(self) -> None:
        """Let some of the attempts end that the run did not wait for."""
        for task in list(self.outstanding):
            if self.random.random() < 0.5:
                self.end(task)
        self.ended = self.replayed(self.outstanding)
        self.ended.start()
        for task in range(len(self.ended.states)):
            self.note(task, self.ended)

    def reopen(self, named: Sequence[int] = ()) -> None:
        self.opening += 1
        self.tried.clear()
        self.left_over = self.outstanding
        self.journal.append(Reopened(tuple(named), 1.0))
        self.begin()

    def run_to_end(self) -> None:
        while not self.finishes:
            assert self.step(), "it stalls"

    # --- what must always hold ----------------------------------------------------------

    def check(self) -> None:
        state = self.state
        assert dict(state.outstanding()) == self.outstanding
        assert state.outstanding_count == len(self.outstanding)
        assert self.finishes == ([state.finished] if state.finished else [])
        left = [n for n, spec in enumerate(self.plan.tasks) if not self.has_ended(n, spec.awaited)]
        assert state.stopping or (state.finished is None) == bool(left)

    def has_ended(self, task: int, awaited: bool) -> bool:
        return not awaited or self.state.states[task] in ENDED

    def check_replay(self) -> None:
        """A state that reads the journal again is the same."""
        ours, theirs = self.state, self.replayed(self.outstanding)
        commands = theirs.start()
        assert not [c for c in commands if isinstance(c, Dispatch)], "one more was dispatched"
        assert [c.state for c in commands if isinstance(c, Finish)] == self.finishes
        revoked = {(c.task, c.attempt) for c in commands if isinstance(c, Revoke)}
        assert ours.finished is not None or revoked == self.revoked & self.outstanding.items()
        names = [ours.tasks.name(task) for task in range(len(ours.states))]
        assert ours.tasks.names() == names
        assert theirs.tasks.names() == names
        assert ours.attempts == theirs.attempts
        for task, name in enumerate(names):
            mine, other = ours.states[task], theirs.states[task]
            is_due = (task, ours.attempts[task]) in self.fell_due
            if mine in NEVER_RAN and other in NEVER_RAN and not ours.attempts[task]:
                continue  # which of the ends is first may depend on what no journal holds
            if mine != other and not (is_due and (mine, other) == (READY, BACKING_OFF)):
                raise AssertionError((name, TaskState(mine).name, TaskState(other).name))
        assert hidden(ours) == hidden(theirs)


def hidden(state: RunState) -> tuple[object, ...]:
    return state._awaited_left, state._cleanup_left, state._ends_as, state._stopping


def flat(numbers: object) -> list[int]:
    if isinstance(numbers, int):
        return [numbers]
    assert isinstance(numbers, list)
    return [number for below in numbers for number in flat(below)]
