"""Takes back unclaimed attempts from streams without a reader, so that they go elsewhere."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable, Iterator

from astrum.protocol.pauses import Pauses
from astrum.protocol.streams import Stream
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
    what is not claimed. An attempt moves three times a minute at most.
    """

    def __init__(self) -> None:
        self._unread: dict[tuple[str, Stream], int] = {}
        self._moved: dict[Key, deque[float]] = {}

    def look(self, leader: RunLeader, run_pool: RunPool, pauses: Pauses, now: float) -> None:
        """Take back what has to move of one run, at a monotonic time."""
        for stream, sent in leader.dispatched_before(0.0).items():
            wanted = self._to_take_back(
                leader, stream, [task for task, _ in sent], run_pool, pauses
            )
            tasks = [task for task in wanted if self._may_move((leader.run_id, task), now)]
            if tasks:
                logger.info(
                    "run %s: %d attempts are taken back from %s, if no worker has claimed them",
                    *(leader.run_id, len(tasks), stream),
                )
                leader.take_back(tasks)

    def keep_only(self, run_ids: set[str]) -> None:
        """Forget all runs but these."""
        self._unread = {key: looks for key, looks in self._unread.items() if key[0] in run_ids}
        self._moved = {key: times for key, times in self._moved.items() if key[0] in run_ids}

    def _is_left(self, run_id: str, stream: Stream, run_pool: RunPool) -> bool:
        key = (run_id, stream)
        if run_pool.readers_of(stream) is not None:
            self._unread.pop(key, None)
            return False
        self._unread[key] = self._unread.get(key, 0) + 1
        return self._unread[key] >= _LOOKS

    def _to_take_back(
        self,
        leader: RunLeader,
        stream: Stream,
        tasks: Iterable[int],
        run_pool: RunPool,
        pauses: Pauses,
    ) -> Iterator[int]:
        is_left = self._is_left(leader.run_id, stream, run_pool)
        if not (is_left or pauses):
            return
        spec_of, namespace = leader.state.tasks.spec, leader.plan.namespace
        for task in tasks:
            spec = spec_of(task)
            offers = {readers.stream.offer for readers in run_pool.readers(spec)} if is_left else ()
            if offers or pauses.holds(namespace, spec.task_id, spec.queue):
                yield task

    def _may_move(self, key: Key, now: float) -> bool:
        times = self._moved.setdefault(key, deque(maxlen=_MOVES))
        if len(times) == _MOVES and times[0] > now - _MOVES_IN_S:
            return False
        times.append(now)
        return True
