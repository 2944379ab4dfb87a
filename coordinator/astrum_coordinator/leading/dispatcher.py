"""Sends a leader's commands to Redis: dispatches and revocations, in batches.

A batch starts as soon as the last one has returned, with all commands that came meanwhile; there is
no timer. Both scripts may be repeated safely, so after a lost reply the same batch is sent
again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import NamedTuple

from astrum.errors import (
    LeadershipLostError,
    RunNotFoundError,
    StoreError,
    StoreUnavailableError,
    TransportError,
)
from astrum.machine.events import Dispatch, Outcome
from astrum.machine.failure import Failure
from astrum.planning.plan import Plan, TaskSpec
from astrum.protocol.messages import (
    Record,
    RevokedHint,
    TaskMessage,
    encode_message,
    encode_record,
)
from astrum.protocol.records import Holder
from astrum.protocol.sealing import Seal
from astrum.redis.run_store import RunStore
from astrum.redis.settlement import Settlement
from astrum.runtime.loops import Backoff
from astrum.runtime.service import Service
from astrum.values.arguments import NO_ARGUMENTS
from astrum_coordinator.config import CoordinatorConfig
from astrum_coordinator.leading.results import Results

logger = logging.getLogger("astrum.coordinator")

_DIGITS = "0123456789"

Stream = tuple[str, str]
"""Queue and lane."""


class Entry(NamedTuple):
    """Where a dispatched attempt stands in Redis, and since when it is known here.

    ``known_at`` is on this process's monotonic clock: the server's may be set at any time.
    """

    attempt: int
    entry_id: str
    stream: Stream
    known_at: float


class Revocation(NamedTuple):
    """An attempt to settle from here: cancelled, or timed out with its reason."""

    task: int
    attempt: int
    outcome: Outcome
    failure: Failure | None = None
    blocked: str = ""


class Dispatcher(Service):
    """Sends the commands of one led run.

    ``deposed`` is called when another leader's epoch is found, ``vanished`` when the run is not
    there any more, ``misled`` when Redis holds another attempt than believed; nothing is sent
    after any of the three until the run was read again. ``undone`` is called with (task, attempt)
    for an attempt that was revoked before it was sent, ``settled_already`` when one that was to
    be sent has been settled before.
    """

    def __init__(
        self,
        store: RunStore,
        run_id: str,
        epoch: int,
        plan: Plan,
        results: Results,
        config: CoordinatorConfig,
        seal: Seal,
        *,
        deposed: Callable[[], None],
        vanished: Callable[[], None],
        misled: Callable[[], None],
        undone: Callable[[int, int], None],
        settled_already: Callable[[], None],
    ) -> None:
        super().__init__()
        self.name = f"dispatch-{run_id}"
        self._store = store
        self._run_id = run_id
        self._epoch = epoch
        self._plan = plan
        self._results = results
        self._config = config
        self._seal = seal
        self._deposed = deposed
        self._vanished = vanished
        self._reread = misled
        self._on_withdrawn = undone
        self._settled_already = settled_already
        self._orders: deque[Dispatch] = deque()
        self._revocations: deque[Revocation] = deque()
        # By task, which has one outstanding attempt at most: what the server has not confirmed,
        # and what of it is not wanted any more.
        self._unsent: dict[int, int] = {}
        self._withdrawn: dict[int, Revocation] = {}
        self._refused = Backoff()
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self.entries: dict[int, Entry] = {}

    async def drained(self) -> None:
        """Wait until everything ordered so far has been sent."""
        await self._idle.wait()

    def dispatch(self, command: Dispatch) -> None:
        """Send this attempt with the next batch."""
        self._orders.append(command)
        self._unsent[command.task] = command.attempt
        self._rouse()

    def revoke(self, revocation: Revocation) -> None:
        """Settle an attempt from here, or withdraw it if it was not sent yet."""
        if self._unsent.get(revocation.task) == revocation.attempt:
            self._withdrawn[revocation.task] = revocation
        else:
            self._revocations.append(revocation)
        self._rouse()

    def sent_before(self, time_s: float) -> dict[Stream, list[tuple[int, Entry]]]:
        """Return (task, entry) of what was sent before a monotonic time and has not ended."""
        found: dict[Stream, list[tuple[int, Entry]]] = {}
        for task, entry in self.entries.items():
            if entry.known_at < time_s:
                found.setdefault(entry.stream, []).append((task, entry))
        return found

    def settled(self, task: int) -> None:
        """Forget where an attempt stood, since the journal says that it ended."""
        self.entries.pop(task, None)
        self._unsent.pop(task, None)  # the server's answer to the dispatch is behind the journal

    def lane_of(self, spec: TaskSpec, exclusive: bool) -> Stream:
        """Return the stream for the attempts of a task."""
        return spec.queue, "exclusive" if exclusive else spec.lane

    def _rouse(self) -> None:
        if self._idle.is_set():
            self._idle.clear()
            self._wake.set()

    async def run_once(self) -> None:
        """Wait for commands and send all of them, also those that come meanwhile."""
        await self._wake.wait()
        self._wake.clear()
        while self._orders or self._revocations:
            await self._flush()
        self._idle.set()

    def goes_on(self, error: Exception) -> bool:
        """End the loop: the leader steps down, or reads the run again and starts another."""
        match error:
            case LeadershipLostError():
                self._deposed()
            case RunNotFoundError():
                self._vanished()
            case _:
                logger.error(
                    "run %s: its commands could not be sent; the run is read again",
                    self._run_id,
                    exc_info=error,
                )
                self._reread()
        return False

    async def _flush(self) -> None:
        is_refused = False
        for stream, batch in self._next_batches().items():
            is_refused |= not await self._sent(stream, batch)
        if is_refused:
            await self._refused.wait()
        else:
            self._refused.reset()
        while self._revocations:
            batch_size = min(len(self._revocations), self._config.batch_items)
            revocations = [self._revocations.popleft() for _ in range(batch_size)]
            await self._insist(partial(self._revoke, revocations))

    async def _insist(self, action: Callable[[], Awaitable[None]]) -> None:
        """Repeat a call until it succeeds, also if the server refuses it: that may be changed."""
        backoff = Backoff()
        while True:
            try:
                await action()
            except StoreError as error:
                if not backoff.failures:
                    logger.warning("run %s: %s; trying again", self._run_id, error)
                await backoff.wait()
            else:
                return

    # --- dispatching --------------------------------------------------------------------

    async def _sent(self, stream: Stream, batch: list[Dispatch]) -> bool:
        """Send a batch; what the server does not take is ordered again, behind all else.

        So what is refused holds up no other queue, and can be withdrawn meanwhile.
        """
        try:
            await self._send(stream, batch)
        except StoreError as error:
            if not self._refused.failures:
                logger.warning("run %s: %s; trying again", self._run_id, error)
            self._orders.extend(batch)
            return False
        return True

    def _next_batches(self) -> dict[Stream, list[Dispatch]]:
        batches: dict[Stream, list[Dispatch]] = {}
        for _ in range(min(len(self._orders), self._config.batch_items)):
            command = self._orders.popleft()
            if self._unsent.get(command.task) != command.attempt:
                continue  # sent again with its batch, though it had come through
            if self._withdrawn.pop(command.task, None) is not None:
                del self._unsent[command.task]
                self._on_withdrawn(command.task, command.attempt)
                continue
            stream = self.lane_of(self._plan.tasks[command.task], command.exclusive)
            batches.setdefault(stream, []).append(command)
        return batches

    async def _send(self, stream: Stream, batch: list[Dispatch]) -> None:
        items: list[tuple[int, int, bytes, bytes]] = []
        size = 0
        for command in batch:
            try:
                data = self._encoded(command)
            except TransportError as error:
                await self._reject(command, error)
                continue
            signature = self._seal.task_signature(self._run_id, data)
            items.append((command.task, command.attempt, data, signature))
            size += len(data)
            if size >= self._config.batch_bytes:
                await self._deliver(stream, items)
                items, size = [], 0
        await self._deliver(stream, items)

    async def _deliver(self, stream: Stream, items: list[tuple[int, int, bytes, bytes]]) -> None:
        if not items:
            return
        queue, lane = stream
        replies = await self._store.dispatch(self._run_id, self._epoch, queue, lane, items)
        now = time.monotonic()
        for (task, attempt, _, _), reply in zip(items, replies, strict=True):
            mark = reply.lstrip(_DIGITS)[:1]
            is_awaited = self._unsent.get(task) == attempt
            if is_awaited:
                self._confirm(task)
            if mark == "-":
                if is_awaited:
                    self.entries[task] = Entry(attempt, reply, stream, now)
            elif mark == ":":
                self._reread()
            else:
                self._settled_already()  # the journal says how, or said it in vain

    def _confirm(self, task: int) -> None:
        del self._unsent[task]
        revocation = self._withdrawn.pop(task, None)
        if revocation is not None:
            self._revocations.append(revocation)

    def _encoded(self, command: Dispatch) -> bytes:
        spec = self._plan.tasks[command.task]
        arguments = self._results.arguments(spec) if spec.bindings else NO_ARGUMENTS
        return encode_message(
            TaskMessage(
                run_id=self._run_id,
                task=command.task,
                attempt=command.attempt,
                number=command.number,
                namespace=self._plan.namespace,
                task_id=spec.task_id,
                fingerprint=spec.fingerprint,
                max_retries=spec.retry.max_retries,
                timeout_s=spec.timeout_s,
                check_types=self._plan.check_types,
                exclusive=command.exclusive,
                arguments=arguments,
            )
        )

    async def _reject(self, command: Dispatch, error: TransportError) -> None:
        """Journal the end of an attempt that cannot be sent; no worker would fare better."""
        failure = Failure((f"astrum.errors.{type(error).__name__}",), str(error))
        record = Record(command.task, command.attempt, Outcome.FAILED, failure=failure)
        entry = self._seal.seal_entry(self._run_id, encode_record(record))
        await self._store.append_event(self._run_id, entry, epoch=self._epoch)
        self._unsent.pop(command.task, None)

    # --- revoking -----------------------------------------------------------------------

    async def _revoke(self, revocations: list[Revocation]) -> None:
        by_stream: dict[Stream, list[tuple[Revocation, str]]] = {}
        for revocation in revocations:
            entry = self.entries.get(revocation.task)
            if entry is None or entry.attempt != revocation.attempt:
                continue  # settled meanwhile: the journal says how
            by_stream.setdefault(entry.stream, []).append((revocation, entry.entry_id))
        for (queue, lane), found in by_stream.items():
            ids = [entry_id for _, entry_id in found]
            holders = await self._store.holders(queue, lane, ids)
            settlements = [self._ended(*pair, holders.get(pair[1])) for pair in found]
            await self._store.revoke(self._run_id, self._epoch, queue, lane, settlements)
            await self._hint(settlements)

    def _ended(self, revocation: Revocation, entry_id: str, holder: Holder | None) -> Settlement:
        """Return the end of an attempt, and who had it until then."""
        task, attempt, outcome, failure, blocked = revocation
        record = Record(task, attempt, outcome, failure=failure, blocked=blocked)
        if holder is not None:
            record = record._replace(worker_id=holder.worker_id, started_at=holder.claimed_at)
        row = self._seal.seal_row(self._run_id, encode_record(record))
        return Settlement(task, attempt, entry_id, False, row)

    async def _hint(self, settlements: Iterable[Settlement]) -> None:
        attempts = [(s.task, s.attempt) for s in settlements]
        with suppress(StoreUnavailableError):
            await self._store.publish(self._seal.seal_hint(RevokedHint(self._run_id, attempts)))
