"""One worker: starts its parts, and stops them in the order that loses no result."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress

from astrum.errors import RunError, StoreError
from astrum.redis.patience import START_PATIENCE_S, patiently
from astrum.runtime.exit_codes import ExitCode
from astrum.runtime.loops import end_task, hide
from astrum_worker.claim_gate import Reason
from astrum_worker.config import WorkerConfig
from astrum_worker.parts import compose
from astrum_worker.running.catalog import Catalog
from astrum_worker.streams import cost_of_streams
from astrum_worker.supervisor_link import say_left, say_registers
from astrum_worker.upkeep.lease import Lease

logger = logging.getLogger("astrum.worker")


_CANCEL_S = 1.0
_LAST_FLUSH_S = 2.0
_LEAVE_S = 1.0


class Worker:
    """Serves a catalog until it is asked to stop.

    ``announce`` is called with a line for people once the worker is registered. ``lease_type``
    replaces the heartbeat where no thread may run.
    """

    def __init__(
        self,
        config: WorkerConfig,
        catalog: Catalog,
        announce: Callable[[str], None],
        *,
        lease_type: Callable[..., Lease] = Lease,
    ) -> None:
        self._config = config
        self._announce = announce
        self._stopping = asyncio.Event()
        self._exit_code = 0
        self._registered_at = 0.0
        self.is_serving = False
        """True from the first registration on, until the worker leaves."""
        self._unblocking: set[asyncio.Task[None]] = set()
        self.parts = parts = compose(config, catalog, stop=self.request_stop, lease_type=lease_type)
        self.worker_id = parts.context.worker_id
        self._store = parts.context.store
        self._attempts, self._settler = parts.attempts, parts.settler
        parts.context.gate.on_close(self._end_waiting_claims)

    @property
    def is_stopping(self) -> bool:
        """True from the first request to stop on."""
        return self._stopping.is_set()

    def request_stop(self, exit_code: int = 0) -> None:
        """Begin to drain; only the first request counts, but a failure is not forgotten."""
        if not self._stopping.is_set():
            self._exit_code = exit_code
            self._stopping.set()
        elif exit_code == ExitCode.FAILED:
            self._exit_code = self._exit_code or exit_code

    async def run(self) -> int:
        """Serve until a stop is requested; return the exit code.

        Raises `StoreError` kinds if the server cannot serve at the start.
        """
        try:
            if await self._connect():
                self._start()
                await self._stopping.wait()
                await self._shut_down()
        finally:
            await self.parts.blobs.close()
            await self._store.close()
        return self._exit_code

    # --- start --------------------------------------------------------------------------

    async def _connect(self) -> bool:
        """Wait for a server that can serve, and register; false if a stop was requested first."""
        patience_s = None if self._config.wait_for_store else START_PATIENCE_S
        waits = asyncio.create_task(patiently(self._enter, patience_s=patience_s, log=logger))
        stops = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait([waits, stops], return_when=asyncio.FIRST_COMPLETED)
            if not waits.done():
                return False
            self._registered_at = waits.result()
            return True
        finally:
            for task in (waits, stops):
                await end_task(task)

    async def _enter(self) -> float:
        """Check the server and register there; return when that began."""
        identity = await self._store.check()
        logger.debug("connected to %s", identity.version)
        began = time.monotonic()
        say_registers(self.worker_id)
        await self.parts.registration.register()
        return began

    def _start(self) -> None:
        parts = self.parts
        parts.detector.start()
        parts.lease.start(self._registered_at)
        parts.settler.start()
        for service in (*parts.followers, *parts.claiming):
            service.start()
        self.is_serving = True
        self._announce(parts.registration.start_line())
        if cost := cost_of_streams(len(parts.context.exclusive_streams())):
            logger.warning("%s", cost)

    def _end_waiting_claims(self) -> None:
        """Make a closed gate take effect at once."""
        task = asyncio.get_running_loop().create_task(self._unblock_store())
        hide(task)
        self._unblocking.add(task)
        task.add_done_callback(self._unblocking.discard)

    async def _unblock_store(self) -> None:
        with suppress(StoreError):
            await self._store.unblock()

    # --- end ----------------------------------------------------------------------------

    async def _shut_down(self) -> None:
        """Stop in the one order that loses nothing.

        Claiming stops first, so that nothing new comes; then what runs ends or is handed back;
        its ends are delivered, for as long as the grace lasts; then nothing needs the resources,
        and they are closed; the lease goes last, because without it others would settle as lost
        what is still being delivered.
        """
        deadline = time.monotonic() + self._config.grace_s
        self.parts.board.drain_until(deadline)
        self.parts.context.gate.close(Reason.DRAINING)
        await self._stop_claiming()
        await self._finish_attempts(deadline)
        await self._deliver(deadline)
        await self.parts.resources.close()
        for service in self.parts.followers:
            await service.stop()
        await self._settler.stop()
        self.parts.detector.stop()
        await self.parts.lease.stop()
        self.is_serving = False
        await self._leave()
        self.parts.invoker.close()

    async def _stop_claiming(self) -> None:
        # Wait for a claim that is under way. The server may have delivered attempts to it
        # already: if the claim is cancelled, no one runs them until they are found again.
        quiet = asyncio.gather(*(consumer.wait_quiet() for consumer in self.parts.consumers))
        with suppress(TimeoutError):
            await asyncio.wait_for(quiet, 2 * self._config.claim_wait_s)
        for service in self.parts.claiming:
            await service.stop()

    async def _finish_attempts(self, deadline: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(max(deadline - time.monotonic(), 0.0)):
                await self._attempts.wait_idle()
        if not self._attempts.running_count:
            return
        logger.warning(
            "%d attempts did not end within the grace of %g s; they are handed back",
            self._attempts.running_count,
            self._config.grace_s,
        )
        self._attempts.stop_all()
        with suppress(TimeoutError):
            async with asyncio.timeout(_CANCEL_S):
                await self._attempts.wait_idle()
        self._attempts.hand_back_all()

    async def _deliver(self, deadline: float) -> None:
        """Deliver all ends; wait at least `_LAST_FLUSH_S`, for what was handed back just now."""
        left_s = max(deadline - time.monotonic(), _LAST_FLUSH_S)
        with suppress(TimeoutError):
            async with asyncio.timeout(left_s):
                await self._settler.flushed()
        if self._settler.unsettled:
            self._exit_code = ExitCode.NOT_HANDED_OVER
            logger.error(
                "%d results could not be delivered within the grace of %g s, the server did not "
                "take them; their tasks run again on other workers. A longer --grace may help",
                self._settler.unsettled,
                self._config.grace_s,
            )

    async def _leave(self) -> None:
        with suppress(TimeoutError, StoreError, RunError):
            async with asyncio.timeout(_LEAVE_S):
                await self._store.leave()
                say_left()
