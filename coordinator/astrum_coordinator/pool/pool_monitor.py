"""Detects what the journal cannot show: unserved tasks, overdue attempts, lost queue entries.

It compares led runs with the status of the live workers, and tells each run of changes in the pool.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from astrum.machine.attempt_log import UNCHARGED
from astrum.machine.events import Outcome, TaskFoundUnserved, WorkerReturned
from astrum.machine.failure import TIMED_OUT, VANISHED, Failure
from astrum.machine.state import RunState
from astrum.machine.task_state import BACKING_OFF, OUTSTANDING
from astrum.protocol.records import WorkerInfo
from astrum.runtime.service import PeriodicService
from astrum_coordinator.context import CoordinatorContext
from astrum_coordinator.leading.dispatch_calls import Revocation
from astrum_coordinator.leading.leader import RunLeader
from astrum_coordinator.leading.leaderships import Leaderships
from astrum_coordinator.pool.moves import Moves
from astrum_coordinator.scheduling.live_workers import LivePool
from astrum_coordinator.scheduling.pool_view import PoolView
from astrum_coordinator.scheduling.run_pool import RunPool

logger = logging.getLogger("astrum.coordinator")

_TASKS_NAMED = 5
"""The most unserved tasks of a run that are named in the log per pass."""

Key = tuple[str, int]
"""Run id and task number."""


class _Unserved(NamedTuple):
    since: float
    is_noted: bool


class PoolMonitor(PeriodicService):
    """Compares led runs with live workers every few seconds."""

    name = "watch"

    def __init__(
        self, context: CoordinatorContext, leaderships: Leaderships, pool: PoolView
    ) -> None:
        super().__init__(context.config.watch_every_s)
        self._store = context.store
        self._config = context.config
        self._leaderships = leaderships
        self._pool = pool
        self._moves = Moves()
        self._unserved: dict[Key, _Unserved] = {}
        self._vanished_due = time.monotonic() + context.config.vanished_after_s
        self._is_start_noted = False

    @property
    def unserved_count(self) -> int:
        """The number of tasks that no live worker served at the last look."""
        return len(self._unserved)

    async def pass_once(self) -> None:
        """Compare all led runs with the live workers once."""
        if not len(self._leaderships):
            self._unserved.clear()
            return
        look = await self._pool.look()
        found: dict[Key, _Unserved] = {}
        for leader in self._leaderships:
            self._look_for_returned(leader, look.workers)
            self._look_for_hung(leader, look.live)
            if not leader.state.stopping:
                run_pool = leader.run_pool(look)
                found |= self._look_for_unserved(leader, run_pool, look.live)
                leader.on_pool(look)
                self._moves.look(leader, run_pool, look.pauses, time.monotonic())
        self._unserved = found  # tasks that are served again, settled or over are forgotten
        self._moves.keep_only({leader.run_id for leader in self._leaderships})
        await self._look_for_vanished(look.live)

    # --- tasks that no worker serves ----------------------------------------------------

    def _look_for_unserved(
        self, leader: RunLeader, pool: RunPool, live: LivePool
    ) -> dict[Key, _Unserved]:
        spec = leader.state.tasks.spec
        now = time.monotonic()
        runs = _running(leader, live)
        found = {
            (leader.run_id, task): self._unserved.get((leader.run_id, task), _Unserved(now, False))
            for task in _on_offer(leader.state)
            if not pool.serves(spec(task)) and (task, leader.state.attempts[task]) not in runs
        }
        limit_s = self._limit_s(leader)
        leader.note_unserved(
            _summary(leader, pool, sorted(task for _, task in found)),
            None if limit_s is None else _until(leader, found.values(), now - limit_s),
        )
        due = self._not_noted(found, now - self._config.unserved_notice_s)
        if live.is_starting:
            self._note_start(leader, due)
        else:
            self._note(leader, pool, found, due)
        if limit_s is not None:
            self._fail_first(leader, pool, found, now - limit_s)
        return found

    def _not_noted(self, found: Mapping[Key, _Unserved], before: float) -> list[Key]:
        return [key for key, one in found.items() if one.since <= before and not one.is_noted]

    def _note(
        self, leader: RunLeader, pool: RunPool, found: dict[Key, _Unserved], due: Sequence[Key]
    ) -> None:
        """Warn once of each task that no worker has served for some seconds."""
        for key in due:
            found[key] = found[key]._replace(is_noted=True)
        for _, task in due[:_TASKS_NAMED]:
            why = pool.why_not(leader.state.tasks.spec(task))
            logger.warning("run %s: %s; %s", leader.run_id, why, self._what_next(leader))
        if len(due) > _TASKS_NAMED:
            more = len(due) - _TASKS_NAMED
            logger.warning("run %s: no worker serves %d more of its tasks", leader.run_id, more)

    def _note_start(self, leader: RunLeader, due: Sequence[Key]) -> None:
        """Log once that the tasks wait for workers that are starting."""
        if due and not self._is_start_noted:
            self._is_start_noted = True
            logger.warning("run %s waits: its local workers are still starting", leader.run_id)

    def _limit_s(self, leader: RunLeader) -> float | None:
        return leader.info.unserved_limit_s(self._config.unserved_limit_s)

    def _what_next(self, leader: RunLeader) -> str:
        limit_s = self._limit_s(leader)
        if limit_s is None:
            return "it waits until a worker does"
        return f"the run fails unless a worker does within {limit_s:g} s"

    def _fail_first(
        self, leader: RunLeader, pool: RunPool, found: dict[Key, _Unserved], before: float
    ) -> None:
        for (_, task), one in found.items():
            if one.since <= before:
                why = pool.why_not(leader.state.tasks.spec(task))
                waited_s = time.monotonic() - one.since
                text = f"{why}; waited {waited_s:.0f} s"
                leader.journal(TaskFoundUnserved(task, leader.server_now(), text))
                return

    # --- attempts whose worker does not end them ----------------------------------------

    def _look_for_hung(self, leader: RunLeader, pool: LivePool) -> None:
        for task, attempt, age_s, blocked, held_up in pool.running(leader.run_id):
            if not _is_out(leader.state, task, attempt):
                continue
            limit_s = leader.state.tasks.spec(task).timeout_s
            if limit_s is not None and age_s > limit_s + self._config.timeout_grace_s:
                text = f"the attempt took longer than its {limit_s:g} s{held_up and '; '}{held_up}"
                failure = Failure((TIMED_OUT, "builtins.TimeoutError", "builtins.Exception"), text)
                leader.revoke(Revocation(task, attempt, Outcome.TIMED_OUT, failure, blocked))

    # --- attempts whose message is gone -------------------------------------------------

    async def _look_for_vanished(self, pool: LivePool) -> None:
        if time.monotonic() < self._vanished_due:
            return
        self._vanished_due = time.monotonic() + self._config.vanished_after_s
        for leader in self._leaderships:
            await self._send_again(leader, pool)

    async def _send_again(self, leader: RunLeader, pool: LivePool) -> None:
        """Send attempts again whose message was set aside or lost: no worker will end them."""
        running = _running(leader, pool)
        for stream, sent in leader.dispatched_before(self._config.vanished_after_s).items():
            waiting = {t: e for t, e in sent if (t, e.attempt) not in running}
            attempts = [(task, e.attempt, e.entry_id) for task, e in waiting.items()]
            for task in await self._store.vanished(leader.run_id, stream, attempts):
                why = f"its message is no longer in the queue {stream.queue!r}"
                name = leader.state.tasks.name(task)
                logger.warning("run %s: task %r: %s; it is sent again", leader.run_id, name, why)
                failure = Failure((VANISHED,), why)
                attempt = waiting[task].attempt
                leader.revoke(Revocation(task, attempt, Outcome.HANDED_BACK, failure))

    # --- workers that were declared dead ------------------------------------------------

    def _look_for_returned(self, leader: RunLeader, workers: Sequence[WorkerInfo]) -> None:
        for worker in workers if leader.state.lost_workers else ():
            if worker.worker_id in leader.state.lost_workers:
                leader.journal(WorkerReturned(worker.worker_id, leader.server_now()))


def _until(leader: RunLeader, found: Iterable[_Unserved], before: float) -> float | None:
    """Return the server's time at which the first of the tasks ends its run, `None` without any."""
    left_s = min((one.since - before for one in found), default=None)
    return None if left_s is None else leader.server_now() + max(left_s, 0.0)


def _summary(leader: RunLeader, pool: RunPool, unserved: Sequence[int]) -> str:
    if not unserved:
        return ""
    why = pool.why_not(leader.state.tasks.spec(unserved[0]))
    more = len(unserved) - 1
    return f"{why} (and {more:,} more like it)" if more else why


def _running(leader: RunLeader, live: LivePool) -> set[tuple[int, int]]:
    """Return (task, attempt) that workers report to run; one that drains may run it for long."""
    return {(one.task, one.attempt) for one in live.running(leader.run_id)}


def _on_offer(state: RunState) -> Iterator[int]:
    """Yield the tasks that a worker holds or could take, and that are not paused.

    Those are outstanding, or back off after an attempt that is not counted: a worker that does
    not serve a task hands it back, so such a task is rarely outstanding.
    """
    for task, _ in state.outstanding():
        if state.has_stream(task):
            yield task
    retried = state.attempt_log.retried
    for task in state.tasks_in(BACKING_OFF):
        if retried.get((task, state.attempts[task])) == UNCHARGED and state.has_stream(task):
            yield task


def _is_out(state: RunState, task: int, attempt: int) -> bool:
    is_known = 0 <= task < len(state.states)
    return is_known and state.states[task] == OUTSTANDING and state.attempts[task] == attempt
