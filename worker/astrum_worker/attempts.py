"""Runs what was claimed: one claimed attempt is one running attempt, and has one end.

A claim comes in by `Attempts.accept` and goes out by `Attempts._end`, whatever happens between::

    claim ── readable, served here ──▶ running ── returned, raised, timed out ──▶ settled
      │                                   ├────── revoked (settled by others) ──▶ dropped
      │                                   └────── drain, out of time ───────────▶ handed back
      ├── unknown task, other version ──────────────────────────────────────────▶ handed back
      ├── damaged, of a known attempt ──────────────────────────────────────────▶ settled, failed
      └── damaged altogether ───────────────────────────────────────────────────▶ set aside
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from astrum.errors import RunNotFoundError, StoreError, TransportError
from astrum.invoke import CURRENT, AttemptContext, AttemptResult, Invoker, value_failure
from astrum.machine.events import Outcome
from astrum.machine.failure import UNSERVED, Failure
from astrum.redis import Claim, Settlement
from astrum.relay import Relay
from astrum.wire.arguments import NO_ARGUMENTS
from astrum.wire.messages import Record, TaskMessage, encode_record
from astrum.wire.sealing import Seal
from astrum_worker.blobs import BlobCache
from astrum_worker.catalog import Served
from astrum_worker.config import WorkerConfig
from astrum_worker.counters import Counters
from astrum_worker.endings import Dropped, Ended, never_began, raised
from astrum_worker.held import EntryKey, Held
from astrum_worker.intake import Intake, Refused, Runnable, Unreadable
from astrum_worker.reporter import Report, Reporter
from astrum_worker.service import patiently
from astrum_worker.slots import Slots
from astrum_worker.values import decode_arguments, encode_result
from astrum_worker.waiting_room import WaitingRoom

logger = logging.getLogger("astrum.worker")

StillMine = Callable[[str, Sequence[tuple[int, int, str]]], Awaitable[list[bool]]]
"""As `astrum.redis.WorkerStore.still_mine`."""

_COUNTERS = {outcome: outcome.name.lower() for outcome in Outcome}
_REASONS_TOLD = 100
_ADOPTED_KNOWN = 10_000


class Attempts:
    """Everything that this worker holds. ``slots`` are the places by lane ("alone" has none).

    With keys, ``still_mine`` is asked before anything runs: a signature proves who wrote a
    message, but not that it is no copy of one that ran long ago.
    """

    def __init__(
        self,
        worker_id: str,
        config: WorkerConfig,
        intake: Intake,
        invoker: Invoker,
        blobs: BlobCache,
        reporter: Reporter,
        counters: Counters,
        slots: Mapping[str, Slots],
        seal: Seal,
        still_mine: StillMine,
        *,
        may_wait: Callable[[], bool],
    ) -> None:
        self._worker_id = worker_id
        self._config = config
        self._intake = intake
        self._invoker = invoker
        self._blobs = blobs
        self._reporter = reporter
        self._counters = counters
        self._slots = slots
        self._room = WaitingRoom(
            slots,
            may_wait=may_wait,
            start=self._start,
            send_away=self._send_away,
            recall=self._recall,
        )
        self._seal = seal
        self._still_mine = still_mine
        self._held: dict[EntryKey, Held] = {}
        self._to_begin = Relay(self._run, own=CURRENT)
        self._running = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._settled_while_audited: set[EntryKey] | None = None
        self._adopted: dict[EntryKey, None] = {}
        self._told: set[str] = set()
        self.version = 0

    # --- what others may ask ------------------------------------------------------------

    def held(self) -> list[Held]:
        """Return all that is held now; safe to call from another thread."""
        return list(self._held.values())

    def running(self) -> list[Held]:
        """Return what runs now; safe to call from another thread."""
        return [held for held in self.held() if held.is_running]

    @property
    def running_count(self) -> int:
        """How many attempts run."""
        return self._running

    async def wait_idle(self) -> None:
        """Wait until nothing runs."""
        await self._idle.wait()

    # --- in -----------------------------------------------------------------------------

    def accept(self, lane: str, claim: Claim) -> bool:
        """Take charge of a claim; one that this worker had already is ignored.

        Such a claim comes when its reply was late, or when the server forgot that it was settled;
        then it is settled again. False if it is nothing that this worker can run.
        """
        key = (claim.stream, claim.entry_id)
        if key in self._held or key in self._adopted or self._reporter.knows(key):
            return True
        return self._take(lane, claim, key)

    def _take(self, lane: str, claim: Claim, key: EntryKey) -> bool:
        held = self._held[key] = Held(claim, key, lane=lane)
        self._counters.claimed += 1
        reading = self._intake.read(claim)
        if type(reading) is Runnable:
            message = reading.message
            held.run_id, held.task, held.attempt = message.run_id, message.task, message.attempt
            held.task_id = message.task_id
            self._room.admit(held, reading)
        elif type(reading) is Refused:
            self._refuse(held, reading)
        elif type(reading) is Unreadable:
            logger.error(
                "entry %s of %s is no task message and is set aside: %s",
                *(claim.entry_id, claim.stream, reading.reason),
            )
            self._end(held, reading)
        return type(reading) is Runnable

    def begin_audit(self) -> None:
        """Remember what is settled from now on, for `adopt`."""
        self._settled_while_audited = set()

    def adopt(self, lanes: Mapping[str, str], claims: Iterable[Claim]) -> int:
        """Accept the claims of this worker that it never heard of; return how many there were.

        ``claims`` were asked for after `begin_audit`; what was settled meanwhile is not run
        again. ``lanes`` are the lanes by stream.
        """
        settled, self._settled_while_audited = self._settled_while_audited or set(), None
        lost = [claim for claim in claims if claim[:2] not in self._held]
        lost = [claim for claim in lost if claim[:2] not in settled]
        for claim in lost:
            # The reply that told of it may only be late, and come when all this is long over.
            key = (claim.stream, claim.entry_id)
            self._adopted[key] = None
            self._take(lanes[claim.stream], claim, key)
        while len(self._adopted) > _ADOPTED_KNOWN:
            del self._adopted[next(iter(self._adopted))]
        return len(lost)

    # --- while it runs ------------------------------------------------------------------

    def _start(self, held: Held, runnable: Runnable) -> None:
        message = runnable.message
        held.since = time.monotonic()
        held.context = AttemptContext(
            message.run_id,
            message.task_id,
            message.number,
            message.max_retries,
            message.namespace,
            self._worker_id,
            message.timeout_s,
            message.check_types,
        )
        if not self._running:
            self._idle.clear()
        self._running += 1
        self.version += 1
        self._to_begin.add((held, held.context, runnable))

    async def _run(
        self, item: tuple[Held, AttemptContext, Runnable], job: asyncio.Task[None]
    ) -> None:
        """Run an attempt and give it its end, unless it has one already."""
        held, context, (message, served) = item
        if context.cancelled or held.has_ended:  # before its turn came
            self._finish_once(held, self._unrun(held))
            return
        held.job, held.started_at, held.since = job, time.time(), time.monotonic()
        try:
            ending: Ended | Dropped = await self._ended(held, context, message, served)
        except asyncio.CancelledError:
            ending = self._unrun(held)
        except Exception as error:
            logger.exception("task %r could not be run", held.task_id)
            ending = Ended(self._record(held, raised(error, held.started_at)))
        held.job = None
        self._finish_once(held, ending)

    async def _ended(
        self, held: Held, context: AttemptContext, message: TaskMessage, served: Served
    ) -> Ended:
        try:
            if self._seal.is_on and not await self._is_expected(held):
                return self._copy_handed_back(held)
            if message.arguments == NO_ARGUMENTS:
                arguments: dict[str | int, Any] = {}
            else:
                arguments = await decode_arguments(message, served, self._blobs)
            result = await self._invoker.invoke(served.task, context, arguments)
        except (TransportError, StoreError, RunNotFoundError) as error:
            result = value_failure(error, "arguments")
        except KeyboardInterrupt as error:  # a task's own: signals do not raise in this process
            result = raised(error, held.started_at)
        return self._encoded(held, served, result)

    async def _is_expected(self, held: Held) -> bool:
        items = [(held.task, held.attempt, held.claim.entry_id)]
        [is_mine] = await patiently(lambda: self._still_mine(held.run_id, items))
        return is_mine

    def _copy_handed_back(self, held: Held) -> Ended:
        why = "nobody waits for this entry; it is a copy of an old message, or settled by others"
        logger.warning("run %s: task %r is not run: %s", held.run_id, held.task_id, why)
        now = time.time()
        failure = Failure((UNSERVED,), why)
        return Ended(
            self._record(held, AttemptResult(Outcome.HANDED_BACK, None, failure, now, now))
        )

    def _encoded(self, held: Held, served: Served, result: AttemptResult) -> Ended:
        if result.outcome is not Outcome.SUCCEEDED:
            return Ended(self._record(held, result))
        try:
            value, blob = encode_result(
                result.value,
                served,
                inline_bytes=self._config.inline_bytes,
                max_bytes=self._config.max_value_bytes,
            )
        except Exception as error:  # a model's own serializer may raise anything
            failed = value_failure(error, "result")
            failed = failed._replace(started_at=result.started_at)
            return Ended(self._record(held, failed))
        return Ended(self._record(held, result, value), blob)

    def revoke(self, run_id: str, pairs: Iterable[tuple[int, int]]) -> None:
        """Cancel these attempts, which others have settled."""
        wanted = set(pairs)
        for held in self.running():
            if held.run_id == run_id and (held.task, held.attempt) in wanted:
                self.cancel(held)
        for held in list(self._room):
            if held.run_id == run_id and (held.task, held.attempt) in wanted:
                self._counters.revoked += 1
                self._room.remove(held)
                self._end(held, Dropped())

    def cancel(self, held: Held) -> None:
        """Stop an attempt that others have settled."""
        if held.is_running and not held.is_revoked:
            held.is_revoked = True
            self._counters.revoked += 1
            self._stop(held)

    def send_away_waiting(self) -> None:
        """Hand back what waits for a place: nothing more may begin."""
        self._room.close()

    def stop_all(self) -> None:
        """Cancel everything that runs, to be handed back."""
        for held in self.running():
            self._stop(held)

    def hand_back_all(self) -> None:
        """Hand back what still runs, without waiting for it any more."""
        for held in self.running():
            self._finish(held, self._stopped(held))

    def _stop(self, held: Held) -> None:
        assert held.context is not None
        held.context.cancel()
        if held.job is not None:
            held.job.cancel()

    # --- out ----------------------------------------------------------------------------

    def _finish_once(self, held: Held, ending: Ended | Dropped) -> None:
        if not held.has_ended:
            self._finish(held, Dropped() if held.is_revoked else ending)

    def _finish(self, held: Held, ending: Ended | Dropped) -> None:
        """Free the attempt's slot and give it its end."""
        held.has_ended = True
        self._running -= 1
        self._room.left(held, time.monotonic() - held.since)
        if not self._running:
            self._idle.set()
        self._end(held, ending)

    def _refuse(self, held: Held, refused: Refused) -> None:
        held.run_id, held.task, held.attempt = refused.run_id, refused.task, refused.attempt
        why = refused.failure.message
        is_new = why not in self._told and len(self._told) < _REASONS_TOLD
        level = logging.WARNING if is_new else logging.DEBUG
        if is_new:
            self._told.add(why)
        logger.log(
            level,
            "run %s: an attempt is settled as %s: %s",
            *(refused.run_id, refused.outcome.name.lower().replace("_", " "), why),
        )
        now = time.time()
        result = AttemptResult(refused.outcome, None, refused.failure, now, now)
        self._end(held, Ended(self._record(held, result)))

    def _end(self, held: Held, ending: Ended | Dropped | Unreadable) -> None:
        """Give a claim its one end; every claim comes through here once."""
        held.has_ended = True
        self.version += 1
        done = partial(self._forget, held)
        if type(ending) is Unreadable:
            self._reporter.set_aside(held.claim, ending.reason, done)
        elif type(ending) is Ended:
            record = ending.record
            self._tally(record.outcome)
            if record.outcome in (Outcome.FAILED, Outcome.TIMED_OUT) and record.failure:
                number = held.attempt if held.context is None else held.context.attempt
                what = (held.run_id, held.task_id, number, record.failure.summary)
                logger.info("run %s: task %r attempt %d failed: %s", *what)
            is_final = record.outcome is Outcome.SUCCEEDED
            row = self._seal.seal_row(held.run_id, encode_record(record))
            settlement = Settlement(held.task, held.attempt, held.claim.entry_id, is_final, row)
            self._reporter.report(Report(held.run_id, held.key, settlement, ending.blob, done))
        else:
            done()

    def _forget(self, held: Held) -> None:
        self._held.pop(held.key, None)
        if self._settled_while_audited is not None:
            self._settled_while_audited.add(held.key)

    def _tally(self, outcome: Outcome) -> None:
        if outcome is Outcome.SUCCEEDED:
            self._counters.succeeded += 1
            return
        name = _COUNTERS[outcome]
        setattr(self._counters, name, getattr(self._counters, name) + 1)

    def _send_away(self, held: Held) -> None:
        self._end(held, never_began(held))

    def _recall(self, held: Held) -> None:
        """Have others run what no thread has begun."""
        assert held.context is not None
        if held.job is None or held.context.withdraw():
            held.is_recalled = True
            self._slots[held.lane].stalled(time.monotonic() - held.since)
            self._stop(held)

    def _unrun(self, held: Held) -> Ended:
        return never_began(held) if held.is_recalled else self._stopped(held)

    def _stopped(self, held: Held) -> Ended:
        why = f"worker {self._worker_id} is stopping"
        failure = Failure(("astrum.WorkerStopping",), why)
        now = time.time()
        result = AttemptResult(Outcome.HANDED_BACK, None, failure, held.started_at, now)
        return Ended(self._record(held, result))

    def _record(self, held: Held, result: AttemptResult, value: bytes | None = None) -> Record:
        outcome, _, failure, started_at, ended_at = result
        return Record(
            held.task,
            held.attempt,
            outcome,
            self._worker_id,
            started_at,
            ended_at,
            value,
            failure,
            blocked=held.blocked(),
        )
