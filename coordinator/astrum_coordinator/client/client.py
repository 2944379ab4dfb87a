"""The client of services: starts published flows, and hands out handles of runs."""

from __future__ import annotations

import logging
import os
import socket
import uuid
from collections.abc import Iterable, Mapping
from types import TracebackType

from astrum.errors import RunError
from astrum.planning.run_inputs import NO_INPUTS, GivenInputs
from astrum.protocol.published_flows import PublishedFlow
from astrum.protocol.sealing import Seal
from astrum.redis.patience import patiently
from astrum.redis.run_store import RunStore
from astrum.redis.settings import RedisSettings
from astrum_coordinator.client.client_parts import ClientParts, compose
from astrum_coordinator.client.handle import RunHandle
from astrum_coordinator.client.starting import NO_LABELS, Starting, StartOptions, Wish
from astrum_coordinator.config import CoordinatorConfig
from astrum_coordinator.context import CoordinatorContext
from astrum_coordinator.publishing import published_flows
from astrum_coordinator.start_time import StartTime
from astrum_coordinator.submission import new_run_id

logger = logging.getLogger("astrum.client")
_PATIENCE_S = 10.0
"""Seconds for which a start waits for a server, for example while it is restarted."""


class Client:
    """Starts published flows on a pool, without their code, and waits for their results.

    ``async with Client("redis://host") as client: handle = await client.start("billing", ...)``.
    It leads no run: `astrum-coordinator serve` does. All handles of a client share one connection
    that waits for news of their runs. ``redis`` is a URL or `RedisSettings`. Entering raises
    `StoreUnavailableError` or `StoreConfigurationError` with what to do; after
    ``start_patience_s`` seconds without the server.
    """

    def __init__(self, redis: str | RedisSettings, *, start_patience_s: float = 0.0) -> None:
        self._settings = RedisSettings.from_env(redis) if isinstance(redis, str) else redis
        self._config = CoordinatorConfig(start_patience_s=start_patience_s, journal_block_s=30.0)
        self._opened: tuple[ClientParts, Starting] | None = None

    async def __aenter__(self) -> Client:
        store = await patiently(
            lambda: RunStore.open(self._settings).__aenter__(),
            patience_s=self._config.start_patience_s,
            log=logger,
        )
        owner = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        seal = Seal(self._settings.signing_keys)
        parts = compose(CoordinatorContext(store, owner, self._config, seal))
        self._opened = (parts, Starting(parts))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        parts, _ = self._parts
        self._opened = None
        try:
            await parts.reader.stop()
        finally:
            parts.subscriptions.close()
            await parts.store.__aexit__(kind, error, trace)

    @property
    def _parts(self) -> tuple[ClientParts, Starting]:
        if self._opened is None:
            raise RunError(
                "this client is not open: use it inside `async with Client(...) as client:`"
            )
        return self._opened

    async def start(
        self,
        flow: str,
        *,
        inputs: GivenInputs = NO_INPUTS,
        run_id: str | None = None,
        labels: Mapping[str, str] = NO_LABELS,
        timeout_s: float | None = None,
        result_ttl_s: float | None = None,
        priority: int = 0,
        at: StartTime | None = None,
        traceparent: str = "",
        versions: str = "",
        unserved_limit_s: float | None = None,
    ) -> RunHandle:
        """Start a run of the flow that is published under this name, and return its handle.

        The same ``run_id`` with the same inputs is the same run, so a start may be repeated; with
        other inputs it raises `RunConflictError`. The inputs are checked before anything is
        stored: `RunInputError` names all mistakes. No worker need be live: the run waits for one
        that serves the flow, and fails after ``unserved_limit_s``.

        With ``at`` the run waits until a time: a `datetime` with a time zone, seconds since the
        epoch, or a `timedelta` from now, at most a year ahead, by the server's clock. If it has
        passed, the run starts at once. The time of the first start of a run id counts.

        ``priority`` and the other arguments are as in `Coordinator.submit_flow`. Raises
        `FlowNotFoundError` with the nearest name.
        """
        options = StartOptions(
            labels=labels,
            timeout_s=timeout_s,
            result_ttl_s=result_ttl_s,
            priority=priority,
            at=at,
            traceparent=traceparent,
            versions=versions,
            unserved_limit_s=unserved_limit_s,
        )
        (handle,) = await self._start(flow, [Wish(run_id or new_run_id(), inputs)], options)
        return handle

    async def start_many(
        self,
        flow: str,
        inputs: Iterable[GivenInputs],
        *,
        run_ids: Iterable[str] | None = None,
        labels: Mapping[str, str] = NO_LABELS,
        timeout_s: float | None = None,
        result_ttl_s: float | None = None,
        priority: int = 0,
        at: StartTime | None = None,
    ) -> list[RunHandle]:
        """Start one run for each of ``inputs``, together, and return their handles in this order.

        All inputs are checked before the first run is stored. If an id of ``run_ids`` belongs to a
        run with other inputs, `RunConflictError` is raised, and the other runs are started: to
        repeat the call does no harm. Otherwise as `start`.
        """
        given = list(inputs)
        ids = [new_run_id() for _ in given] if run_ids is None else list(run_ids)
        if len(ids) != len(given):
            raise RunError(f"start_many() got {len(given)} inputs and {len(ids)} run ids")
        options = StartOptions(
            labels=labels,
            timeout_s=timeout_s,
            result_ttl_s=result_ttl_s,
            priority=priority,
            at=at,
        )
        wishes = [Wish(run_id, one) for run_id, one in zip(ids, given, strict=True)]
        return await self._start(flow, wishes, options)

    async def _start(self, flow: str, wishes: list[Wish], options: StartOptions) -> list[RunHandle]:
        parts, starting = self._parts
        plan = await patiently(
            lambda: starting.start(flow, wishes, options),
            patience_s=_PATIENCE_S,
            what=f"a run of flow {flow!r} is to be started",
            log=logger,
        )
        return [RunHandle(parts, wish.run_id, plan) for wish in wishes]

    def handle(self, run_id: str) -> RunHandle:
        """Return a handle of a run that any process started; its first method asks the server."""
        parts, _ = self._parts
        return RunHandle(parts, run_id)

    async def flows(self) -> list[PublishedFlow]:
        """Return the published flows, sorted by name."""
        parts, _ = self._parts
        return await published_flows(parts.store, parts.seal)
