"""A cache of the large values in the store: each is fetched and inflated once for all readers."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from astrum.redis.patience import patiently
from astrum.runtime.loops import hide
from astrum.values.projector import Projector
from astrum.values.references import BlobRef

Fetch = Callable[[str, str], Awaitable[bytes]]
"""From run id and digest to the inflated value."""


class BlobCache:
    """Keeps at most ``limit_bytes``; the least recently used values are dropped first.

    Readers of parts share one index of a value. Readers of a whole value decode it each for
    itself: a task may change its argument.

    A digest names the content, so runs share values. Two callers that want the same value wait for
    one transfer.
    """

    def __init__(self, fetch: Fetch, limit_bytes: int) -> None:
        self._fetch = fetch
        self._limit_bytes = limit_bytes
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._under_way: dict[str, asyncio.Task[bytes]] = {}
        self._projector = Projector(limit_bytes)
        self.size_bytes = 0

    async def get(self, run_id: str, digest: str) -> bytes:
        """Return the value, waiting for an unreachable store; raises as the store's `get_blob`."""
        kept = self._kept.get(digest)
        if kept is not None:
            self._kept.move_to_end(digest)
            return kept
        transfer = self._under_way.get(digest)
        if transfer is None:
            transfer = asyncio.create_task(self._transfer(run_id, digest))
            hide(transfer)
            self._under_way[digest] = transfer
        # Shielded: the cancellation of one caller must not cancel the transfer for the others.
        return await asyncio.shield(transfer)

    def part(self, ref: BlobRef, blob: bytes) -> bytes:
        """Return the encoded part of a fetched value that ``ref`` names; raises as `project`.

        Not thread-safe: one thread at a time.
        """
        return self._projector.project(ref.digest, blob, ref.path)

    async def close(self) -> None:
        """Cancel the transfers that are under way."""
        transfers = list(self._under_way.values())
        for transfer in transfers:
            transfer.cancel()
        await asyncio.gather(*transfers, return_exceptions=True)

    async def _transfer(self, run_id: str, digest: str) -> bytes:
        try:
            data = await patiently(
                lambda: self._fetch(run_id, digest), patience_s=None, level=logging.DEBUG
            )
        finally:
            del self._under_way[digest]
        self._keep(digest, data)
        return data

    def _keep(self, digest: str, data: bytes) -> None:
        if len(data) > self._limit_bytes:
            return
        self._kept[digest] = data
        self.size_bytes += len(data)
        while self.size_bytes > self._limit_bytes:
            _, dropped = self._kept.popitem(last=False)
            self.size_bytes -= len(dropped)
