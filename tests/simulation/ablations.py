"""Safeguards of the product that can be removed, to show that the simulation notices it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from astrum.execution.gathering import Gather
from astrum.machine.budgets import TaskBudgets
from astrum.machine.events import Command
from astrum.machine.places import Place
from astrum.machine.reopening import Reopening
from astrum.machine.state import RunState
from astrum.protocol.messages import Record
from astrum.protocol.pauses import Pauses
from astrum.redis import RunStore, ServerLossDetector, Settlement, WorkerStore
from astrum.redis.records import JournalEntry
from astrum_coordinator.leading import run_streams
from astrum_coordinator.leading.dispatcher import Dispatcher
from astrum_coordinator.leading.leader import RunLeader
from astrum_coordinator.leading.leadership_end import LeadershipEnd
from astrum_coordinator.leading.leaderships import Leaderships
from astrum_coordinator.pool.moves import Moves
from astrum_coordinator.pool.pool_monitor import PoolMonitor
from astrum_coordinator.pool.reaper import Reaper
from astrum_worker.claiming import claim_order
from astrum_worker.context import WorkerContext
from astrum_worker.running.attempts import Attempts
from astrum_worker.settling.settler import Settler
from astrum_worker.upkeep.hints import Hints
from astrum_worker.upkeep.lease import Lease
from astrum_worker.upkeep.reconciler import Reconciler
from tests.contract.model import Model, entry_of


async def _nothing_async(*_: Any, **__: Any) -> None:
    return None


def _nothing(*_: Any, **__: Any) -> None:
    return None


async def _none_outstanding(*_: Any) -> dict[int, Any]:
    return {}


def _never_another(self: ServerLossDetector, info: bytes) -> bool:
    return False


_end = RunLeader.end
_join = Gather.join
_note = Place.note
_start = RunState.start
_to_event = Record.to_event
_settle = WorkerStore.settle
_settle_one = Model._settle
_reopen = Model.reopen
_wait_again = Reopening._wait_again
_reopen_state = Reopening._reopen


def _end_unless_deposed(self: RunLeader, how: LeadershipEnd) -> None:
    if how is not LeadershipEnd.DEPOSED:
        _end(self, how)


async def _settle_never_finally(
    self: WorkerStore, run_id: str, stream: str, ends: list[Settlement]
) -> Any:
    return await _settle(self, run_id, stream, [e._replace(final=False) for e in ends])


def _settle_without_gate(
    self: Model, run: Any, who: str, stream: str, end: Settlement, records: Any
) -> Any:
    state = run.attempts.get(end.task, "") if run else ""
    attempt, separator, _ = state.partition(":")
    if separator:
        end = end._replace(attempt=int(attempt), entry_id=entry_of(state))
    return _settle_one(self, run, who, stream, end, records)


def _settle_under_any_entry(
    self: Model, run: Any, who: str, stream: str, end: Settlement, records: Any
) -> Any:
    state = run.attempts.get(end.task, "") if run else ""
    attempt, separator, _ = state.partition(":")
    if separator and int(attempt) == end.attempt:
        end = end._replace(entry_id=entry_of(state))
    return _settle_one(self, run, who, stream, end, records)


def _always_revoke(self: Dispatcher, revocation: Any) -> None:
    self._revocations.append(revocation)
    self._wake_up()


def _adopt_all(self: Attempts, lanes: Any, claims: Any) -> int:
    self._settled_while_audited = None
    for claim in claims:
        if claim.key not in self._held:
            self._take(lanes[claim.stream], claim)
    return 0


def _reopen_with_final_marks(
    self: Model, run_id: str, entry: bytes, state: str, final_tasks: Any
) -> bool:
    return _reopen(self, run_id, entry, state, ())


def _reopen_under_the_same_epoch(self: Model, run_id: str, *rest: Any) -> bool:
    run = self.state.runs.get(run_id)
    epoch = run.epoch if run else 0
    is_open = _reopen(self, run_id, *rest)
    if run and is_open:
        run.epoch = epoch
    return is_open


def _wait_again_with_old_needs(self: Reopening, task: int) -> None:
    needs_left = self._needs_left[task]
    _wait_again(self, task)
    self._needs_left[task] = needs_left


def _reopen_while_stopping(self: Reopening, event: Any) -> None:
    stopping = self._stopping
    _reopen_state(self, event)
    self._stopping = stopping


def _start_without_cleanup(self: RunState) -> list[Command]:
    if self.stopping:
        self._has_cleanup = False
    return _start(self)


def _read_producers_last(self: RunLeader, entries: Sequence[JournalEntry]) -> None:
    """Take in what was read at once in another order: the ends of lists come last."""
    items = [
        (item, entry.recorded_at)
        for entry in entries
        if self._led.advance(entry.entry_id)
        for item in self._items(entry)
    ]
    for item, recorded_at in sorted(items, key=lambda one: bool(getattr(one[0], "seen", ()))):
        self._take_in_item(item, recorded_at)


def _nothing_seen(self: Record, recorded_at: float) -> Any:
    event = _to_event(self, recorded_at)
    return event._replace(seen=(0,) * len(self.seen)) if self.seen else event


def _count_each_end(self: Place, state: int, because: int) -> None:
    _note(self, state, because)
    if self.left > 1:
        self.left -= 1


def _joined_backwards(self: Gather, items: Any) -> bytes:
    return _join(self, items[::-1])


def _whole_target(target: int, own: int, length: int, weight: int, others: int) -> int:
    return target


ABLATIONS: dict[str, list[tuple[Any, str, Any]]] = {
    "audit while reconciling": [(Attempts, "adopt", _adopt_all)],
    "bound of outstanding attempts": [(RunState, "_capacity", lambda self, stream: 10_000)],
    "entry id in the fence": [(Model, "_settle", _settle_under_any_entry)],
    "final mark": [(WorkerStore, "settle", _settle_never_finally)],
    "full replay": [(RunLeader, "_replay", _nothing_async)],
    "gate": [(Model, "_settle", _settle_without_gate)],
    "hints": [(Hints, "_obey", _nothing_async)],
    "knowing what was settled": [(Settler, "knows", lambda self, key: False)],
    "look at outstanding attempts": [(RunStore, "outstanding", _none_outstanding)],
    "loss watch": [(ServerLossDetector, "connected_to", _never_another)],
    "misled leader reads again": [(RunLeader, "on_mismatch", _nothing)],
    "no dispatch under suspicion": [(RunStore, "_refuse_under_suspicion", _nothing)],
    "moves": [(Moves, "look", _nothing)],
    "new budgets of a reopening": [(TaskBudgets, "renew", _nothing)],
    "new epoch of a reopening": [(Model, "reopen", _reopen_under_the_same_epoch)],
    "new needs of a reopening": [(Reopening, "_wait_again", _wait_again_with_old_needs)],
    "opened final marks": [(Model, "reopen", _reopen_with_final_marks)],
    "own claims": [(Reconciler, "reconcile", _nothing_async)],
    "pauses": [(Pauses, "holds", lambda *_: "")],
    "reading again after a loss": [(Leaderships, "resync", _nothing_async)],
    "reaping": [(Reaper, "pass_once", _nothing_async)],
    "registering again": [(Reconciler, "lapsed", _nothing)],
    "renewal": [(Leaderships, "renew", _nothing_async)],
    "settling again": [(Settler, "resettle", _nothing)],
    "reopening ends a stop": [(Reopening, "_reopen", _reopen_while_stopping)],
    "notice of rare streams": [(WorkerContext, "read_rare", _nothing_async)],
    "turn of ordinary attempts": [(claim_order, "ORDINARY_FIRST_EVERY", 1_000_000)],
    "weight of a run": [(run_streams, "weight_of", lambda rank: 1)],
    "share": [(run_streams, "capacity", _whole_target)],
    "still mine": [(Reconciler, "verify", _nothing_async)],
    "stepping down": [(RunLeader, "end", _end_unless_deposed)],
    "stepping down in time": [(Leaderships, "_step_down_if_late", _nothing)],
    "timeouts from above": [(PoolMonitor, "_look_for_hung", _nothing)],
    "trust in the lease": [(Lease, "judge", _nothing)],
    "withdrawing the unsent": [(Dispatcher, "revoke", _always_revoke)],
}
"""What is taken away, by the name of the safeguard."""
GROWING: dict[str, list[tuple[Any, str, Any]]] = {
    "children by the journal's order": [(RunLeader, "_read", _read_producers_last)],
    "children numbered again after a loss": [(Leaderships, "resync", _nothing_async)],
    "clean-up by the next leader": [(RunState, "start", _start_without_cleanup)],
    "gathers in order": [(Gather, "join", _joined_backwards)],
    "gathers wait for all": [(Place, "note", _count_each_end)],
    "lengths in the journal": [(Record, "to_event", _nothing_seen)],
}
"""The same for safeguards of growing runs."""
FIRST_MISSED = {
    "full replay": 0,
    "notice of rare streams": 0,
    "pauses": 0,
    "reopening ends a stop": 0,
    "gate": 2,
    "new needs of a reopening": 3,
    "opened final marks": 3,
    "own claims": 2,
    "reaping": 3,
    "loss watch": 6,
    "settling again": 6,
    "bound of outstanding attempts": 8,
    "look at outstanding attempts": 8,
    "audit while reconciling": 19,
    "moves": 28,
    "still mine": 111,
}
"""The first seed that breaks a promise without the safeguard."""
FIRST_MISSED_GROWING = {
    "lengths in the journal": 0,
    "children by the journal's order": 2,
    "gathers wait for all": 2,
    "gathers in order": 5,
    "clean-up by the next leader": 11,
    "children numbered again after a loss": 18,
}
"""The same for growing runs."""
TESTED_ALONE = {
    "entry id in the fence": (
        "contract/test_workers.py"
        "::test_an_attempt_dispatched_again_after_a_loss_fences_its_lost_message"
    ),
    "final mark": (
        "contract/test_runs.py::test_a_repeated_dispatch_adds_nothing_and_returns_the_true_states"
    ),
    "hints": (
        "integration/worker/test_attempts.py"
        "::test_a_hint_cancels_a_revoked_attempt_long_before_the_next_beat"
    ),
    "knowing what was settled": (
        "integration/worker/test_reconciler.py"
        "::test_an_entry_that_is_claimed_again_is_not_run_while_its_end_is_remembered"
    ),
    "misled leader reads again": (
        "integration/coordinator/test_doubt.py::test_a_leader_adopts_the_attempt_that_redis_holds"
    ),
    "new budgets of a reopening": (
        "unit/machine/test_reopening.py::test_budgets_are_new_after_a_reopening"
    ),
    "new epoch of a reopening": (
        "contract/test_operating.py"
        "::test_a_reopened_run_counts_attempts_on_and_refuses_its_last_leader"
    ),
    "no dispatch under suspicion": (
        "contract/test_failover.py::test_a_restart_is_noticed_before_an_old_command_is_sent"
    ),
    "reading again after a loss": (
        "integration/coordinator/test_adoption.py"
        "::test_a_run_that_cannot_be_read_again_does_not_keep_the_others_waiting"
    ),
    "registering again": (
        "integration/worker/test_lease.py"
        "::test_a_worker_that_the_server_lost_claims_nothing_before_it_registers_again"
    ),
    "renewal": (
        "integration/coordinator/test_adoption.py"
        "::test_the_leases_of_all_runs_are_renewed_by_one_command"
    ),
    "share": (
        "unit/scheduling/test_pace.py::test_runs_that_all_want_more_end_with_about_equal_shares"
    ),
    "stepping down": (
        "integration/coordinator/test_adoption.py"
        "::test_a_deposed_leader_that_still_tries_to_dispatch_stops_trying"
    ),
    "stepping down in time": (
        "integration/coordinator/test_doubt.py"
        "::test_a_leader_whose_lease_is_not_renewed_steps_down_before_it_is_over"
    ),
    "timeouts from above": (
        "integration/coordinator/test_blocked_workers.py"
        "::test_a_timed_out_attempt_that_blocked_its_worker_says_where"
    ),
    "trust in the lease": (
        "integration/worker/test_lease.py"
        "::test_a_worker_without_a_heartbeat_distrusts_its_lease_before_the_server_would"
    ),
    "turn of ordinary attempts": (
        "integration/resilience/test_priorities.py"
        "::test_ordinary_attempts_have_their_turn_beside_urgent_ones_without_end"
    ),
    "weight of a run": (
        "integration/resilience/test_priorities.py"
        "::test_runs_below_zero_have_smaller_shares_of_a_stream"
    ),
    "withdrawing the unsent": (
        "integration/coordinator/test_orders.py::test_a_cancelled_run_withdraws_what_was_never_sent"
    ),
}
"""Tests that miss what hundreds of seeds do not: behind these there are other safeguards, or
without them all only takes longer."""


@contextmanager
def without_safeguard(name: str | None) -> Iterator[None]:
    """Remove a safeguard inside the context."""
    places = {**ABLATIONS, **GROWING}[name] if name else []
    patches = [patch.object(*place) for place in places]
    for one in patches:
        one.start()
    try:
        yield
    finally:
        for one in patches:
            one.stop()
