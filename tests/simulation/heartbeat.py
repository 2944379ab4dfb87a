"""A worker's heartbeat without its thread, which the seed could not control."""

from __future__ import annotations

import asyncio

from astrum.errors import StoreUnavailableError
from astrum_worker.upkeep.lease import Lease
from tests.simulation.loop import current_process
from tests.simulation.server import Network


class LoopLease(Lease):
    """The heartbeat as a loop, over a line of its own to the server."""

    def begin(self) -> None:
        """Beat in the event loop."""
        self._beating = asyncio.get_running_loop().create_task(self._beat())

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._config.status_every_s)
            self.pass_once()

    async def stop(self) -> None:
        """End the loop."""
        self._beating.cancel()


class Line:
    """A worker's heartbeat connection: it answers at once, or not at all."""

    def __init__(self, network: Network) -> None:
        self.network = network

    def drain_request(self, worker_id: str) -> None:
        """Do as `LeaseClient.drain_request`; no operator asks for anything here."""

    def beat(self, worker_id: str, lease_s: float, status: bytes = b"") -> bool:
        """Do as `LeaseClient.beat`."""
        self._meet_fault()
        was_live = self.network.model.beat(worker_id, int(lease_s * 1000), status)
        if self.network.rng.random() < self.network.weather.reset:
            raise StoreUnavailableError("simulated: the reply is lost")
        return was_live

    def set_status(self, worker_id: str, status: bytes) -> bool:
        """Do as `LeaseClient.set_status`."""
        self._meet_fault()
        return self.network.model.set_status(worker_id, status)

    def _meet_fault(self) -> None:
        if self.network.is_down or current_process() in self.network.cut_off:
            raise StoreUnavailableError("simulated: no way to the server")
