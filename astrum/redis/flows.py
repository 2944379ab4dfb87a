"""Reads and writes the records of published flows."""

from __future__ import annotations

from astrum.protocol.run_header import StoredPlan
from astrum.redis import operating_scripts
from astrum.redis.entries import pairs
from astrum.redis.store import Store


class FlowStore(Store):
    """A store that knows the published flows; their records are sealed."""

    async def flow_records(self) -> dict[str, bytes]:
        """Return all records by name."""
        reply = await self.client.execute("HGETALL", self.keys.flows)
        return {name.decode("utf-8", "replace"): data for name, data in pairs(reply).items()}

    async def flow_record(self, name: str) -> bytes:
        """Return the record of a flow, ``b""`` if it is not published."""
        return bytes(await self.client.execute("HGET", self.keys.flows, name) or b"")

    async def publish_flow(
        self, name: str, record: bytes, plan: StoredPlan, old: tuple[bytes, str]
    ) -> bool:
        """Publish a flow in place of the ``old`` record with its plan's digest (empty: none).

        The plan lives until another takes its place. ``False``: the record was changed meanwhile.
        """
        call = operating_scripts.publish(self.keys, name, record, plan, old)
        return bool(await self.bulk.call(call))

    async def unpublish_flow(self, name: str, record: bytes, digest: str) -> bool:
        """Remove a flow; ``False`` if its record was changed meanwhile."""
        call = operating_scripts.unpublish(self.keys, name, record, digest)
        return bool(await self.client.call(call))
