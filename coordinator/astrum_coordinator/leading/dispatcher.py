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

from astrum.errors import StoreError, StoreUnavailableError, TransportError
from astrum.machine.events import Dispatch, Outcome
from astrum.machine.failure import Failure
from astrum.planning.fingerprint import COMPATIBLE
from astrum.planning.plan import TaskSpec
from astrum.protocol.hints import Hint
from astrum.protocol.messages import Record, encode_record
from astrum.protocol.records import Holder, Outstanding
from astrum.protocol.streams import Stream, weight_of
from astrum.protocol.task_message import TaskMessage, encode_message
from astrum.redis.records import queued_ms
from astrum.redis.scripts import DispatchItem
from astrum.redis.settlement import Settlement
from astrum.runtime.loops import Backoff, end_task, hide_like_caller
from astrum.values.arguments import NO_ARGUMENTS
from astrum_coordinator.context import CoordinatorContext
from astrum_coordinator.leading.dispatch_calls import (
    DispatchListener,
    Revocation,
    RunRef,
    SentAttempt,
)
from astrum_coordinator.leading.results import Results
from astrum_coordinator.leading.run_streams import RunStreams

logger = logging.getLogger("astrum.coordinator")

_DIGITS = "0123456789"


class Dispatcher:
    """Sends the commands of one led run, in a task that lives while there are any.

    After an error, which its listener gets, nothing more is sent: the leader steps down, or reads
    the run again and starts another dispatcher.
    """

    def __init__(
        self,
        run: RunRef,
        results: Results,
        streams: RunStreams,
        context: CoordinatorContext,
        listener: DispatchListener,
    ) -> None:
        self._run_id, self._epoch, self._plan, self._trace, versions, *_ = run
        # What a message leaves out costs nothing.
        self._versions = "" if versions == COMPATIBLE else versions
        self._tasks = results.tasks
        self._results = results
        self._streams = streams
        self._store = context.store
        self._config = context.config
        self._seal = context.seal
        self._counters = context.counters
        self._listener = listener
        self._commands: deque[Dispatch] = deque()
        self._revocations: deque[Revocation] = deque()
        # By task, which has one outstanding attempt at most: what the server has not confirmed,
        # and what of it is not wanted any more.
        self._unsent: dict[int, int] = {}
        self._withdrawn: dict[int, Revocation] = {}
        self._refused = Backoff()
        self._refusal = ""
        self._name = f"astrum-dispatch-{self._run_id}"
        self._may_send = False
        self._sending: asyncio.Task[None] | None = None
        self._idle = asyncio.Event()
        self._idle.set()
        self._sent: dict[int, SentAttempt] = {}

    @property
    def refused(self) -> str:
        """Why the server refuses what is to be dispatched, "" if it does not."""
        return self._refusal

    @property
    def unsent(self) -> int:
        """The number of ordered attempts that the server has not confirmed."""
        return len(self._unsent)

    def start(self) -> None:
        """Send what was ordered so far, and all that follows."""
        self._may_send = True
        if self._sending is None and not self._idle.is_set():
            self._begin_to_send()

    async def stop(self) -> None:
        """Send nothing more, and wait for the end of what is under way."""
        self._may_send = False
        sending, self._sending = self._sending, None
        if sending is not None:
            await end_task(sending)

    async def drained(self) -> None:
        """Wait until everything ordered so far has been sent."""
        await self._idle.wait()

    def dispatch(self, command: Dispatch) -> None:
        """Send this attempt with the next batch."""
        self._commands.append(command)
        self._unsent[command.task] = command.attempt
        self._wake_up()

    def revoke(self, revocation: Revocation) -> None:
        """Settle an attempt from here, or withdraw it if it was not sent yet."""
        if self._unsent.get(revocation.task) == revocation.attempt:
            self._withdrawn[revocation.task] = revocation
        else:
            self._revocations.append(revocation)
        self._wake_up()

    def sent_before(self, time_s: float) -> dict[Stream, list[tuple[int, SentAttempt]]]:
        """Return (task, attempt) of what was sent before a monotonic time and has not ended."""
        found: dict[Stream, list[tuple[int, SentAttempt]]] = {}
        for task, sent in self._sent.items():
            if sent.known_at < time_s:
                found.setdefault(sent.stream, []).append((task, sent))
        return found

    def remember(self, task: int, found: Outstanding) -> None:
        """Note where an outstanding attempt stands, as its fence says.

        Entry ids are unique in one stream only: in a guessed one it could be another run's entry.
        """
        self._sent[task] = SentAttempt(*found, time.monotonic())

    def forget(self, task: int) -> None:
        """Forget where an attempt stood, since the journal says that it ended."""
        self._sent.pop(task, None)
        # The journal has its own connection, so the end of an attempt may be read before the reply
        # to its dispatch. `_deliver_items` must then not await the reply any more: it would note
        # the ended attempt as sent, and the leader would look for its message again and again.
        self._unsent.pop(task, None)

    def _wake_up(self) -> None:
        if self._idle.is_set():
            self._idle.clear()
            if self._may_send:
                self._begin_to_send()

    def _begin_to_send(self) -> None:
        self._sending = asyncio.create_task(self._send_all(), name=self._name)
        hide_like_caller(self._sending)

    async def _send_all(self) -> None:
        """Send all commands, also those that come meanwhile."""
        try:
            while self._commands or self._revocations:
                await self._flush()
        except Exception as error:
            self._may_send = False
            self._listener.on_failure(error)
        else:
            self._sending = None
            self._idle.set()

    async def _flush(self) -> None:
        is_refused = False
        for number, batch in self._next_batches().items():
            is_refused |= not await self._send(number, batch)
        if is_refused:
            await self._refused.wait()
        else:
            self._refused.reset()
            self._refusal = ""
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

    async def _send(self, number: int, batch: list[Dispatch]) -> bool:
        """Send a batch; `False`: the server refused it, and it is sent again behind all else.

        So what is refused holds up no other queue, and can be withdrawn meanwhile.
        """
        try:
            await self._deliver(number, batch)
        except StoreError as error:
            if not self._refused.failures:
                logger.warning("run %s: %s; trying again", self._run_id, error)
            self._counters.note_refusal(error)
            self._refusal = str(error)
            self._commands.extend(batch)
            return False
        return True

    def _next_batches(self) -> dict[int, list[Dispatch]]:
        """Return the next commands by the numbers of their streams."""
        batches: dict[int, list[Dispatch]] = {}
        for _ in range(min(len(self._commands), self._config.batch_items)):
            command = self._commands.popleft()
            if self._unsent.get(command.task) != command.attempt:
                # A batch is sent in parts, and queued again as a whole if the server refuses one.
                # This attempt was in a part that came through, or it has ended since.
                continue
            if self._withdrawn.pop(command.task, None) is not None:
                del self._unsent[command.task]
                self._listener.on_withdrawn(command.task, command.attempt)
                continue
            batches.setdefault(command.stream, []).append(command)
        return batches

    async def _deliver(self, number: int, batch: list[Dispatch]) -> None:
        items: list[DispatchItem] = []
        size = 0
        for command in batch:
            try:
                if self._results.is_plain:
                    data = self._encode_message(command)
                else:
                    data = await self._encode_any(command)
            except TransportError as error:
                await self._reject(command, error)
                continue
            signature = self._seal.task_signature(self._run_id, data)
            items.append(DispatchItem(command.task, command.attempt, data, signature))
            size += len(data)
            if size >= self._config.batch_bytes:
                await self._deliver_items(number, items)
                items, size = [], 0
        await self._deliver_items(number, items)

    async def _deliver_items(self, number: int, items: list[DispatchItem]) -> None:
        if not items:
            return
        stream, rank = self._streams[number], self._streams.rank_wanted(number)
        has_more = rank is not None
        asked_at = time.monotonic()
        found = await self._store.dispatch(
            self._run_id, self._epoch, stream, items, has_more=has_more, rank=rank or 0
        )
        now = time.monotonic()
        self._counters.note_dispatch(stream.queue, stream.lane, len(items))
        self._streams.note_call(now - asked_at)
        if stream.is_rare and self._streams.is_news(number, now):
            keys = self._store.keys
            name = keys.stream_name(keys.queue(stream))
            await self._publish(Hint(self._run_id, streams=[name]))
        for (task, attempt, _, _), reply in zip(items, found.states, strict=True):
            mark = reply.lstrip(_DIGITS)[:1]
            is_awaited = self._unsent.get(task) == attempt  # else `forget` came first, see there
            if is_awaited:
                self._confirm(task)
            if mark == "-":
                if is_awaited:
                    self._sent[task] = SentAttempt(attempt, reply, stream, now)
            elif mark == ":":
                self._listener.on_mismatch()
            else:
                # The attempt has ended, so its record is in the journal. If that record has no
                # valid signature the leader ignored it, and has to settle the attempt itself now.
                self._listener.on_already_settled()
        own = 0 if rank is None else weight_of(rank)
        self._listener.on_told(stream, found.length, found.weight - own)

    def _confirm(self, task: int) -> None:
        del self._unsent[task]
        revocation = self._withdrawn.pop(task, None)
        if revocation is not None:
            self._revocations.append(revocation)

    def _encode_message(self, command: Dispatch) -> bytes:
        spec = self._tasks.spec(command.task)
        arguments = self._results.arguments(spec) if spec.bindings else NO_ARGUMENTS
        return encode_message(self._message(command, spec, arguments))

    async def _encode_any(self, command: Dispatch) -> bytes:
        """Return the message of any task or child: its arguments may need more than is here."""
        task = command.task
        spec = self._tasks.spec(task)
        arguments = NO_ARGUMENTS
        if spec.bindings:
            results = self._results
            arguments = results.arguments_at_hand(task) or await results.fetched_arguments(
                task, self._run_id, self._store
            )
        message = self._message(command, spec, arguments)
        return encode_message(
            message._replace(
                child_index=self._tasks.index(task),
                child_key=self._results.key(task),
                watches=spec.watches,
            )
        )

    def _message(self, command: Dispatch, spec: TaskSpec, arguments: bytes) -> TaskMessage:
        return TaskMessage(
            run_id=self._run_id,
            task=command.task,
            attempt=command.attempt,
            try_number=command.try_number,
            namespace=self._plan.namespace,
            task_id=spec.task_id,
            fingerprint=spec.fingerprint,
            max_retries=spec.retry.max_retries,
            timeout_s=spec.timeout_s,
            check_types=self._plan.check_types,
            exclusive=command.exclusive,
            arguments=arguments,
            versions=self._versions,
            trace=self._trace,
        )

    async def _reject(self, command: Dispatch, error: TransportError) -> None:
        """Journal the end of an attempt that cannot be sent: no worker could run it."""
        failure = Failure((f"astrum.errors.{type(error).__name__}",), str(error))
        record = Record(command.task, command.attempt, Outcome.FAILED, failure=failure)
        entry = self._seal.seal_entry(self._run_id, encode_record(record))
        await self._store.append_event(self._run_id, entry, epoch=self._epoch)
        self._unsent.pop(command.task, None)

    # --- revoking -----------------------------------------------------------------------

    async def _revoke(self, revocations: list[Revocation]) -> None:
        found: dict[tuple[Stream, bool], list[tuple[Revocation, str]]] = {}
        for revocation in revocations:
            sent = self._sent.get(revocation.task)
            if sent is None or sent.attempt != revocation.attempt:
                continue  # settled meanwhile: the journal says how
            key = (sent.stream, revocation.if_unclaimed)
            found.setdefault(key, []).append((revocation, sent.entry_id))
        for (stream, if_unclaimed), group in found.items():
            await (self._take_back if if_unclaimed else self._revoke_from)(stream, group)

    async def _revoke_from(self, stream: Stream, group: list[tuple[Revocation, str]]) -> None:
        holders = await self._store.holders(stream, [entry_id for _, entry_id in group])
        settlements = [self._settlement(*pair, holders.get(pair[1])) for pair in group]
        await self._store.revoke(self._run_id, self._epoch, stream, settlements)
        await self._hint(settlements)

    async def _take_back(self, stream: Stream, group: list[tuple[Revocation, str]]) -> None:
        settlements = [self._settlement(*pair, None) for pair in group]
        await self._store.take_back(self._run_id, self._epoch, stream, settlements)

    def _settlement(
        self, revocation: Revocation, entry_id: str, holder: Holder | None
    ) -> Settlement:
        """Return the end of an attempt, and who had it until then."""
        task, attempt, outcome, failure, blocked, _ = revocation
        record = Record(task, attempt, outcome, failure=failure, blocked=blocked)
        if holder is not None:
            record = record._replace(
                worker_id=holder.worker_id,
                started_at=holder.claimed_at,
                queued_ms=queued_ms(entry_id, holder.claimed_at),
            )
        row = self._seal.seal_row(self._run_id, encode_record(record))
        return Settlement(task, attempt, entry_id, False, row)

    async def _hint(self, settlements: Iterable[Settlement]) -> None:
        await self._publish(Hint(self._run_id, [(s.task, s.attempt) for s in settlements]))

    async def _publish(self, hint: Hint) -> None:
        with suppress(StoreUnavailableError):
            await self._store.publish(self._seal.seal_hint(hint))
