"""Renews the worker's lease from its own thread, so that a busy event loop does not lose it.

The same thread writes the worker's status and watches the event loop.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Protocol

from astrum.errors import StoreError
from astrum.protocol.drains import DrainRequest
from astrum.protocol.process_end import ProcessEnd
from astrum.protocol.records import pid_of
from astrum.redis import LeaseClient
from astrum_worker.config import WorkerConfig
from astrum_worker.supervisor_link import say_left

logger = logging.getLogger("astrum.worker")

STILL_S = 3.0
"""A thread that wakes up later than this was kept from running."""
_RETRY_S = 1.0
_JOIN_S = 5.0
_LAST_JOIN_S = 3.0


def note_stand_still(late_s: float) -> None:
    """Say that this process stood still, if its thread woke up so late that nothing else can be."""
    if late_s > STILL_S:
        logger.warning(
            "this process stood still for %.0f s: it was stopped, its machine was, or a task held "
            "the interpreter; the server is not to blame",
            late_s,
        )


class StatusSource(Protocol):
    """The status of the worker; called in the heartbeat thread."""

    def snapshot(self) -> bytes:
        """Return the status to write."""

    def version(self) -> object:
        """Return a value that changes when the status does."""


class LeaseListener(Protocol):
    """Acts on changes of the lease; called on the event loop."""

    def lapsed(self) -> None:
        """The server says that the lease had expired."""

    def distrusted(self) -> None:
        """The lease may not hold any more."""

    def trusted(self) -> None:
        """The lease holds again."""


class Lease:
    """Sends heartbeats; `is_trusted` turns false before the lease expires at the server.

    `judge` checks that at once, without waiting for the thread.
    """

    def __init__(
        self,
        worker_id: str,
        client: LeaseClient,
        config: WorkerConfig,
        status: StatusSource,
        listener: LeaseListener,
    ) -> None:
        self._worker_id = worker_id
        self._client = client
        self._config = config
        self._status = status
        self._listener = listener
        self._on_drain: Callable[[DrainRequest], None] | None = None
        self._written: object = None
        self._good_at = 0.0
        self._beat_due = 0.0
        self._was_trusted = True
        self._failed = False
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._turned_at = 0.0
        self._on_turn: list[Callable[[], object]] = []
        self._loop: asyncio.AbstractEventLoop | None = None

    def on_drain(self, call: Callable[[DrainRequest], None]) -> None:
        """Call ``call`` on the event loop while the server has a request to drain."""
        self._on_drain = call

    def on_turn(self, call: Callable[[], object]) -> None:
        """Call ``call`` in the thread before each of its passes."""
        self._on_turn.append(call)

    @property
    def is_trusted(self) -> bool:
        """True while the lease is valid by this process's own clock."""
        return self.margin_s > 0

    @property
    def margin_s(self) -> float:
        """The seconds for which the lease is still trusted without another heartbeat."""
        return self._config.trust_s - (time.monotonic() - self._good_at)

    @property
    def still_s(self) -> float:
        """The seconds since the thread began its last pass, 0 while there is no thread."""
        return 0.0 if self._thread is None else time.monotonic() - self._turned_at

    def start(self, registered_at: float) -> None:
        """Begin; ``registered_at`` is the monotonic time at which the registration was sent."""
        self._loop = asyncio.get_running_loop()
        self._good_at = registered_at
        self._beat_due = registered_at + self._config.beat_every_s
        self.begin()

    def begin(self) -> None:
        """Start the thread that calls `pass_once` repeatedly."""
        self._turned_at = time.monotonic()
        self._thread = threading.Thread(target=self._work, name="astrum-lease", daemon=True)
        self._thread.start()

    async def stop(self) -> None:
        """End the thread; the lease itself ends when the worker leaves, or by itself."""
        self._stopping.set()
        thread, self._thread = self._thread, None
        if thread is not None:
            await asyncio.to_thread(thread.join, _JOIN_S)
            self._client.close()

    def end(self, code: int) -> None:
        """End the thread and the lease: this process is about to end with ``code``, in disorder.

        It blocks, for some seconds if the server does not answer; then the lease ends by itself.
        """
        self._stopping.set()
        thread, self._thread = self._thread, None
        if thread is None or pid_of(self._worker_id) != os.getpid():
            return  # there is no lease yet or any more, or this is the child of a fork
        thread.join(_LAST_JOIN_S)
        if thread.is_alive():
            return  # it uses the client, and may renew the lease yet
        with suppress(OSError):
            self._client.close()  # a task may have closed its descriptor
        with suppress(StoreError):
            self._client.end_lease(self._worker_id, ProcessEnd(code))
            say_left()

    def pass_once(self) -> None:
        """Send a heartbeat if it is time, write a changed status, have the lease judged."""
        try:
            self._beat_if_due()
            self._write_status()
            self._failed = False
        except StoreError as error:
            level = logging.DEBUG if self._failed else logging.WARNING
            logger.log(level, "the heartbeat failed: %s; it is tried again", error)
            self._failed = True
            self._beat_due = min(self._beat_due, time.monotonic() + _RETRY_S)
        if self.is_trusted != self._was_trusted:
            self._on_loop(self.judge)

    def _work(self) -> None:
        # The first status goes out at once: leaders learn from it how many slots there are.
        wait_s, due_at = 0.0, math.inf
        while not self._stopping.wait(wait_s):
            self._turned_at = time.monotonic()
            note_stand_still(self._turned_at - due_at)
            try:
                for call in self._on_turn:
                    call()
                self.pass_once()
            except Exception:
                logger.exception("the heartbeat thread failed once; it continues")
            wait_s = self._config.status_every_s
            due_at = time.monotonic() + wait_s

    def _beat_if_due(self) -> None:
        started_at = time.monotonic()
        if started_at < self._beat_due:
            return
        # Set first: a heartbeat that fails is repeated after a second, not at once.
        self._beat_due = started_at + _RETRY_S
        status, version = self._status.snapshot(), self._status.version()
        was_live = self._client.beat(self._worker_id, self._config.lease_s, status)
        if not was_live:
            logger.warning(
                "worker %s: its lease had expired; it registers again and stops what others "
                "have taken over",
                self._worker_id,
            )
            # Scheduled before `_good_at` is set: otherwise the loop could trust the lease and
            # claim before the worker has registered again.
            self._on_loop(self._listener.lapsed)
        self._good_at = started_at
        self._beat_due = started_at + self._config.beat_every_s * random.uniform(0.9, 1.1)
        self._written = version
        self._look_for_drain()

    def _look_for_drain(self) -> None:
        call = self._on_drain
        request = None if call is None else self._client.drain_request(self._worker_id)
        if call is not None and request is not None:
            self._on_loop(partial(call, request))

    def _write_status(self) -> None:
        status, version = self._status.snapshot(), self._status.version()
        if version != self._written:
            self._client.set_status(self._worker_id, status)
            self._written = version

    def judge(self) -> None:
        """Report a change of `is_trusted`; to be called on the event loop."""
        is_trusted = self.is_trusted
        if is_trusted == self._was_trusted:
            return
        self._was_trusted = is_trusted
        if is_trusted:
            logger.warning("worker %s: its lease holds again; it claims", self._worker_id)
            self._listener.trusted()
        else:
            logger.warning(
                "worker %s: no heartbeat got through for %.0f s; it claims nothing until one "
                "does, what runs goes on, and results are kept",
                self._worker_id,
                self._config.trust_s,
            )
            self._listener.distrusted()

    def _on_loop(self, call: Callable[[], None]) -> None:
        if self._loop is None:
            return
        try:
            self._loop.call_soon_threadsafe(call)
        except RuntimeError:
            return  # the loop is closed: the process is about to end
