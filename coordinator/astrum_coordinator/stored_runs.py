"""The stored form of runs: encodes plans and headers, and reads them back, each plan once."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple
from weakref import WeakValueDictionary

import msgpack

from astrum.errors import DecodeError, PayloadTooLargeError, RunConflictError, TransportError
from astrum.execution.input_lists import fetching_lengths
from astrum.planning.axes import ListSource
from astrum.planning.plan import Plan
from astrum.protocol.records import RunInfo
from astrum.protocol.run_header import (
    NewRun,
    RunHeader,
    StoredPlan,
    decode_header,
    differences,
    encode_header,
    identity_of,
    plan_digest,
)
from astrum.protocol.sealing import Seal
from astrum.redis.blobs import MAX_BLOB_BYTES
from astrum.redis.run_store import RunStore
from astrum.runtime.collector import collector_paused
from astrum.values.compression import inflate, shrink
from astrum.values.payload import EncodedResult
from astrum.values.unpacking import unpack
from astrum_coordinator.fetching import fetched

PLANS_KEPT = 64
NO_INPUTS: Mapping[str, EncodedResult] = {}


class StoredRun(NamedTuple):
    """A run as it was read from the store.

    ``lengths`` are those of the lists in its inputs that tasks have children for.
    """

    plan: Plan
    header: RunHeader
    lengths: Mapping[ListSource, int] = MappingProxyType({})


@collector_paused()
def encode_plan(plan: Plan, seal: Seal) -> StoredPlan:
    """Return a plan as the store keeps it.

    Raises `PayloadTooLargeError` for one that no coordinator would read back.
    """
    packed: bytes = msgpack.packb(plan.to_data())
    data = seal.seal_plan(shrink(packed))
    size = max(len(packed), len(data))
    if size > MAX_BLOB_BYTES:
        raise PayloadTooLargeError(
            f"a plan with {len(plan.tasks):,} tasks has {size:,} bytes, the limit is "
            f"{MAX_BLOB_BYTES:,}: split it into several runs"
        )
    return StoredPlan(plan_digest(data), data)


@collector_paused()
def decode_plan(stored: StoredPlan, seal: Seal) -> Plan:
    """Rebuild a plan from its stored form.

    Raises `DecodeError` for bytes that are not the plan of this digest, or that are not signed.
    """
    digest, data = stored
    packed = seal.open_plan(digest, data)
    if plan_digest(data) != digest:
        raise DecodeError(f"the plan {digest} was changed in the store")
    fields = unpack(inflate(packed))
    try:
        return Plan.from_data(fields)
    except ValueError as error:
        raise DecodeError(f"the plan {digest} cannot be read: {error}") from None


def new_run(
    run_id: str,
    header: RunHeader,
    seal: Seal,
    details: Mapping[str, str],
    *,
    inputs: Mapping[str, EncodedResult] = NO_INPUTS,
) -> NewRun:
    """Return a run to create, with ``inputs`` in place of the header's."""
    header = header._replace(inputs={name: item.value for name, item in inputs.items()})
    blobs = {item.blob.digest: item.blob for item in inputs.values() if item.blob is not None}
    return NewRun(
        run_id,
        header.plan_digest,
        seal.seal_header(run_id, encode_header(header)),
        identity_of(header.flow, header.inputs),
        details,
        tuple(blobs.values()),
    )


def read_header(info: RunInfo, seal: Seal) -> RunHeader:
    """Return the header of a run; raises `DecodeError` if it is damaged or not signed."""
    header = decode_header(seal.open_header(info.run_id, info.header))
    if header.plan_digest != info.plan_digest:
        raise DecodeError(f"the record of run {info.run_id} names another plan than its header")
    return header


class StoredRuns:
    """Reads the plans and headers of runs; the latest plans are kept, each decoded once."""

    def __init__(self, store: RunStore, seal: Seal) -> None:
        self._store = store
        self._seal = seal
        self._plans: dict[str, Plan] = {}
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def load(self, info: RunInfo) -> StoredRun:
        """Return what a run was created with.

        Raises `DecodeError`, and `RunNotFoundError` if its plan is gone.
        """
        header = read_header(info, self._seal)
        plan = await self.plan(header.plan_digest)
        if plan.is_plain or not header.inputs:
            return StoredRun(plan, header)
        fetching = fetching_lengths(plan, header.inputs)
        try:
            lengths = await fetched(fetching, info.run_id, self._store)
        except TransportError as error:
            raise DecodeError(f"the inputs of run {info.run_id} do not fit: {error}") from None
        return StoredRun(plan, header, lengths)

    async def plan(self, digest: str) -> Plan:
        """Return the plan of this digest; raises as `load`."""
        lock = self._locks.setdefault(digest, asyncio.Lock())
        async with lock:
            plan = self._plans.pop(digest, None) or await self._read(digest)
            self.keep(digest, plan)
            return plan

    def keep(self, digest: str, plan: Plan) -> None:
        """Keep a plan, as the latest that was used."""
        self._plans[digest] = plan
        while len(self._plans) > PLANS_KEPT:
            del self._plans[next(iter(self._plans))]

    async def conflict(self, run: NewRun) -> RunConflictError:
        """Return the error that says how a run differs from the one that has its id."""
        info = await self._store.run_info(run.run_id)
        how = ""
        if info is not None:
            try:
                old = read_header(info, self._seal)
                new = decode_header(self._seal.open_header(run.run_id, run.header))
                how = differences(old, new)
            except DecodeError:
                how = ""
        return RunConflictError(
            f"run {run.run_id!r} exists already, {how or 'with another flow or other inputs'}: "
            "take another run id"
        )

    async def _read(self, digest: str) -> Plan:
        stored = StoredPlan(digest, await self._store.load_plan(digest))
        # A plan of many tasks takes long to decode; the leases of others must not wait for it.
        return await asyncio.to_thread(decode_plan, stored, self._seal)
