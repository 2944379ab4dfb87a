"""One worker process: its parts put together, its start, and its end in the right order."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import secrets
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from importlib.metadata import PackageNotFoundError, version

from astrum.errors import RunError, StoreError, StoreUnavailableError
from astrum.invoke import Invoker
from astrum.loops import Backoff
from astrum.redis import LeaseClient, WorkerStore
from astrum.wire.sealing import Seal
from astrum_worker.attempts import Attempts
from astrum_worker.blobs import BlobCache
from astrum_worker.catalog import Catalog
from astrum_worker.config import WorkerConfig
from astrum_worker.consumer import Consumer, ReaderWatch
from astrum_worker.counters import Counters
from astrum_worker.custody import Custody
from astrum_worker.gate import Gate, Reason
from astrum_worker.held import Held
from astrum_worker.hung_threads import HungThreads
from astrum_worker.intake import Intake
from astrum_worker.lease import Lease
from astrum_worker.loop_watch import LoopWatch
from astrum_worker.reporter import Reporter
from astrum_worker.revocations import Revocations
from astrum_worker.service import Service
from astrum_worker.slots import Slots
from astrum_worker.solitude import LANE as ALONE
from astrum_worker.solitude import Solitude
from astrum_worker.status import StatusBoard

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
        self.worker_id = new_worker_id()
        self._config = config
        self._catalog = catalog
        self._announce = announce
        self._lease_type = lease_type
        self._stopping = asyncio.Event()
        self._exit_code = 0
        self._unblocking: set[asyncio.Task[None]] = set()
        self._compose()

    def request_stop(self, exit_code: int = 0) -> None:
        """Begin to drain; only the first request counts."""
        if not self._stopping.is_set():
            self._exit_code = exit_code
            self._stopping.set()

    async def run(self) -> int:
        """Serve until a stop is requested; return the exit code.

        Raises `StoreError` kinds if the server cannot serve at the start.
        """
        try:
            if await self._connect():
                await self._start()
                await self._stopping.wait()
                await self._shut_down()
        finally:
            await self._blobs.close()
            await self._store.close()
        return self._exit_code

    # --- composition --------------------------------------------------------------------

    def _compose(self) -> None:
        config, worker_id = self._config, self.worker_id
        self._store = store = WorkerStore(config.redis)
        self._gate = gate = Gate(self._stop_taking, look=lambda: self._lease.judge())
        self._slots = {
            "async": Slots(config.concurrency),
            "thread": Slots(config.threads, feeds_threads=True),
        }
        self._invoker = Invoker(config.threads, name="astrum-task")
        self._blobs = BlobCache(store.get_blob, config.blob_cache_bytes)
        counters = Counters()
        self._reporter = Reporter(
            store, worker_id, config, gate, counters, recovered=lambda: self._custody.doubt()
        )
        self._seal = seal = Seal(config.redis.signing_keys)
        self._attempts = Attempts(
            worker_id,
            config,
            Intake(self._catalog, seal),
            self._invoker,
            self._blobs,
            self._reporter,
            counters,
            self._slots,
            seal,
            store.still_mine,
            may_wait=lambda: gate.is_open,
        )
        self._custody = Custody(
            store, worker_id, config, gate, self._attempts, self._reporter, self._register
        )
        self._watch = LoopWatch(self._find, config.blocked_after_s)
        self._board = StatusBoard(
            self._attempts, self._reporter, counters, self._slots, gate, self._watch
        )
        self._consumers = [self._consumer(lane) for lane in self._slots]
        self._lease = self._new_lease()
        self._services = self._claiming_services()
        self._followers: list[Service] = [
            self._custody,
            Revocations(store, self._attempts, seal),
            HungThreads(self._invoker.pool, config, self.request_stop),
        ]

    def _claiming_services(self) -> list[Service]:
        solitude = Solitude(
            self._store,
            self.worker_id,
            self._config,
            self._gate,
            self._consumers,
            self._attempts,
            self._reporter,
            accept=partial(self._attempts.accept, ALONE),
        )
        every_s = self._config.claim_wait_s / 2
        watch = ReaderWatch(self._consumers, every_s, restarted=self._custody.doubt)
        return [watch, solitude, *self._consumers]

    def _consumer(self, lane: str) -> Consumer:
        return Consumer(
            lane,
            self._store,
            self.worker_id,
            self._config,
            self._gate,
            self._slots[lane],
            accept=partial(self._attempts.accept, lane),
            recovered=self._custody.doubt,
        )

    def _new_lease(self) -> Lease:
        return self._lease_type(
            self.worker_id,
            LeaseClient(self._config.redis, timeout_s=min(2.0, self._config.lease_s / 5)),
            self._config,
            status=self._board.snapshot,
            version=self._board.version,
            lapsed=self._custody.lapsed,
            distrusted=partial(self._gate.close, Reason.NO_LEASE),
            trusted=partial(self._gate.open, Reason.NO_LEASE),
        )

    def _find(self, job: asyncio.Task[object] | None) -> Held | None:
        if job is None:
            return None
        return next((held for held in self._attempts.running() if held.job is job), None)

    # --- start --------------------------------------------------------------------------

    async def _connect(self) -> bool:
        """Wait for the server if that was asked for; false if a stop was requested first."""
        backoff = Backoff()
        while not self._stopping.is_set():
            try:
                identity = await self._store.check()
            except StoreUnavailableError as error:
                if not self._config.wait_for_store:
                    raise
                if not backoff.failures:
                    logger.warning("%s; it is tried again until it works", error)
                await self._pause(backoff)
            else:
                logger.debug("connected to %s", identity.version)
                return True
        return False

    async def _pause(self, backoff: Backoff) -> None:
        waits = asyncio.create_task(backoff.wait())
        stops = asyncio.create_task(self._stopping.wait())
        await asyncio.wait([waits, stops], return_when=asyncio.FIRST_COMPLETED)
        for task in (waits, stops):
            task.cancel()

    async def _start(self) -> None:
        registered_at = time.monotonic()
        await self._register()
        self._watch.start()
        self._lease.start(registered_at)
        self._reporter.start()
        for service in (*self._followers, *self._services):
            service.start()
        self._announce(self._start_line())

    async def _register(self) -> None:
        config = self._config
        facts = {
            "host": socket.gethostname(),
            "pid": str(os.getpid()),
            "version": _version(),
            "queues": ",".join(config.queues),
            "serves": self._catalog.summary,
            "slots": f"{config.concurrency} async, {config.threads} threads",
        }
        await self._store.register(
            self.worker_id, facts, self._catalog.advertisement(), config.lease_s
        )

    def _start_line(self) -> str:
        config = self._config
        return (
            f"astrum-worker {self.worker_id} serves {len(self._catalog)} tasks of "
            f"{self._catalog.summary}; {config.concurrency} async slots, {config.threads} threads; "
            f"queues {', '.join(config.queues)}; {config.redis.masked_url}"
        )

    def _stop_taking(self) -> None:
        """Make a closed gate take effect at once: end claims that wait, begin nothing more."""
        self._attempts.send_away_waiting()
        task = asyncio.get_running_loop().create_task(self._unblock_store())
        self._unblocking.add(task)
        task.add_done_callback(self._unblocking.discard)

    async def _unblock_store(self) -> None:
        with suppress(StoreError):
            await self._store.unblock()

    # --- end ----------------------------------------------------------------------------

    async def _shut_down(self) -> None:
        """Stop in the one order that loses nothing.

        Claiming stops first, so that nothing new comes; then what runs ends or is handed back;
        its ends are delivered; the lease goes last, because without it others would settle as
        lost what is still being delivered.
        """
        deadline = time.monotonic() + self._config.grace_s
        self._gate.close(Reason.DRAINING)
        await self._stop_claiming()
        await self._finish_attempts(deadline)
        await self._deliver()
        for service in self._followers:
            await service.stop()
        await self._reporter.stop()
        self._watch.stop()
        await self._lease.stop()
        await self._leave()
        self._invoker.close()

    async def _stop_claiming(self) -> None:
        # A claim that is under way is let end: cancelling it might orphan what it was given.
        quiet = asyncio.gather(*(consumer.wait_quiet() for consumer in self._consumers))
        with suppress(TimeoutError):
            await asyncio.wait_for(quiet, 2 * self._config.claim_wait_s)
        for service in self._services:
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

    async def _deliver(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_FLUSH_S):
                await self._reporter.flushed()
        if self._reporter.unsettled:
            logger.error(
                "%d results could not be delivered, the server is not reachable; their tasks run "
                "again on other workers",
                self._reporter.unsettled,
            )

    async def _leave(self) -> None:
        with suppress(TimeoutError, StoreError, RunError):
            async with asyncio.timeout(_LEAVE_S):
                await self._store.leave(self.worker_id)


def new_worker_id() -> str:
    """Return an id that no worker ever had: host, process and a random part.

    It goes into the fence of attempts, whose marks ``: = !`` it must not hold.
    """
    host = re.sub(r"[^\w.-]", "-", socket.gethostname())[:64]
    return f"{host}.{os.getpid()}.{secrets.token_hex(4)}"


def _version() -> str:
    try:
        return version("astrum-pool")
    except PackageNotFoundError:
        return ""
