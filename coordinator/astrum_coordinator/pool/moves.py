"""Takes back unclaimed attempts from streams without a reader, so that they go elsewhere."""

from __future__ import annotations

import logging

from astrum.protocol.pauses import Pauses
from astrum.protocol.streams import Stream
from astrum_coordinator.leading.dispatch_calls import SentAttempt
from astrum_coordinator.leading.leader import RunLeader
from astrum_coordinator.scheduling.run_pool import RunPool

logger = logging.getLogger("astrum.coordinator")

_LOOKS = 2
"""A stream counts as left after so many looks without a reader: a worker may only be slow."""
_MOVES = 3
_MOVES_IN_S = 60.0
Key = tuple[str, int]
"""Run id and task number."""


class Moves:
    """Moves attempts out of streams that have lost their last reader, and out of paused ones.

    An attempt moves only if another stream has workers that would run it; else it stays, and a
    worker that comes back reads it. A worker may claim it meanwhile: the server takes back only
    what is not claimed. An attempt moves three times a minute at most; a pause takes it back
    however often that was.
    """

    def __init__(self) -> None:
        self._unread: dict[tuple[str, Stream], int] = {}
        self._moved: dict[Key, tuple[float, ...]] = {}
        self._asked: dict[Key, float] = {}

    def look(self, leader: RunLeader, run_pool: RunPool, pauses: Pauses, now: float) -> None:
        """Take back what has to move of one run, at a monotonic time."""
        for stream, sent in leader.dispatched_before(0.0).items():
            is_left = self._is_left(leader.run_id, stream, run_pool)
            if not (is_left or pauses):
                continue
            elsewhere = run_pool if is_left else None
            tasks = [
                task
                for task, attempt in sent
                if self._is_due(leader, task, attempt, elsewhere, pauses, now)
            ]
            if tasks:
                logger.info(
                    "run %s: %d attempts in queue %r are taken back, if no worker has claimed them",
                    *(leader.run_id, len(tasks), stream.queue),
                )
                leader.take_back(tasks)

    def _is_due(
        self,
        leader: RunLeader,
        task: int,
        attempt: SentAttempt,
        elsewhere: RunPool | None,
        pauses: Pauses,
        now: float,
    ) -> bool:
        """Return whether to take an attempt back: it is paused, or is served elsewhere only.

        Once asked the server has taken it back, or a worker has it for good. After the run was
        read again, when the order may have been forgotten, it has another `known_at`.
        """
        key, spec = (leader.run_id, task), leader.state.tasks.spec(task)
        if self._asked.get(key) == attempt.known_at:
            return False
        is_paused = pauses.holding(leader.plan.namespace, spec.task_id, spec.queue) is not None
        moves = elsewhere is not None and elsewhere.serves(spec)
        if not is_paused and not (moves and self._may_move(key, now)):
            return False
        self._asked[key] = attempt.known_at
        return True

    def keep_only(self, run_ids: set[str]) -> None:
        """Forget all runs but these."""
        self._unread = {key: looks for key, looks in self._unread.items() if key[0] in run_ids}
        self._moved = {key: times for key, times in self._moved.items() if key[0] in run_ids}
        self._asked = {key: at for key, at in self._asked.items() if key[0] in run_ids}

    def _is_left(self, run_id: str, stream: Stream, run_pool: RunPool) -> bool:
        key = (run_id, stream)
        if run_pool.readers_of(stream) is not None:
            self._unread.pop(key, None)
            return False
        self._unread[key] = self._unread.get(key, 0) + 1
        return self._unread[key] >= _LOOKS

    def _may_move(self, key: Key, now: float) -> bool:
        times = [moved_at for moved_at in self._moved.get(key, ()) if moved_at > now - _MOVES_IN_S]
        if len(times) >= _MOVES:
            return False
        self._moved[key] = (*times, now)
        return True
