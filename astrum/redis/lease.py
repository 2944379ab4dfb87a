"""The heartbeat of a worker: a blocking client of its own, so that a busy event loop or a long
garbage collection in it cannot cost the lease.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import redis.exceptions as driver

from astrum.protocol.drains import DrainRequest, decode_drain
from astrum.protocol.keys import DRAIN_FIELD
from astrum.protocol.process_end import ProcessEnd
from astrum.redis import worker_scripts
from astrum.redis.blocking import BlockingConnection, open_blocking
from astrum.redis.script_library import Argument, ScriptCall, ScriptLibrary
from astrum.redis.server_clock import ServerClock
from astrum.redis.settings import RedisSettings
from astrum.redis.translation import FAILURES, is_no_master, translate

LEASE_TIMEOUT_S = 2.0


class LeaseClient:
    """Renews one worker's lease from a thread; use it from one thread at a time.

    ``clock`` learns the server's time from every beat.
    """

    def __init__(
        self,
        settings: RedisSettings,
        *,
        timeout_s: float = LEASE_TIMEOUT_S,
        clock: ServerClock | None = None,
    ) -> None:
        self._settings = settings
        self._keys = settings.keys
        self._library = ScriptLibrary()
        self._clock = clock or ServerClock()
        self._timeout_s = timeout_s
        self._context = settings.tls_context()
        self._connection: BlockingConnection | None = None

    def beat(self, worker_id: str, lease_s: float, status: bytes = b"") -> bool:
        """Renew the lease by the server's clock and report the status, if there is one.

        ``False``: the lease was over or the registration was gone, so others may have settled the
        attempts of this worker: register again and verify them. The lease is renewed in either
        case. Raises kinds of `StoreError`; then it is unknown whether the lease was renewed, and
        only the start of the last beat that returned counts.
        """
        asked_at = time.time()
        reply = int(self._call(worker_scripts.beat(self._keys, worker_id, lease_s, status)))
        self._clock.learn(asked_at, abs(reply) / 1000, time.time())
        return reply > 0

    def set_status(self, worker_id: str, status: bytes) -> bool:
        """Do as `WorkerStore.set_status`."""
        return bool(self._call(worker_scripts.status(self._keys, worker_id, status)))

    def end_lease(self, worker_id: str, end: ProcessEnd) -> bool:
        """End the lease of a worker whose process has ended, so that others run what it held.

        ``False``: it had no lease any more. Call it only for a process that has ended, or is about
        to and renews nothing.
        """
        return bool(self._call(worker_scripts.end_lease(self._keys, worker_id, end)))

    def drain_request(self, worker_id: str) -> DrainRequest | None:
        """Return the request that this worker drains, `None` if there is none."""
        command = ("HGET", self._keys.worker(worker_id), DRAIN_FIELD)
        try:
            return decode_drain(self._send(command) or b"")
        except FAILURES as error:
            raise translate(error, self._settings) from error

    def close(self) -> None:
        """Drop the connection; harmless when repeated."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _call(self, call: ScriptCall) -> Any:
        command = self._library.command(call)
        try:
            try:
                return self._send(command)
            except driver.ResponseError as error:
                if not str(error).startswith("NOSCRIPT"):
                    raise
            self._send(self._library.load_command(call.name))
            return self._send(command)
        except FAILURES as error:
            raise translate(error, self._settings) from error

    def _send(self, command: Sequence[Argument]) -> Any:
        connection = self._connection
        if connection is None or not connection.is_usable():
            self.close()
            self._connection = connection = open_blocking(
                self._settings, self._context, self._timeout_s
            )
        try:
            return connection.send(command)
        except FAILURES as error:
            # The reply may still come; and the next beat must look up the master again.
            if not isinstance(error, driver.ResponseError) or is_no_master(error):
                self.close()
            raise
