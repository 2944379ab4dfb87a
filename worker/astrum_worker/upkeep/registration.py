"""Registers a worker: its id, host, slots, and the tasks that it serves."""

from __future__ import annotations

import os
import platform
import re
import secrets
import socket

from astrum.protocol.lacking import lacking_to_details
from astrum.runtime.version import environment_digest, installed_version
from astrum_worker.context import WorkerContext
from astrum_worker.running.catalog import Catalog


class Registration:
    """Writes this worker and its catalog to the server, as often as needed."""

    def __init__(self, context: WorkerContext, catalog: Catalog) -> None:
        self._store = context.store
        self._config = context.config
        self._catalog = catalog

    async def register(self) -> None:
        """Register, or register again after the lease had expired."""
        config = self._config
        details = {
            "host": socket.gethostname(),
            "pid": str(os.getpid()),
            "version": installed_version(),
            "python": platform.python_version(),
            "platform": platform.platform(terse=True),
            "env": environment_digest(),
            "lease_s": f"{config.lease_s:g}",
            "queues": ",".join(config.queues),
            "serves": self._catalog.summary,
            **lacking_to_details(self._catalog.missing_resources),
            "slots": f"{config.concurrency} async, {config.threads} threads",
        }
        await self._store.register(details, self._catalog.advertisement(), config.lease_s)

    def start_line(self) -> str:
        """Return a line for people about this worker and what it serves."""
        config, count = self._config, len(self._catalog)
        tasks = "1 task" if count == 1 else f"{count} tasks"
        return (
            f"astrum-worker {self._store.worker_id} serves {tasks} of "
            f"{self._catalog.summary}; {config.concurrency} async slots, {config.threads} threads; "
            f"queues {', '.join(config.queues)}; {config.redis.masked_url}"
        )


def new_worker_id() -> str:
    """Return a new unique id: host, process and a random part.

    It becomes part of the fence of attempts, so it must not contain ``:``, ``=`` or ``!``.
    """
    host = re.sub(r"[^\w.-]", "-", socket.gethostname())[:64]
    return f"{host}.{os.getpid()}.{secrets.token_hex(4)}"
