"""Processes that sign and verify, each with the keys it is given."""

from __future__ import annotations

from pathlib import Path

import pytest

from astrum.protocol.keys import Keys
from astrum.protocol.signing import KEY_VARIABLE
from astrum.redis import RedisSettings
from tests.integration.resilience.pool import MODULE, Pool
from tests.processes import AstrumProcess, wait_until
from tests.servers import RedisServer

OLD = "old-0123456789abcdef"
NEW = "new-0123456789abcdef"
KEYS = Keys()


class SignedPool(Pool):
    """As `Pool`, but every process gets its keys."""

    def __init__(self, folder: Path, server: RedisServer, patch: pytest.MonkeyPatch) -> None:
        super().__init__(folder, server)
        self._patch = patch
        self.with_keys(OLD)

    def with_keys(self, keys: str) -> SignedPool:
        """Give all processes that start from now on these keys."""
        self.keys = keys
        self._patch.setenv(KEY_VARIABLE, keys)
        return self

    def settings(self) -> RedisSettings:
        """How a process with the present keys reaches the server."""
        keys = tuple(key.encode() for key in self.keys.split(",") if key)
        return RedisSettings(url=self.server.url, signing_keys=keys)

    @property
    def streams(self) -> list[str]:
        """The async streams that the workers read, once one of them does; full ones first."""
        with self.server.client() as client:
            wait_until(lambda: client.exists(KEYS.queues) == 1, "a stream")
            names = [name.decode() for name in client.smembers(KEYS.queues)]
            found = [name for name in names if KEYS.stream_of(name).lane == "async"]
            return sorted(found, key=lambda name: (-client.xlen(name), name))

    def forge(self, fields: dict[str | bytes, bytes]) -> bytes:
        """Write an entry to the queue as anyone with access to the server can."""
        with self.server.client() as client:
            entry_id: bytes = client.xadd(self.streams[0], fields)
        return entry_id

    def queue_is_empty(self) -> None:
        """Wait until nothing is left in the queue."""
        with self.server.client() as client:
            wait_until(lambda: not any(map(client.xlen, self.streams)), "an empty queue")


def said(process: AstrumProcess, text: str) -> None:
    """Wait until a process has written something."""
    wait_until(lambda: text in process.output, f"{text!r} in\n{process.output}")


__all__ = ["KEYS", "MODULE", "NEW", "OLD", "SignedPool", "said"]
