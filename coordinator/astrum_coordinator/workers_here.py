"""The workers on this host that were started for the runs led here."""

from __future__ import annotations

import socket
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection

from astrum.protocol.process_end import ProcessEnd
from astrum.protocol.records import WorkerInfo
from astrum_coordinator.parts import Parts


class WorkersHere(ABC):
    """What a coordinator does for a process that starts workers of its own."""

    @property
    @abstractmethod
    def _parts(self) -> Parts:
        """The parts of the open coordinator."""

    def expect_workers(self, pids: Callable[[], Collection[int]]) -> None:
        """Expect worker processes on this host that were started for the runs led here.

        ``pids`` returns the live ones. While none of them serves yet, no warning asks for more
        workers.
        """
        self._parts.pool.expect(pids)

    async def worker_pids(self) -> set[int]:
        """Return the process ids of the live workers on this host."""
        return {int(worker.details.get("pid", 0)) for worker in await self._workers_here()}

    async def worker_ended(self, pid: int, code: int) -> None:
        """Have the attempts of a worker process on this host settled, which ended with ``code``.

        Without this they are settled when the worker's lease ends. So they are if another worker
        says the same of itself: containers may have the same host name, and their processes the
        same ids.
        """
        found = [one for one in await self._workers_here() if one.details.get("pid") == str(pid)]
        if len(found) == 1:
            await self._parts.context.store.end_lease(found[0].worker_id, ProcessEnd(code))
            self._parts.reaper.hurry()

    async def _workers_here(self) -> list[WorkerInfo]:
        host = socket.gethostname()
        workers = await self._parts.context.store.workers()
        return [worker for worker in workers if worker.details.get("host") == host]
