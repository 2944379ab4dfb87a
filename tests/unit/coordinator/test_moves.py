"""Which attempts are taken back from streams without a reader, and from paused ones."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from astrum.machine import RunState
from astrum.planning.plan import Plan, TaskSpec
from astrum.protocol.pauses import NO_PAUSES, Pause, PauseKind, Pauses, PauseTarget
from astrum.protocol.streams import Stream
from astrum_coordinator.leading.dispatch_calls import SentAttempt
from astrum_coordinator.pool.moves import Moves

STREAM = Stream("default", "async", "0ld")
PAUSED = Pauses([Pause(PauseTarget(PauseKind.QUEUE, "default"))])


@dataclass
class FakeRunPool:
    """A pool that reads no stream of the run, or all of them, and serves its tasks elsewhere."""

    serves_elsewhere: bool = True
    reads: bool = False

    def readers_of(self, stream: Stream) -> object:
        return stream if self.reads else None

    def serves(self, spec: TaskSpec) -> bool:
        return self.serves_elsewhere


@dataclass
class FakeLeader:
    """A run with one attempt out; ``taken`` are the tasks that were asked for, look by look."""

    run_id: str = "r"
    plan: Plan = field(default_factory=lambda: Plan("n", (TaskSpec("a"),)))
    known_at: float = 1.0
    taken: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.state = RunState(self.plan)

    def dispatched_before(self, least_s: float) -> dict[Stream, list[tuple[int, SentAttempt]]]:
        return {STREAM: [(0, SentAttempt(1, "1-1", STREAM, self.known_at))]}

    def take_back(self, tasks: list[int]) -> None:
        self.taken += tasks


def looks(
    moves: Moves, leader: FakeLeader, pool: FakeRunPool, count: int, pauses: Pauses = NO_PAUSES
) -> int:
    """Look so often, and return how often the attempt was asked for meanwhile."""
    before = len(leader.taken)
    for number in range(count):
        moves.look(leader, pool, pauses, 100.0 + number)  # type: ignore[arg-type]
    return len(leader.taken) - before


def test_an_attempt_is_asked_for_once_after_two_looks_without_a_reader() -> None:
    moves, leader = Moves(), FakeLeader()
    assert looks(moves, leader, FakeRunPool(), 1) == 0
    assert looks(moves, leader, FakeRunPool(), 5) == 1, "then a worker has it, or it is gone"


@pytest.mark.parametrize("pool", [FakeRunPool(serves_elsewhere=False), FakeRunPool(reads=True)])
def test_what_no_other_worker_serves_or_what_is_read_stays(pool: FakeRunPool) -> None:
    assert looks(Moves(), FakeLeader(), pool, 5) == 0


def test_an_attempt_moves_three_times_a_minute() -> None:
    moves, leader = Moves(), FakeLeader()
    for _ in range(6):
        looks(moves, leader, FakeRunPool(), 2)
        leader.known_at += 1.0  # it was sent again
    assert len(leader.taken) == 3


def test_a_pause_takes_back_however_often_and_asks_for_no_attempt_twice() -> None:
    moves, leader, pool = Moves(), FakeLeader(), FakeRunPool(reads=True)
    for _ in range(6):
        assert looks(moves, leader, pool, 3, PAUSED) == 1
        leader.known_at += 1.0


def test_what_a_reread_may_have_forgotten_is_asked_for_again() -> None:
    moves, leader = Moves(), FakeLeader()
    looks(moves, leader, FakeRunPool(), 2)
    leader.known_at = 2.0
    assert looks(moves, leader, FakeRunPool(), 1) == 1


def test_runs_that_are_over_are_forgotten() -> None:
    moves, leader = Moves(), FakeLeader()
    looks(moves, leader, FakeRunPool(), 2)
    moves.keep_only(set())
    assert looks(moves, leader, FakeRunPool(), 2) == 1
