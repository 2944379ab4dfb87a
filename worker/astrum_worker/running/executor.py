"""Executes one attempt in steps: check → decode → invoke → encode.

`Attempts` starts it and settles the ending that it returns.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

from astrum.errors import ResourceError, RunNotFoundError, StoreError, TransportError
from astrum.execution.endings import AttemptResult, value_failure
from astrum.execution.invoke import Invoker
from astrum.execution.large_values import is_large
from astrum.execution.resources import OpenResources
from astrum.machine.events import Outcome
from astrum.redis.patience import patiently
from astrum.runtime.loops import runs_in
from astrum_worker.context import WorkerContext
from astrum_worker.running.blobs import BlobCache
from astrum_worker.running.claim_reader import Runnable
from astrum_worker.running.claimed import ClaimedAttempt
from astrum_worker.running.endings import (
    A_COPY,
    ended,
    handed_back_as_copy,
    raised,
    without_resource,
)
from astrum_worker.running.values import decode_arguments, observe_and_encode
from astrum_worker.settling.ending import Ending

logger = logging.getLogger("astrum.worker")

NO_RESOURCES: Mapping[str | int, Any] = MappingProxyType({})


class AttemptExecutor:
    """Runs attempts and returns their endings, whatever their code does."""

    def __init__(
        self,
        context: WorkerContext,
        invoker: Invoker,
        blobs: BlobCache,
        resources: OpenResources,
    ) -> None:
        self._store = context.store
        self._config = context.config
        self._seal = context.seal
        self._invoker = invoker
        self._blobs = blobs
        self._resources = resources

    async def execute(self, held: ClaimedAttempt, runnable: Runnable) -> Ending:
        """Run an attempt to its end; raises ``CancelledError`` only if Astrum cancelled it."""
        try:
            if not await self._is_expected(held):
                return handed_back_as_copy(held)
            uses = runnable.served.task.resources
            resources = await self._resources.values(uses) if uses else NO_RESOURCES
            result = await self._result(held, runnable, resources)
            return await self._encoded(held, runnable, result)
        except ResourceError as error:  # this worker ends because of it, and others may have it
            return without_resource(held, error)
        except asyncio.CancelledError as error:
            if held.context.is_revoked:
                raise
            return ended(held, raised(error, held.started_at))
        except BaseException as error:
            if not runs_in(held.job):  # this coroutine itself is being closed
                raise
            logger.exception("task %r could not be run", held.name)
            return ended(held, raised(error, held.started_at))

    async def _is_expected(self, held: ClaimedAttempt) -> bool:
        """Return whether the leader waits for this entry: it may be a copy of an older one.

        Only checked if messages are signed: a signature proves who wrote a message, but not when.
        """
        if not self._seal.is_on:
            return True
        items = [(held.task, held.attempt, held.claim.key)]
        [is_mine] = await patiently(
            lambda: self._store.are_still_held(held.run_id, items),
            patience_s=None,
            level=logging.DEBUG,
        )
        if not is_mine:
            logger.warning("run %s: task %r is not run: %s", held.run_id, held.name, A_COPY)
        return is_mine

    async def _result(
        self, held: ClaimedAttempt, runnable: Runnable, resources: Mapping[str | int, Any]
    ) -> AttemptResult:
        message, served = runnable
        try:
            arguments = await decode_arguments(message, served, self._blobs, self._invoker.aside)
            arguments |= resources
            return await self._invoker.invoke(served.task, held.context, arguments, held.job)
        except (TransportError, StoreError, RunNotFoundError) as error:
            return value_failure(error, "arguments")

    async def _encoded(
        self, held: ClaimedAttempt, runnable: Runnable, result: AttemptResult
    ) -> Ending:
        """Return the ending of an attempt; a cancellation after the result does not discard it.

        A large result is observed, encoded, compressed and named in the thread for large values.
        """
        if result.outcome is not Outcome.SUCCEEDED:
            return ended(held, result)
        encode = partial(
            observe_and_encode,
            result.value,
            runnable,
            held.context.name,
            inline_bytes=self._config.inline_bytes,
            max_bytes=self._config.max_value_bytes,
        )
        try:
            is_small = not is_large(result.value)
            seen, encoded = encode() if is_small else await self._invoker.aside.finish(encode)
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # a model's own serializer may raise anything
            refused = value_failure(error, "result")
            return ended(held, refused._replace(started_at=result.started_at))
        return ended(held, result._replace(seen=seen), *encoded)
