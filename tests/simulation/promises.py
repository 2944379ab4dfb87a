"""Promises that are watched while a simulated installation lives; the others are audited after it.

What breaks one is added to the world's errors.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from unittest.mock import patch
from weakref import WeakKeyDictionary

from astrum.execution.attempt import current_attempt
from astrum.machine.events import Dispatch
from astrum.machine.task_state import READY
from astrum.planning.fingerprint import fits
from astrum.planning.plan import TaskSpec
from astrum.protocol.keys import Keys
from astrum.protocol.pauses import NO_PAUSES, Pauses, decode_pauses
from astrum.redis import Verdict
from astrum_coordinator.leading.dispatcher import Dispatcher
from astrum_coordinator.leading.leader import RunLeader
from astrum_coordinator.scheduling.pool_view import PoolLook
from tests.simulation.loop import current_process

if TYPE_CHECKING:
    from tests.simulation.world import World

TURN_S = 1.5
"""So long a run with ready tasks may be without an attempt in a stream that is read."""
HELD_AFTER_S = 4.0
"""After so long what was claimed before a pause has begun: leaders look for pauses every 2 s."""
SEEN_AFTER_S = 3.0
"""After so long every leader knows that a pause has ended."""
LOOK_EVERY_S = 0.5
KEYS = Keys()


class Promises:
    """Watches one installation."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._model = world.network.model
        self._delivered: set[tuple[str, str]] = set()
        self._seen: WeakKeyDictionary[RunLeader, Pauses] = WeakKeyDictionary()
        self._waits_since: dict[str, float] = {}
        self._held_until = 0.0

    def watch(self) -> None:
        """Watch what the server is asked to dispatch and to settle."""
        self._watch_settling()
        self._watch_bound()

    def _watch_settling(self) -> None:
        """Note whose results were recorded: such an attempt is not run there again."""
        settle = self._model.settle

        def watched(mode: str, who: str, run_id: str, stream: str, ends: Any) -> Any:
            verdicts = settle(mode, who, run_id, stream, ends)
            for end, verdict in zip(ends, verdicts or (), strict=verdicts is not None):
                if verdict is Verdict.SETTLED:
                    if mode == "w":
                        self._delivered.add((end.entry_id, who))
                    self._world.counts["taken back"] += mode == "u"
            return verdicts

        self._model.settle = watched  # type: ignore[method-assign, assignment]

    def _watch_bound(self) -> None:
        """See that no leader has more attempts outstanding than it may, in a stream and in all."""
        dispatch = self._model.dispatch

        def watched(run_id: str, epoch: int, stream: str, *rest: Any) -> Any:
            sent = dispatch(run_id, epoch, stream, *rest)
            run, limit = self._model.state.runs[run_id], self._world.outstanding_limit
            bound = self._world.flows[run_id].plan.concurrency_limit
            if run.outstanding > (bound or run.outstanding):
                self._complain(f"{run_id}: {run.outstanding} attempts are outstanding")
            if (count := run.outstanding_in(stream)) > limit:
                self._complain(f"{run_id}: {count} attempts are outstanding in {stream}")
            return sent

        self._model.dispatch = watched  # type: ignore[method-assign, assignment]

    def _complain(self, text: str) -> None:
        self._world.errors.append(text)

    # --- pauses -------------------------------------------------------------------------------

    @contextmanager
    def watching_leaders(self) -> Iterator[None]:
        """See that no leader that knows of a pause dispatches what it holds back."""
        on_pool, dispatch = RunLeader.on_pool, Dispatcher.dispatch

        def watched_pool(leader: RunLeader, look: PoolLook) -> None:
            self._seen[leader] = look.pauses
            on_pool(leader, look)

        def watched_dispatch(dispatcher: Dispatcher, command: Dispatch) -> None:
            leader: Any = dispatcher._listener
            spec = leader.state.tasks.spec(command.task)
            held = (leader.plan.namespace, spec.task_id, spec.queue)
            if why := self._seen[leader].holding(*held):
                self._complain(f"{leader.run_id}: {spec.task_id} is dispatched although {why}")
            dispatch(dispatcher, command)

        with (
            patch.object(RunLeader, "on_pool", watched_pool),
            patch.object(Dispatcher, "dispatch", watched_dispatch),
        ):
            yield

    @property
    def _pauses(self) -> Pauses:
        paused = self._model.state.paused
        if not paused:
            return NO_PAUSES
        return decode_pauses({name.encode(): data for name, data in paused.items()})

    # --- executions -----------------------------------------------------------------------------

    def entry(self) -> str:
        """Return the entry that dispatched the attempt that calls; it must not have ended there."""
        job = asyncio.current_task(self._world.loop)
        worker = self._world.workers[current_process()]
        held = worker.parts.attempts.running()
        entry_id = next(one.claim.entry_id for one in held if one.job is job)
        if (entry_id, worker.worker_id) in self._delivered:
            self._complain(f"{entry_id} was settled and is run again by the same worker")
        return entry_id

    def check(self, fingerprint: str) -> None:
        """See that an execution may begin now, with this version of its code."""
        context = current_attempt()
        run_id, task_id, namespace = context.run_id, context.task_id, context.namespace
        asked = self._world.asked.runs[run_id]
        spec = next(s for s in asked.flow.plan.tasks if s.task_id == task_id)
        if not fits(spec.fingerprint, fingerprint, asked.versions):
            self._complain(f"{run_id}: {task_id} runs as {fingerprint}, not {spec.fingerprint}")
        pause = self._pauses.holding(namespace, task_id, spec.queue)
        calm_from = self._world.settled_from
        if pause and calm_from < pause.at < self._world.loop.time() - HELD_AFTER_S:
            self._complain(f"{run_id}: {task_id} begins although {pause}")

    # --- turns ----------------------------------------------------------------------------------

    def look_at_turns(self) -> None:
        """See that every run that has something to do has its turn, in calm times."""
        world = self._world
        now, waiting = world.loop.time(), set()
        if self._model.state.paused:
            self._held_until = now + SEEN_AFTER_S
        for coordinator in world.coordinators.values():
            for leader in coordinator._parts.leaderships:
                run = self._model.state.runs.get(leader.run_id)
                if run is not None and run.epoch == leader.epoch and self._lacks_a_turn(leader):
                    waiting.add(leader.run_id)
        begun = self._waits_since if now > self._held_until else {}
        self._waits_since = {run_id: begun.get(run_id, now) for run_id in waiting}
        for run_id, since in self._waits_since.items():
            if now - since > TURN_S:
                self._complain(f"{run_id} had no turn for {TURN_S:g} s")
        world.later(LOOK_EVERY_S, self.look_at_turns)

    def _lacks_a_turn(self, leader: RunLeader) -> bool:
        state, run = leader.state, self._model.state.runs[leader.run_id]
        limit = leader.plan.concurrency_limit
        if state.stopping or (limit and run.outstanding >= limit):
            return False
        if not any(self._may_run(leader, state.tasks.spec(t)) for t in state.tasks_in(READY)):
            return False
        namespace = leader.plan.namespace
        read = {
            name
            for edition in self._world.live_editions()
            for flow in self._world.asked.editions[edition]
            if flow.plan.namespace == namespace
            for name in (flow.plan.offer, f"{flow.plan.offer}.{flow.plan.code}")
        }
        names = [fence.partition("/")[2] for fence in run.attempts.values() if ":" in fence]
        offers = {KEYS.stream_of(KEYS.stream_named(name)).offer for name in names}
        return not offers & read

    def _may_run(self, leader: RunLeader, spec: TaskSpec) -> bool:
        world = self._world
        editions = world.live_editions()
        return any(world.asked.runs_task(e, leader.run_id, spec.task_id) for e in editions)
