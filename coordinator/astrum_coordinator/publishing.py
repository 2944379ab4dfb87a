"""Publishes flows under the names of their namespaces, lists them and removes them."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod

from astrum.errors import DecodeError, FlowNotFoundError, RunError, nearest
from astrum.execution.invoke import Flow
from astrum.planning.plan import Plan
from astrum.protocol.published_flows import PublishedFlow, decode_flow, encode_flow
from astrum.protocol.run_header import StoredPlan
from astrum.protocol.sealing import Seal
from astrum.redis.run_store import RunStore
from astrum.runtime.version import installed_version
from astrum_coordinator.asking.submitter import submitter
from astrum_coordinator.context import CoordinatorContext
from astrum_coordinator.stored_runs import encode_plan
from astrum_coordinator.submission import check_flow, modules_of

logger = logging.getLogger("astrum.coordinator")
_ATTEMPTS = 10


async def publish(
    store: RunStore, seal: Seal, plan: Plan, stored: StoredPlan, modules: str
) -> PublishedFlow:
    """Publish a plan under its namespace, in place of an earlier one; repeatable."""
    name, at = plan.namespace, await store.server_time()
    made_by = (submitter(), installed_version(), modules)
    flow = PublishedFlow(name, stored.digest, plan.last_tasks, at, *made_by)
    record = seal.seal_flow(name, encode_flow(flow))
    for _ in range(_ATTEMPTS):
        old = await store.flow_record(name)
        if await store.publish_flow(name, record, stored, (old, _digest_in(seal, name, old))):
            return flow
    raise _busy(name)


def _digest_in(seal: Seal, name: str, record: bytes) -> str:
    """Return the digest of the plan in a record, "" if it cannot be read: its plan stays."""
    try:
        return read_flow(seal, name, record).plan_digest if record else ""
    except DecodeError as error:
        logger.warning("%s; it is replaced", error)
        return ""


def read_flow(seal: Seal, name: str, record: bytes) -> PublishedFlow:
    """Read the sealed record of a flow; raises `DecodeError`."""
    return decode_flow(name, seal.open_flow(name, record))


async def published_flows(store: RunStore, seal: Seal) -> list[PublishedFlow]:
    """Return the published flows by name; those that cannot be read are logged and left out."""
    found = []
    for name, record in sorted((await store.flow_records()).items()):
        try:
            found.append(read_flow(seal, name, record))
        except DecodeError as error:
            logger.warning("%s; publish it again", error)
    return found


async def unpublish(store: RunStore, seal: Seal, name: str) -> None:
    """Remove a flow: no new run of it can be started by name. Raises `FlowNotFoundError`."""
    for _ in range(_ATTEMPTS):
        record = await store.flow_record(name)
        if not record:
            raise await not_published(store, name)
        if await store.unpublish_flow(name, record, _digest_in(seal, name, record)):
            return
    raise _busy(name)


async def not_published(store: RunStore, name: str) -> FlowNotFoundError:
    """Return the error for a name under which no flow is published."""
    hint = nearest(name, await store.flow_records())
    return FlowNotFoundError(
        f"no flow is published as {name!r}{hint} (`astrum-coordinator publish MODULE` publishes "
        "one, `flows` lists all)"
    )


def _busy(name: str) -> RunError:
    return RunError(f"flow {name!r} is being published by others all the time: try again")


class Publishing(ABC):
    """What a coordinator does with published flows."""

    @property
    @abstractmethod
    def _context(self) -> CoordinatorContext:
        """The store and what belongs to it."""

    async def publish(self, flow: Flow) -> PublishedFlow:
        """Publish a flow under the name of its namespace, so that a `Client` can start it.

        It takes the place of what was published under that name; runs that exist go on as they
        are. Plan it with ``fingerprints=True``.
        """
        check_flow(flow)
        store, seal = self._context.store, self._context.seal
        return await publish(store, seal, flow.plan, encode_plan(flow.plan, seal), modules_of(flow))

    async def flows(self) -> list[PublishedFlow]:
        """Return the published flows, sorted by name."""
        return await published_flows(self._context.store, self._context.seal)

    async def unpublish(self, name: str) -> None:
        """Remove a published flow; its runs go on. Raises `FlowNotFoundError`."""
        await unpublish(self._context.store, self._context.seal, name)
